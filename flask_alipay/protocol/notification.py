"""Notifications, from captured bytes to a frozen record: parse, verify, and only then read.

:func:`~flask_alipay.protocol.forms.parse` turns the body into parameters, :func:`verify` proves
that Alipay
signed them, and :class:`Notification` gives them types, the same for both gateways.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ..exceptions import BadNotification, BadSignature, InvalidAmount, InvalidParameter
from ..signer import Signer, sign_content
from .china_time import parse_china_time
from .forms import declared_charset, parse_as
from .forms import parse as parse
from .limits import EMBEDDED_FIELD
from .log_text import loggable as loggable
from .log_text import loggable_names
from .money import parse_minor_units, parse_price
from .parameter_names import ALL_NOTIFICATION_NAMES
from .trade_status import TradeStatus

_AMOUNT_FIELDS = ("total_amount", "total_fee")

# The first repetition comes after four minutes; clocks and queues take their time, too.
_AT_ONCE = timedelta(minutes=3)

# A request to the legacy gateway is signed with the same MD5 key, and a return with the same key on
# both: the buyer sees both. Each has a field here that no notification has.
_OF_OTHERS = frozenset(
    {"_input_charset", "service", "partner", "method", "biz_content", "exterface", "is_success"}
)

# Buyer data and signatures: never shown whole.
_PRIVATE = re.compile(r"^(buyer_(?!pay_amount).*|receive_.*|sign|.*_email|.*phone.*|.*mobile.*)$")


class VerifiedForm(NamedTuple):
    """A form body with a valid signature."""

    #: All its parameters.
    params: dict[str, str]
    #: Those that the signature covers, and the signature: see :func:`signed_params`.
    signed: dict[str, str]


def verified_params(body: bytes, signer: Signer, charset: str = "utf-8") -> dict[str, str]:
    """Verify a form body with the configured key, and return all its parameters.

    Takes and raises what :func:`verify_form` does.
    """
    return verify_form(body, signer, charset).params


def verify_form(body: bytes, signer: Signer, charset: str = "utf-8") -> VerifiedForm:
    """Verify a form body with the configured key.

    A payload of the open platform names its charset. One of the legacy gateway does not: it is in
    the charset of the request, and real ones were signed in GBK, so without a name the configured
    charset, UTF-8 and GBK are tried in turn.

    :param body: the bytes as they came over the wire.
    :param signer: the configured signer; what the payload says in ``sign_type`` decides nothing.
    :param charset: the configured charset.
    :raises BadNotification: see :func:`parse`.
    :raises BadSignature: if it is not signed, or not by that key over these words.
    """
    refused: BadNotification | None = None
    params: dict[str, str] = {}
    for name in _charsets(declared_charset(body), charset):
        try:
            params = parse_as(body, name)
        except BadNotification as error:
            refused = refused or error
        else:
            signed = signed_params(params, signer, charset)
            if signed is not None:
                return VerifiedForm(params, signed)
    if not params and refused is not None:
        raise refused
    raise _bad_signature(params, signer)


def verify_params(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> bool:
    """Tells whether decoded parameters were signed with the configured key.

    :param params: decoded text by name, with ``sign`` among them.
    :param charset: the configured charset, see :func:`verify`.
    """
    return signed_params(params, signer, charset) is not None


def signed_params(
    params: Mapping[str, str], signer: Signer, charset: str = "utf-8"
) -> dict[str, str] | None:
    """Return the parameters that the signature covers, and the signature itself; ``None`` if it is
    not valid. ``sign_type`` and empty values are never covered.

    Takes what :func:`verify_params` does. The result verifies again.
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
    """The one spelling of a signature: base64 ignores the last bits. The hexadecimal digits of MD5
    stay as they are.
    """
    try:
        return base64.b64encode(base64.b64decode(sign, validate=True)).decode("ascii")
    except ValueError:
        return sign


