"""Verification of notifications, and their conversion to a frozen record.

:func:`.charsets.parse_form` parses the body, :func:`verify_form` verifies Alipay's signature, and
:class:`Notification` converts the parameters to types, the same for both gateways.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from ..exceptions import BadNotification, BadSignature, InvalidAmount, InvalidParameter
from ..signer import Signer, sign_content
from .charsets import declared_charset, parse_form
from .conversion import parse_china_times, parse_minor_units, parse_price
from .credentials import mask_credentials
from .log_text import loggable as loggable
from .log_text import loggable_names
from .parameter_names import ALL_NOTIFICATION_NAMES
from .trade_status import TradeStatus
from .validation import EMBEDDED_FIELD

_AMOUNT_FIELDS = ("total_amount", "total_fee")
_TIME_FIELDS = ("gmt_payment", "gmt_close", "gmt_refund", "notify_time")

# Requests to the legacy gateway are signed with the same MD5 key as notifications, returns with the
# same key on both gateways, and the buyer sees both. Each has one of these fields, which no
# notification has.
_NOT_IN_NOTIFICATIONS = frozenset(
    {"_input_charset", "service", "partner", "method", "biz_content", "exterface", "is_success"}
)

# Buyer data and signatures: always masked.
_PRIVATE = re.compile(
    r"^(buyer_(?!pay_amount).*|.*open_id|.*logon_id|(?:alipay|payer)_user_id|receive_.*|contactor"
    r"|biz_content|sign|.*_email|.*phone.*|.*mobile.*)$"
)


#: Payments that a report of a sale may change only after a query to Alipay: ``closed`` or partly
#: refunded ones, or ``always``. ``never`` marks Alipay's current response.
QueryRule: TypeAlias = Literal["never", "closed", "always"]


class VerifiedForm(NamedTuple):
    """A form body with a valid signature."""

    #: All parameters.
    params: dict[str, str]
    #: The parameters that the signature covers, and the signature: see :func:`signed_params`.
    signed: dict[str, str]


def verified_params(body: bytes, signer: Signer, charset: str = "utf-8") -> dict[str, str]:
    """Verify a form body with the configured key, and return all its parameters.

    Parameters and exceptions are those of :func:`verify_form`.
    """
    return verify_form(body, signer, charset).params


def verify_form(body: bytes, signer: Signer, charset: str = "utf-8") -> VerifiedForm:
    """Verify a form body with the configured key.

    A payload of the open platform declares its charset. A legacy payload does not: it uses the
    charset of the request, and captured ones were signed in GBK. Without a declared charset, the
    configured charset, UTF-8 and GBK are tried in this order.

    :param body: the received bytes.
    :param signer: the configured signer; the payload's ``sign_type`` is never used to choose one.
    :param charset: the configured charset.
    :raises BadNotification: see :func:`.charsets.parse_form`.
    :raises BadSignature: if the signature is missing or does not match the parameters.
    """
    rejection: BadNotification | None = None
    params: dict[str, str] = {}
    for name in _charsets(None, charset):
        try:
            params = parse_form(body, name)
        except BadNotification as error:
            rejection = rejection or error
        else:
            signed = signed_params(params, signer, charset)
            if signed is not None:
                return VerifiedForm(params, signed)
        if declared_charset(body):
            break
    if not params and rejection is not None:
        raise rejection
    raise _bad_signature(params, signer)


def verify_params(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> bool:
    """Return True if decoded parameters were signed with the configured key.

    :param params: decoded text by name, including ``sign``.
    :param signer: the configured signer.
    :param charset: the configured charset, see :func:`verify_form`.
    """
    return signed_params(params, signer, charset) is not None


def signed_params(
    params: Mapping[str, str], signer: Signer, charset: str = "utf-8"
) -> dict[str, str] | None:
    """Return the parameters that the signature covers and the signature, or ``None`` if it is
    invalid.

    Empty values are never covered, and ``sign_type`` only in two kinds of messages. The parameters
    are those of :func:`verify_params`; the result verifies again.
    """
    sign = params.get("sign")
    if not sign:
        return None
    for content, exclude in _contents(params, charset):
        if signer.verify(content, sign):
            covered = {k: value for k, value in params.items() if value and k not in exclude}
            return {**covered, "sign": _canonical_base64(sign)}
    return None


def _canonical_base64(sign: str) -> str:
    """Return the canonical encoding of a signature: base64 ignores the last bits. An MD5 digest in
    hexadecimal is returned unchanged.
    """
    try:
        return base64.b64encode(base64.b64decode(sign, validate=True)).decode("ascii")
    except ValueError:
        return sign


def _contents(params: Mapping[str, str], charset: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield each string that the signature may cover, the most likely first, with the excluded
    names.
    """
    tried: list[bytes] = []
    declared = params.get("charset") or params.get("_input_charset")
    excludes: list[tuple[str, ...]] = [("sign", "sign_type")]
    if "alipay_cert_sn" in params:
        # No captured sample shows whether it is signed, and Alipay's SDKs disagree: try both.
        excludes.append(("sign", "sign_type", "alipay_cert_sn"))
    for name in _charsets(declared, charset):
        for exclude in excludes:
            try:
                content = sign_content(params, exclude=exclude, charset=name)
            except InvalidParameter:
                continue
            if content not in tried:
                tried.append(content)
                yield content, exclude
    if signs_sign_type(params):
        with suppress(InvalidParameter):
            content = sign_content(params, exclude=("sign",), charset=declared or charset)
            yield content, ("sign",)


