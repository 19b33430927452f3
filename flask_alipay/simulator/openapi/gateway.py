"""Entry point of the open platform: parameters in, reply out.

A request is checked in Alipay's order: method, application, signature, other common parameters, the
method's fields. Each step rejects with its ``sub_code``.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from datetime import datetime
from html import escape
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.charsets import decode
from ...signer import sign_content
from .. import error_codes
from ..agreements import AgreementRegistry
from ..clock import OffsetFn, zero_offset
from ..faults import Faults
from ..merchant.merchant import SimulatedMerchant
from ..notifications.messages import Announcement
from ..notifications.notify_ids import NotifyIds
from ..oauth_tokens import AuthorizationStore
from ..replies import (
    ApiError,
    CallResult,
    ErrorPage,
    PendingNotification,
    PlainText,
    Reply,
)
from ..storage.storage import Storage
from ..trades.agreements import Agreement
from ..trades.preauthorizations import PreauthorizationStore
from ..trades.trades import Trade, TradeStore
from ..trades.transfers import TransferStore
from ..web.forms import RawForm
from ..web.urls import valid_url_or_empty
from .accounts import AccountService
from .agreements import AgreementService
from .app_pay import CANCELLED, FAILED, PAID, UNSURE, App, result
from .bills import BillService
from .call import ApiCall, Context, Handler, MethodResult, Success
from .certificates import DOWNLOAD, CertificateDownload
from .complaints import ComplaintService
from .content import read_content
from .images import UPLOAD, ImageService
from .notifications import NotificationBuilder
from .oauth import IN_COMMON, AuthorizationService, check_app_auth_token
from .orders import PAGES, SIGN
from .payments import PaymentService
from .preauthorizations import PreauthorizationService
from .receipts import ReceiptService
from .refunds import RefundService
from .request_parameters import check_common, read_params
from .royalty_relations import RoyaltyRelationService
from .settlements import SettlementService
from .signing import ServerSigner, dump_json, json_response
from .trades import TradeService
from .transfers import TransferService
from .v3 import V3, RestRequest

#: The rejection with more details than the others.
BAD_SIGN: Final = "isv.invalid-signature"
# Methods whose parameters may stand beside biz_content.
_WITHOUT_CONTENT: Final = (DOWNLOAD, UPLOAD, *IN_COMMON)
# In captured responses these are below this root, whatever the method.
_ERROR_RESPONSE: Final = (
    "isv.missing-signature",
    "aop.invalid-app-auth-token",
    "isv.grant-type-invalid",
    "isv.code-invalid",
    "isv.refresh-token-invalid",
)


class OpenApi:
    """Alipay's open platform, version 2.

    :param merchant: the only merchant.
    :param trades: store of the trades.
    :param notify_ids: issues notification IDs.
    :param faults: the faults to inject.
    :param storage: stores the data beyond the process.
    :param ahead: tells how far the time here is ahead of the merchant's.
    """

    def __init__(
        self,
        merchant: SimulatedMerchant,
        trades: TradeStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
        storage: Storage | None = None,
        ahead: OffsetFn = zero_offset,
    ) -> None:
        signer = ServerSigner(merchant)
        storage = storage or Storage()
        #: The tokens of users and merchants.
        self.authorizations = AuthorizationStore(merchant, storage)
        #: The amounts that are frozen for the merchant.
        self.preauthorizations = PreauthorizationStore(storage)
        #: The agreements.
        self.agreements = AgreementRegistry(merchant, storage)
        #: Shared objects of the methods.
        self.context = context = Context(
            *(merchant, trades, notify_ids, signer, faults or Faults(), storage),
            *(self.authorizations, self.preauthorizations, self.agreements, ahead),
        )
        self._notifications = NotificationBuilder(context)
        self._bills = BillService(context)
        #: The transfers.
        self.transfers = TransferStore(context.storage)
        self._receipts = ReceiptService(context, self.transfers)
        #: The complaints that messages announce.
        self.complaints = ComplaintService(context)
        freezes = PreauthorizationService(context)
        services = (
            PaymentService(context),
            TradeService(context),
            RefundService(context),
            SettlementService(context),
            RoyaltyRelationService(context),
            TransferService(context, self.transfers),
            AccountService(context, self.transfers),
            freezes,
            self._receipts,
            self._bills,
            *(CertificateDownload(context), ImageService(), self.complaints),
            *(AuthorizationService(context), AgreementService(context)),
        )
        self.methods: Mapping[str, Handler] = {
            name: run for group in services for name, run in group.methods.items()
        }
        self._in_apps = {**App(context).in_apps, **freezes.in_apps}
        self._rest = V3(context, self.methods)

    def reply(self, form: RawForm, now: datetime, root: str = "") -> CallResult:
        """Handle a request to the gateway; never raise for its content.

        :param root: the simulator's URL, without a trailing slash.
        """
        method = form.ascii_value("method") or ""
        call, known = None, False
        try:
            call = self._received(method, form, now, root, self.methods)
            self._authenticate(call)
            known = True
            done = self._run(call, self.methods[method])
            answer: Reply = self._done(call, done) if isinstance(done, Success) else done
        except ApiError as refusal:
            answer = self._refused(method, refusal, call, known)
        return CallResult(answer, trades=_detail(call))

    def pay_in_app(
        self, form: RawForm, cancel: bool, now: datetime, *, sign: bool = True
    ) -> CallResult:
        """Handle an app's order string as Alipay's SDK does: pay, or cancel.

        :param sign: whether a buyer who pays signs the agreement that belongs to the order.
        :returns: ``resultStatus={9000};memo={};result={…}``, a signed answer in the result.
        """
        call = None
        try:
            method = form.ascii_value("method") or ""
            call = replace(self._received(method, form, now, "", self._in_apps), signs=sign)
            self._authenticate(call)
            check, perform = self._in_apps[method]
            done = self._run(call, _checked(check) if cancel else perform)
        except ApiError as refusal:
            status = UNSURE if error_codes.is_unknown_outcome(refusal.code) else FAILED
            return CallResult(PlainText(result(status, str(refusal))), trades=_detail(call))
        if cancel or not isinstance(done, Success):
            return CallResult(PlainText(result(CANCELLED, "cancelled by the buyer")))
        signed = self._signed(call, done)
        text = f'{signed[:-1]},"sign_type":"{call.sign_type}"}}'
        return CallResult(PlainText(result(PAID, "", text)), trades=_detail(call))

    def reply_v3(self, request: RestRequest, now: datetime, root: str) -> CallResult:
        """Handle a request of version 3; never raise for its content.

        :param root: the simulator's URL, without a trailing slash.
        """
        return self._rest.reply(request, now, root)

    def bill(self, token: str, now: datetime) -> bytes | None:
        """Return the bill or receipt of a URL's token, ``None`` if it is unknown or expired."""
        return self._bills.download(token, now) or self._receipts.download(token, now)

    def notice(self, trade: Trade) -> PendingNotification | None:
        """Return the notification of a trade, ``None`` if Alipay sends none."""
        return self._notifications.notice(trade)

    def compose(self, notice: PendingNotification, now: datetime) -> bytes:
        """Return the signed body of a notification for the time of an attempt."""
        return self._notifications.compose(notice, now)

    def gateway_check(self, now: datetime) -> bytes:
        """Return the signed probe with which the console activates the merchant's address."""
        return self._notifications.gateway_check(now)

    def is_activated(self, answer: str) -> bool:
        """Return True if an answer to the probe has the application's public key, signed."""
        return self._notifications.is_activated(answer)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Return the signed query with which the buyer of a paid trade returns to the shop."""
        return self._notifications.return_query(trade, now)

    def sign_return_query(self, agreement: Agreement, now: datetime) -> str:
        """Return the signed query with which the buyer of an agreement returns to the shop."""
        return self._notifications.sign_return_query(agreement, now)

    # From the wire to a call that is known to be the merchant's.

    def _received(
        self, method: str, form: RawForm, now: datetime, root: str, known: Container[str]
    ) -> ApiCall:
        if not method:
            raise ApiError("isv.missing-method")
        if method not in known:
            raise ApiError("isv.invalid-method")
        charset = form.ascii_value("charset") or "utf-8"
        params = read_params(form, charset)
        sign_type, certified = params.get("sign_type", ""), bool(params.get("app_cert_sn"))
        return ApiCall(
            method,
            {},
            params,
            charset,
            sign_type,
            now,
            root,
            certified=certified,
            files=form.files,
        )

    def _authenticate(self, call: ApiCall) -> None:
        params = call.params
        if not params.get("app_id"):
            raise ApiError("isv.missing-app-id")
        if params["app_id"] != self.context.merchant.app_id:
            raise ApiError("isv.invalid-app-id")
        self.context.signer.check_certificates(
            params.get("app_cert_sn", ""), params.get("alipay_root_cert_sn", "")
        )
        if not call.sign_type:
            raise ApiError("isv.missing-signature-type")
        if not self.context.signer.knows(call.sign_type):
            raise ApiError("isv.invalid-signature-type", "sign_type must be RSA2 or RSA")
        if not params.get("sign"):
            raise ApiError("isv.missing-signature")
        if not params.get("charset"):  # which nothing is documented for but that it is required
            raise ApiError("isv.invalid-charset", "charset is required")
        if not self.context.signer.verifies(params, call.charset):
            raise ApiError(
                BAD_SIGN,
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )

    def _run(self, call: ApiCall, run: Handler) -> MethodResult:
        check_app_auth_token(self.context, call)
        check_common(call.params, call.now, self.context.ahead())
        try:
            content = read_content(self._content(call))
            # The notifications of a call are one list, which later work does not change.
            read = ApiCall(**{**vars(call), "content": content, "params": self._params(call)})
            return self.context.run(read, run)
        except InvalidParameter as error:
            raise ApiError(error_codes.invalid_parameter(call.method), str(error)) from None

    def _params(self, call: ApiCall) -> Mapping[str, str]:
        """Return the parameters with the token that stands for the merchant."""
        token = call.params.get("app_auth_token", "")
        first = self.authorizations.first_token(token)
        return call.params if first == token else {**call.params, "app_auth_token": first}

    def _content(self, call: ApiCall) -> str:
        text = call.params.get("biz_content", "{}" if call.method in _WITHOUT_CONTENT else "")
        if not call.params.get("encrypt_type"):
            return text
        content = self.context.signer.cipher.decrypt(text)
        if content is None:
            raise ApiError("isv.decryption-error-unknown")
        try:
            return decode(content, call.charset)
        except UnicodeDecodeError:
            raise ApiError("isv.decryption-error-unknown") from None

    # Alipay's message.

    def _done(self, call: ApiCall, done: Success) -> Reply:
        return json_response(self._signed(call, done), call.charset)

    def _signed(self, call: ApiCall, done: Success) -> str:
        stated = {"code": done.code, "msg": error_codes.CLASSES[done.code]} if done.code else {}
        node = {**stated, **done.fields}
        return self.context.signer.signed(_node(call.method), node, call.params, call.charset)

    def _refused(self, method: str, refusal: ApiError, call: ApiCall | None, known: bool) -> Reply:
        """Return a page if a browser brought the request, JSON otherwise.

        :param known: whether it is the merchant's request.
        """
        meaning = error_codes.OPENAPI[refusal.code]
        if method in PAGES or method == SIGN:
            shop_url = (
                valid_url_or_empty(call.params.get("return_url", "")) if call and known else ""
            )
            string = _string_to_sign(refusal, call)
            # The status and the charset are those of the live gateway, probed in 2026.
            return ErrorPage(refusal.code, meaning, refusal.detail, shop_url, string, 200, "gbk")
        code = error_codes.code_for(refusal.code)
        error = {
            "code": code,
            "msg": error_codes.CLASSES[code],
            "sub_code": refusal.code,
            "sub_msg": self._sub_msg(refusal, meaning[1], call),
        }
        name = _node(method) if method in self.methods else "error_response"
        if refusal.code in _ERROR_RESPONSE:
            name = "error_response"
        if call is None or not self._signs(refusal.code, call, known):
            return json_response(f'{{"{name}":{dump_json(error, "utf-8")}}}', "utf-8")
        params = call.params
        if refusal.code.startswith(error_codes.GATEWAY_PREFIXES):  # nothing to keep secret yet
            params = {**params, "encrypt_type": ""}
        return json_response(
            self.context.signer.signed(name, error, params, call.charset), call.charset
        )

    def _signs(self, code: str, call: ApiCall, known: bool) -> bool:
        """Return True if an error is signed.

        In captured responses Alipay signs errors once the application is known, also that it needs
        certificates, but not that another parameter is missing.
        """
        if code == BAD_SIGN or "-cert-" in code:
            return self.context.signer.knows(call.sign_type)
        return known and not code.startswith("isv.missing-")

    def _sub_msg(self, refusal: ApiError, meaning: str, call: ApiCall | None) -> str:
        string = _string_to_sign(refusal, call)
        if call is None or not string:
            return f"{meaning}: {refusal.detail}" if refusal.detail else meaning
        actual = self.context.signer.other_sign_type(call.params, call.charset)
        if actual:
            return (
                "验签出错，sign值与sign_type参数指定的签名类型不一致："
                f"sign_type参数值为{call.sign_type}，您实际用的签名类型可能是{actual}"
            )
        return f"{meaning}，网关生成的验签字符串为：{escape(string)}"


def _string_to_sign(refusal: ApiError, call: ApiCall | None) -> str:
    """Return the string that should have been signed, if a signature does not verify."""
    if call is None or refusal.code != BAD_SIGN:
        return ""
    try:
        content = sign_content(call.params, exclude=("sign",), charset=call.charset)
    except InvalidParameter:
        return ""
    return decode(content, call.charset)


def _checked(check: Callable[[ApiCall], None]) -> Handler:
    def handler(call: ApiCall) -> Success:
        check(call)
        return Success({})

    return handler


def _detail(call: ApiCall | None) -> tuple[Trade | Announcement, ...]:
    return () if call is None else tuple(call.notifications)


def _node(method: str) -> str:
    return f"{method.replace('.', '_')}_response"