def _contents(params: Mapping[str, str], charset: str) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield each string that the signature may cover, the most likely first, with the names that
    it leaves out.
    """
    tried: list[bytes] = []
    declared = params.get("charset") or params.get("_input_charset")
    excludes: list[tuple[str, ...]] = [("sign", "sign_type")]
    if "alipay_cert_sn" in params:
        # No captured sample tells whether it is signed, and Alipay's SDKs disagree: both are tried.
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


def _charsets(declared: str | None, configured: str) -> tuple[str, ...]:
    return (declared,) if declared else tuple(dict.fromkeys((configured, "utf-8", "gbk")))


def _bad_signature(params: Mapping[str, str], signer: Signer) -> BadSignature:
    said = params.get("sign_type", "")
    if not params.get("sign"):
        message = "it is not signed"
    elif said != signer.sign_type and said in ("MD5", "RSA", "RSA2", "DSA"):
        message = f"it is signed with {said}, {signer.sign_type} is configured"
    else:
        message = "its signature does not verify"
        if extra := [name for name in params if name not in ALL_NOTIFICATION_NAMES]:
            message += (
                f"; parameters that Alipay's notifications do not have: {loggable_names(extra)}"
            )
    return BadSignature(message, out_trade_no=loggable(params.get("out_trade_no")))


@dataclass(frozen=True)
class Notification:
    """One piece of news about a trade, proven to be Alipay's and read into types.

    Amounts are in minor units of ``currency`` (fen for CNY), times are aware UTC.
    """

    #: The shop's number of the order.
    out_trade_no: str
    #: Where the trade stands now, one of :attr:`~flask_alipay.TradeStatus.ALL`.
    trade_status: str
    #: The amount of the order.
    total_fen: int
    #: ISO 4217.
    currency: str = "CNY"
    #: The same in fen, where the order was priced in yuan and is paid out in another currency.
    rmb_fen: int | None = None
    #: Alipay's number of the trade.
    trade_no: str | None = None
    #: Alipay's number of this news; the same when it is sent again.
    notify_id: str | None = None
    #: All that was ever refunded of the trade, if the news says so.
    refunded_fen: int | None = None
    #: Whether the news speaks of money that went back.
    is_refund: bool = False
    #: The number of the refund that the news is about.
    out_request_no: str | None = None
    #: Whether it is certain that nothing was paid: a close that says so is never a refund.
    unpaid: bool = False
    #: The open platform's application; ``None`` on the legacy gateway.
    app_id: str | None = None
    #: Who gets the money.
    seller_id: str | None = None
    seller_email: str | None = field(default=None, repr=False)
    #: Who paid: ``buyer_id`` or, in newer applications, ``buyer_open_id``.
    buyer_id: str | None = field(default=None, repr=False)
    #: When it was paid.
    paid_at: datetime | None = None
    #: When it was closed.
    closed_at: datetime | None = None
    #: When money went back for the last time.
    refunded_at: datetime | None = None
    #: When Alipay sent this.
    notify_time: datetime | None = None
    #: Which payments a report of a sale may only move after Alipay was queried: those that are
    #: ``closed`` or partly refunded, or ``always``. ``never``: it is Alipay's current response.
    query_first: Literal["never", "closed", "always"] = "never"
    #: Everything, as it came.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def amounts(self) -> tuple[tuple[str, int], ...]:
        """The amount of the order in each currency that the news names it in."""
        own = (self.currency, self.total_fen)
        return (own,) if self.rmb_fen is None else (own, ("CNY", self.rmb_fen))

    @property
    def is_retry(self) -> bool:
        """Whether Alipay has most likely sent this before: it tells a payment at once, and again
        after four minutes at the earliest.
        """
        sent, paid = self.notify_time, self.paid_at
        return sent is not None and paid is not None and sent - paid > _AT_ONCE

    @classmethod
    def from_params(cls, params: Mapping[str, str], protocol: str | None = None) -> Notification:
        """Reads verified parameters of either gateway.

        Amounts, currencies and statuses are read by the rules of one gateway: the open platform's
        notifications have neither the legacy ``price``, ``quantity`` and ``rmb_fee`` nor the
        statuses of escrow.

        :param params: what :func:`verify` returned.
        :param protocol: the configured gateway, ``"mapi"`` or ``"openapi"``; by default parameters
            with an ``app_id`` are the open platform's.
        :raises BadNotification: if it is no news of a trade, its status or an amount is none, or
            its fields could be cut in another way under the same signature.
        """
        out_trade_no = params.get("out_trade_no", "")
        notify_id = params.get("notify_id") or None
        try:
            return cls._read(params, out_trade_no, notify_id, protocol or _protocol(params))
        except BadNotification as error:
            error.out_trade_no, error.notify_id = loggable(out_trade_no), loggable(notify_id)
            raise
        except InvalidAmount as error:
            raise BadNotification(
                str(error), out_trade_no=loggable(out_trade_no), notify_id=loggable(notify_id)
            ) from None

    @classmethod
    def _read(
        cls, params: Mapping[str, str], out_trade_no: str, notify_id: str | None, protocol: str
    ) -> Notification:
        check_no_embedded_fields(params)
        trade_status = params.get("trade_status", "")
        if not out_trade_no or not trade_status:
            raise BadNotification("it is not about a trade")
        if trade_status not in TradeStatus.ALL:
            raise BadNotification("its trade_status does not exist")
        legacy = protocol == "mapi"
        if not legacy and trade_status in TradeStatus.ESCROW:
            raise BadNotification("its trade_status is the legacy gateway's")
        currency = _currency(params, legacy)
        refunded = params.get("refund_fee")
        refunded_fen = (
            parse_minor_units(refunded, currency, parameter="refund_fee") if refunded else None
        )
        return cls(
            out_trade_no=out_trade_no,
            trade_status=trade_status,
            total_fen=_total(params, currency, legacy),
            currency=currency,
            rmb_fen=_rmb(params, currency) if legacy else None,
            trade_no=params.get("trade_no") or None,
            notify_id=notify_id,
            refunded_fen=refunded_fen,
            is_refund=_speaks_of_refund(params, refunded_fen),
            out_request_no=params.get("out_request_no") or params.get("out_biz_no") or None,
            app_id=params.get("app_id") or None,
            seller_id=params.get("seller_id") or None,
            seller_email=params.get("seller_email") or None,
            buyer_id=params.get("buyer_id") or params.get("buyer_open_id") or None,
            paid_at=parse_china_time(params.get("gmt_payment")),
            closed_at=parse_china_time(params.get("gmt_close")),
            refunded_at=parse_china_time(params.get("gmt_refund")),
            notify_time=parse_china_time(params.get("notify_time")),
            params=params,
        )


def mask_params(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters with buyer data and the signature made unreadable.

    :param params: verified or not.
    """
    return {
        name: f"{value[:2]}***" if value and _PRIVATE.match(name) else value
        for name, value in params.items()
    }