def signs_sign_type(params: Mapping[str, str]) -> bool:
    """Return whether the signature of a notification also covers ``sign_type``.

    Of all kinds, two do: ``servicemarket_order_notify`` (a message in the tests of Alipay's SDK for
    Node.js verifies only so) and the probe of an application gateway (``rsaCheckV2`` in Alipay's
    PHP SDK). Signatures of trades, agreements, pre-authorisations and messages with ``msg_method``
    were reproduced without it.
    """
    kinds = params.get("notify_type"), params.get("service")
    return "servicemarket_order_notify" in kinds or "alipay.service.check" in kinds


def _charsets(declared: str | None, configured: str) -> tuple[str, ...]:
    return (declared,) if declared else tuple(dict.fromkeys((configured, "utf-8", "gbk")))


def _bad_signature(params: Mapping[str, str], signer: Signer) -> BadSignature:
    declared = params.get("sign_type", "")
    if not params.get("sign"):
        message = "it is not signed"
    elif declared != signer.sign_type and declared in ("MD5", "RSA", "RSA2", "DSA"):
        message = f"it is signed with {declared}, {signer.sign_type} is configured"
    else:
        message = "its signature does not verify"
        if extra := [name for name in params if name not in ALL_NOTIFICATION_NAMES]:
            message += (
                f"; parameters that Alipay's notifications do not have: {loggable_names(extra)}"
            )
    return BadSignature(message, out_trade_no=loggable(params.get("out_trade_no")))


@dataclass(frozen=True)
class Notification:
    """A verified notification or response about one trade, converted to types.

    Amounts are in minor units of ``currency`` (fen for CNY), times are aware UTC.
    """

    #: The merchant's order number.
    out_trade_no: str
    #: The trade's status, one of :attr:`~flask_alipay.TradeStatus.ALL`.
    trade_status: str
    #: The amount of the order.
    total_fen: int
    #: ISO 4217 code.
    currency: str = "CNY"
    #: The order's amount in fen, if it was priced in yuan and is settled in another currency.
    rmb_fen: int | None = None
    #: Alipay's trade number.
    trade_no: str | None = None
    #: Alipay's notification ID; retries have the same one.
    notify_id: str | None = None
    #: The trade's total refunded amount, if the notification reports it.
    refunded_fen: int | None = None
    #: True if the notification reports a refund.
    is_refund: bool = False
    #: The number of the reported refund.
    out_request_no: str | None = None
    #: True if certainly nothing was paid: such a closed trade is never a refund.
    unpaid: bool = False
    #: The open platform's application ID; ``None`` on the legacy gateway.
    app_id: str | None = None
    #: The account that receives the payment.
    seller_id: str | None = None
    seller_email: str | None = field(default=None, repr=False)
    #: The buyer: Alipay's number or, in newer applications, the OpenID.
    buyer_id: str | None = field(default=None, repr=False)
    buyer_open_id: str | None = field(default=None, repr=False)
    #: Time of the payment.
    paid_at: datetime | None = None
    #: Time of the close.
    closed_at: datetime | None = None
    #: Time of the latest refund.
    refunded_at: datetime | None = None
    #: Time at which Alipay sent the notification.
    notify_time: datetime | None = None
    #: See :data:`QueryRule`.
    query_first: QueryRule = "never"
    #: All received parameters.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def amounts(self) -> tuple[tuple[str, int], ...]:
        """The order's amount in each currency that the notification reports."""
        amount = (self.currency, self.total_fen)
        return (amount,) if self.rmb_fen is None else (amount, ("CNY", self.rmb_fen))

    def with_query_rule(self, rule: QueryRule) -> Notification:
        """Return the same report with another :attr:`query_first`."""
        # dataclasses.replace would pass all fields through the constructor, for each notification.
        changed = object.__new__(type(self))
        vars(changed).update(vars(self), query_first=rule)
        return changed

    @classmethod
    def from_params(
        cls,
        params: Mapping[str, str],
        protocol: str | None = None,
        query_first: QueryRule = "never",
    ) -> Notification:
        """Convert verified parameters of either gateway.

        Amounts, currencies and statuses follow the rules of one gateway: the open platform's
        notifications have neither the legacy ``price``, ``quantity`` and ``rmb_fee`` nor the
        statuses of escrow.

        :param params: the result of :func:`verify_form`.
        :param protocol: the configured gateway, ``"mapi"`` or ``"openapi"``; by default parameters
            with an ``app_id`` belong to the open platform.
        :param query_first: the value of :attr:`query_first`.
        :raises BadNotification: if the parameters do not describe a trade, the status or an amount
            is invalid, or the fields could be split differently under the same signature.
        """
        out_trade_no = params.get("out_trade_no", "")
        notify_id = params.get("notify_id") or None
        try:
            protocol = protocol or ("openapi" if params.get("app_id") else "mapi")
            return cls._read(params, out_trade_no, notify_id, protocol, query_first)
        except BadNotification as error:
            error.out_trade_no, error.notify_id = loggable(out_trade_no), loggable(notify_id)
            raise
        except InvalidAmount as error:
            raise BadNotification(
                str(error), out_trade_no=loggable(out_trade_no), notify_id=loggable(notify_id)
            ) from None

    @classmethod
    def _read(
        cls,
        params: Mapping[str, str],
        out_trade_no: str,
        notify_id: str | None,
        protocol: str,
        query_first: QueryRule,
    ) -> Notification:
        check_no_embedded_fields(params)
        trade_status = params.get("trade_status", "")
        if not out_trade_no or not trade_status:
            raise BadNotification("it is not about a trade")
        if trade_status not in TradeStatus.ALL:
            raise BadNotification("its trade_status is unknown")
        legacy = protocol == "mapi"
        if not legacy and trade_status in TradeStatus.ESCROW:
            raise BadNotification("its trade_status is the legacy gateway's")
        currency = _currency(params, legacy)
        refunded = params.get("refund_fee")
        refunded_fen = (
            parse_minor_units(refunded, currency, parameter="refund_fee") if refunded else None
        )
        paid_at, closed_at, refunded_at, notify_time = parse_china_times(params, *_TIME_FIELDS)
        return cls(
            out_trade_no=out_trade_no,
            trade_status=trade_status,
            total_fen=_total(params, currency, legacy),
            currency=currency,
            rmb_fen=_rmb(params, currency) if legacy else None,
            trade_no=params.get("trade_no") or None,
            notify_id=notify_id,
            refunded_fen=refunded_fen,
            is_refund=_reports_refund(params, refunded_fen),
            out_request_no=params.get("out_request_no") or params.get("out_biz_no") or None,
            app_id=params.get("app_id") or None,
            seller_id=params.get("seller_id") or None,
            seller_email=params.get("seller_email") or None,
            buyer_id=params.get("buyer_id") or None,
            buyer_open_id=params.get("buyer_open_id") or None,
            paid_at=paid_at,
            closed_at=closed_at,
            refunded_at=refunded_at,
            notify_time=notify_time,
            query_first=query_first,
            params=params,
        )


