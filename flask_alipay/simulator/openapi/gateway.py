"""The door of the open platform: parameters in, answer out.

A request goes through it in Alipay's order: which method, whose app, whose signature, then the rest
of the common parameters, then the method's own. Each step refuses with its ``sub_code``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Final

from ...charsets import decode
from ...exceptions import InvalidParameter
from ...signer import sign_content
from .. import codes
from ..answers import Answer, ErrorPage, Notice, PlainText, Refusal, Reply, ToCashier
from ..clock import OffsetFn, read_china_text, zero_offset
from ..faults import Faults
from ..merchant import Merchant
from ..notify_ids import NotifyIds
from ..state import Nowhere, State
from ..trades import Trade, TradeStore
from ..urls import usable_url
from ..wire import RawForm, Unreadable
from .app import CANCELLED, FAILED, PAID, UNSURE, App, result
from .bills import Bills
from .call import Call, Desk, Done, Run, check_app_auth_token
from .certificates import DOWNLOAD, CertificateDownload
from .content import read_content
from .news import News
from .orders import APP, PAGES
from .payments import Payments
from .refunds import Refunds
from .rest import Rest, RestRequest
from .seal import Seal, answered, written
from .settlements import Settlements
from .trades import Trades
from .transfers import Transfers

# How far a timestamp may be off. Alipay means China time; but some of its SDKs send the time of
# their host, wherever that is, and are served, so a day either way must do.
_SKEW: Final = timedelta(hours=24)

#: The refusal that says more than the others.
BAD_SIGN: Final = "isv.invalid-signature"
# In captured answers these stand below this root, whatever the method.
_ERROR_RESPONSE: Final = ("isv.missing-signature", "aop.invalid-app-auth-token")


class OpenApi:
    """Alipay's open platform, version 2.

    :param merchant: the only one it knows.
    :param trades: where orders become trades.
    :param notify_ids: gives notifications their numbers.
    :param faults: what is to go wrong.
    :param state: keeps what it knows beyond the process.
    :param ahead: tells how far the time here is ahead of the merchant's.
    """

    def __init__(
        self,
        merchant: Merchant,
        trades: TradeStore,
        notify_ids: NotifyIds,
        faults: Faults | None = None,
        state: State | None = None,
        ahead: OffsetFn = zero_offset,
    ) -> None:
        seal = Seal(merchant)
        self._desk = desk = Desk(
            merchant, trades, notify_ids, seal, faults or Faults(), state or Nowhere(), ahead
        )
        self._news = News(desk)
        self._bills = Bills(desk)
        rooms = (
            Payments(desk),
            Trades(desk),
            Refunds(desk),
            Settlements(desk),
            Transfers(desk),
            self._bills,
            CertificateDownload(desk),
        )
        self.methods: Mapping[str, Run] = {
            name: run for room in rooms for name, run in room.methods.items()
        }
        self._app = App(desk)
        self._rest = Rest(desk, self.methods)

    def answer(self, form: RawForm, now: datetime, root: str = "") -> Reply:
        """Answers a request to the gateway; never raises for what is in it.

        :param root: where the simulator is, without a slash at the end.
        """
        method = form.word("method") or ""
        call, known = None, False
        try:
            call = self._received(method, form, now, root, self.methods)
            self._authenticate(call)
            known = True
            done = self._run(call, self.methods[method])
            answer: Answer = done if isinstance(done, ToCashier) else self._done(call, done)
        except Refusal as refusal:
            answer = self._refused(method, refusal, call, known)
        return Reply(answer, trades=_told(call))

    def pay_in_app(self, form: RawForm, cancel: bool, now: datetime) -> Reply:
        """Answers an app's order string as Alipay's library does, the payment made or cancelled.

        :returns: ``resultStatus={9000};memo={};result={…}``, a signed answer in the result.
        """
        call = None
        try:
            call = self._received(form.word("method") or "", form, now, "", (APP,))
            self._authenticate(call)
            done = self._run(call, self._checked if cancel else self._app.pay)
        except Refusal as refusal:
            status = UNSURE if codes.unsure(refusal.code) else FAILED
            return Reply(PlainText(result(status, str(refusal))), trades=_told(call))
        if cancel or isinstance(done, ToCashier):
            return Reply(PlainText(result(CANCELLED, "cancelled by the buyer")))
        signed = self._signed(call, done)
        text = f'{signed[:-1]},"sign_type":"{call.sign_type}"}}'
        return Reply(PlainText(result(PAID, "", text)), trades=_told(call))

    def _checked(self, call: Call) -> Done:
        self._app.check(call)
        return Done({})

    def answer_rest(self, request: RestRequest, now: datetime, root: str) -> Reply:
        """Answers a request in the newer dress; never raises for what is in it.

        :param root: where the simulator is, without a slash at the end.
        """
        return self._rest.answer(request, now, root)

    def bill(self, token: str, now: datetime) -> bytes | None:
        """Returns the bill of an address that was given out, ``None`` if there is none any more."""
        return self._bills.download(token, now)

    def notice(self, trade: Trade) -> Notice | None:
        """Returns what the merchant is to be told of the trade, ``None`` if nothing is."""
        return self._news.notice(trade)

    def compose(self, notice: Notice, now: datetime) -> bytes:
        """Returns the signed body of a notification for the time of a sending."""
        return self._news.compose(notice, now)

    def return_query(self, trade: Trade, now: datetime) -> str:
        """Returns the signed query with which the buyer of a paid trade returns to the shop."""
        return self._news.return_query(trade, now)

    # From the wire to a call that is known to be the merchant's.

    def _received(
        self, method: str, form: RawForm, now: datetime, root: str, known: Container[str]
    ) -> Call:
        if not method:
            raise Refusal("isv.missing-method")
        if method not in known:
            raise Refusal("isv.invalid-method")
        charset = form.word("charset") or "utf-8"
        params = _read(form, charset)
        sign_type, certified = params.get("sign_type", ""), bool(params.get("app_cert_sn"))
        return Call(method, {}, params, charset, sign_type, now, root, certified=certified)

    def _authenticate(self, call: Call) -> None:
        params = call.params
        if not params.get("app_id"):
            raise Refusal("isv.missing-app-id")
        if params["app_id"] != self._desk.merchant.app_id:
            raise Refusal("isv.invalid-app-id")
        self._desk.seal.check_certificates(
            params.get("app_cert_sn", ""), params.get("alipay_root_cert_sn", "")
        )
        if not call.sign_type:
            raise Refusal("isv.missing-signature-type")
        if not self._desk.seal.knows(call.sign_type):
            raise Refusal("isv.invalid-signature-type", "sign_type must be RSA2 or RSA")
        if not params.get("sign"):
            raise Refusal("isv.missing-signature")
        if not params.get("charset"):  # which nothing is documented for but that it is required
            raise Refusal("isv.invalid-charset", "charset is required")
        if not self._desk.seal.verifies(params, call.charset):
            raise Refusal(
                BAD_SIGN,
                "Signed with another key, in another charset, with another sign_type, "
                "or altered on the way.",
            )

    def _run(self, call: Call, run: Run) -> Done | ToCashier:
        check_app_auth_token(call.params.get("app_auth_token", ""))
        _check_common(call.params, call.now, self._desk.ahead())
        try:
            content = read_content(self._content(call))
            # The news of a call are one list, whatever else of it is read later.
            read = Call(**{**vars(call), "content": content})
            return self._desk.run(read, run)
        except InvalidParameter as error:
            raise Refusal(codes.invalid_parameter(call.method), str(error)) from None

    def _content(self, call: Call) -> str:
        text = call.params.get("biz_content", "{}" if call.method == DOWNLOAD else "")
        if not call.params.get("encrypt_type"):
            return text
        content = self._desk.seal.cipher.decrypt(text)
        if content is None:
            raise Refusal("isv.decryption-error-unknown")
        try:
            return decode(content, call.charset)
        except UnicodeDecodeError:
            raise Refusal("isv.decryption-error-unknown") from None

    # What Alipay says.

    def _done(self, call: Call, done: Done) -> Answer:
        return answered(self._signed(call, done), call.charset)

    def _signed(self, call: Call, done: Done) -> str:
        node = {"code": done.code, "msg": codes.CLASSES[done.code], **done.fields}
        return self._desk.seal.signed(_node(call.method), node, call.params, call.charset)

    def _refused(self, method: str, refusal: Refusal, call: Call | None, known: bool) -> Answer:
        """Return a page if a browser brought the request, JSON otherwise.

        :param known: whether it is the merchant's request.
        """
        meaning = codes.OPENAPI[refusal.code]
        if method in PAGES:
            shop_url = usable_url(call.params.get("return_url", "")) if call and known else ""
            string = _string_to_sign(refusal, call)
            # The status and the charset are those of the live gateway, probed in 2026.
            return ErrorPage(refusal.code, meaning, refusal.detail, shop_url, string, 200, "gbk")
        code = codes.class_of(refusal.code)
        error = {
            "code": code,
            "msg": codes.CLASSES[code],
            "sub_code": refusal.code,
            "sub_msg": self._sub_msg(refusal, meaning[1], call),
        }
        name = _node(method) if method in self.methods else "error_response"
        if refusal.code in _ERROR_RESPONSE:
            name = "error_response"
        if call is None or not self._signs(refusal.code, call, known):
            return answered(f'{{"{name}":{written(error, "utf-8")}}}', "utf-8")
        params = call.params
        if refusal.code.startswith(codes.GATEWAY_PREFIXES):  # nothing to keep secret yet
            params = {**params, "encrypt_type": ""}
        return answered(self._desk.seal.signed(name, error, params, call.charset), call.charset)

    def _signs(self, code: str, call: Call, known: bool) -> bool:
        """Tell whether an error is signed.

        In captured answers Alipay signs errors once the application is known, that it needs
        certificates among them, but not that another parameter is missing.
        """
        if code == BAD_SIGN or "-cert-" in code:
            return self._desk.seal.knows(call.sign_type)
        return known and not code.startswith("isv.missing-")

    def _sub_msg(self, refusal: Refusal, meaning: str, call: Call | None) -> str:
        string = _string_to_sign(refusal, call)
        if call is None or not string:
            return f"{meaning}: {refusal.detail}" if refusal.detail else meaning
        actual = self._desk.seal.other_sign_type(call.params, call.charset)
        if actual:
            return (
                "验签出错，sign值与sign_type参数指定的签名类型不一致："
                f"sign_type参数值为{call.sign_type}，您实际用的签名类型可能是{actual}"
            )
        return f"{meaning}，网关生成的验签字符串为：{escape(string)}"


def _string_to_sign(refusal: Refusal, call: Call | None) -> str:
    """Return what should have been signed, if a signature does not verify; otherwise nothing."""
    if call is None or refusal.code != BAD_SIGN:
        return ""
    try:
        content = sign_content(call.params, exclude=("sign",), charset=call.charset)
    except InvalidParameter:
        return ""
    return decode(content, call.charset)


def _told(call: Call | None) -> tuple[Trade, ...]:
    return () if call is None else tuple(call.news)


def _node(method: str) -> str:
    return f"{method.replace('.', '_')}_response"


def _read(form: RawForm, charset: str) -> dict[str, str]:
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise Refusal("isv.invalid-charset", str(error)) from None
    except Unreadable as error:
        raise Refusal("isv.invalid-charset", f"the request {error}") from None


def _check_common(params: Mapping[str, str], now: datetime, ahead: timedelta) -> None:
    if not params.get("timestamp"):
        raise Refusal("isv.missing-timestamp")
    timestamp = read_china_text(params["timestamp"])
    if timestamp is None:
        raise Refusal("isv.invalid-timestamp", "timestamp must be like 2026-01-31 08:00:00")
    # The merchant's clock was not put on with ours.
    if not now - ahead - _SKEW <= timestamp <= now + _SKEW:
        raise Refusal("isv.invalid-timestamp", "timestamp is more than a day off; use China time")
    if not params.get("version"):
        raise Refusal("isv.missing-version")
    if params["version"] != "1.0":
        raise Refusal("isv.invalid-parameter", "version must be 1.0")
    if params.get("format", "JSON").upper() != "JSON":
        raise Refusal("isv.invalid-format")
    if params.get("encrypt_type", "AES") != "AES":
        raise Refusal("isv.invalid-encrypt-type", "encrypt_type must be AES")