def check_no_embedded_fields(params: Mapping[str, str]) -> None:
    """Checks that verified fields could not be others under the same signature.

    :raises BadNotification: if one could be read as several, or if it is a request or a return,
        which the same key signs.
    """
    # Joined by what neither a name nor a value holds, all of them are looked through at once.
    names, values = "".join(params), "\0".join(params.values())
    if "&" in names or "=" in names or EMBEDDED_FIELD.search(values):
        raise BadNotification("a field of it could be read as several")
    if not _OF_OTHERS.isdisjoint(params):
        raise BadNotification("it is a request or a return, not a notification")


def _protocol(params: Mapping[str, str]) -> str:
    return "openapi" if params.get("app_id") else "mapi"


def _currency(params: Mapping[str, str], legacy: bool) -> str:
    """The currency of the order's amount. ``settle_currency`` and ``pay_currency`` of the open
    platform, in which the merchant is paid and the buyer pays, may differ from it.
    """
    names = ("currency",) if legacy else ("trans_currency", "currency")
    given = {params[name] for name in names if params.get(name)}
    if len(given) > 1:
        raise BadNotification("it names two currencies")
    return given.pop() if given else "CNY"


def _total(params: Mapping[str, str], currency: str, legacy: bool) -> int:
    given = [name for name in _AMOUNT_FIELDS if params.get(name)]
    if len(given) > 1:
        raise BadNotification("it names two amounts")
    if given and (legacy or given == ["total_amount"]):
        return parse_minor_units(params[given[0]], currency, parameter=given[0])
    if not legacy or not (params.get("price") and params.get("quantity")):
        raise BadNotification("it names no amount")
    return parse_price(params["price"], params["quantity"], currency)


def _rmb(params: Mapping[str, str], currency: str) -> int | None:
    text = params.get("rmb_fee")
    return parse_minor_units(text, parameter="rmb_fee") if text and currency != "CNY" else None


def _speaks_of_refund(params: Mapping[str, str], refunded_fen: int | None) -> bool:
    """A ``refund_fee`` of 0.00 is no refund: one came with TRADE_FINISHED a year after payment."""
    status = params.get("refund_status", "")
    return bool(refunded_fen or params.get("gmt_refund") or status == "REFUND_SUCCESS")