def mask_params(params: Mapping[str, str]) -> dict[str, str]:
    """Mask buyer data, credentials and the signature.

    :param params: verified or not.
    """
    return {
        name: f"{value[:2]}***" if value and _PRIVATE.match(name) else value
        for name, value in mask_credentials(params).items()
    }


def check_no_embedded_fields(params: Mapping[str, str]) -> None:
    """Check that verified fields cannot be split differently under the same signature.

    :raises BadNotification: if a field could be read as several, or if the parameters are a request
        or a return, which are signed with the same key.
    """
    # NUL occurs in no value, so that one search covers all values.
    names, values = "".join(params), "\0".join(params.values())
    if "&" in names or "=" in names or EMBEDDED_FIELD.search(values):
        raise BadNotification("one of its fields could be read as several")
    if not _NOT_IN_NOTIFICATIONS.isdisjoint(params):
        raise BadNotification("it is a request or a return, not a notification")


def _currency(params: Mapping[str, str], legacy: bool) -> str:
    """Return the currency of the order's amount.

    The open platform's ``settle_currency`` and ``pay_currency``, in which the merchant is paid and
    the buyer pays, may differ from it.
    """
    names = ("currency",) if legacy else ("trans_currency", "currency")
    declared = {params[name] for name in names if params.get(name)}
    if len(declared) > 1:
        raise BadNotification("it has two currencies")
    return declared.pop() if declared else "CNY"


def _total(params: Mapping[str, str], currency: str, legacy: bool) -> int:
    given = [name for name in _AMOUNT_FIELDS if params.get(name)]
    if len(given) > 1:
        raise BadNotification("it has two amounts")
    if given and (legacy or given == ["total_amount"]):
        return parse_minor_units(params[given[0]], currency, parameter=given[0])
    if not legacy or not (params.get("price") and params.get("quantity")):
        raise BadNotification("it has no amount")
    return parse_price(params["price"], params["quantity"], currency)


def _rmb(params: Mapping[str, str], currency: str) -> int | None:
    text = params.get("rmb_fee")
    return parse_minor_units(text, parameter="rmb_fee") if text and currency != "CNY" else None


def _reports_refund(params: Mapping[str, str], refunded_fen: int | None) -> bool:
    """Return True for a reported refund. A ``refund_fee`` of 0.00 is none: a captured
    TRADE_FINISHED notification carries it a year after the payment.
    """
    status = params.get("refund_status", "")
    return bool(refunded_fen or params.get("gmt_refund") or status == "REFUND_SUCCESS")
