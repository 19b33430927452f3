"""What Alipay says, from captured bytes to a frozen record: parse, verify, and only then read.

``parse`` turns the body into parameters, ``verify`` proves that Alipay wrote them, and
:class:`Notification` gives them types. Both gateways' dialects end in the same record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from .china_time import from_china
from .exceptions import BadNotification, BadSignature, InvalidAmount, InvalidParameter
from .limits import HIDDEN_FIELD
from .money import parse_fen
from .signer import Signer, codec, sign_content
from .trade_status import TradeStatus

# Far more fields than any notification has.
_MAX_FIELDS = 200

# It begins with letters, for which a body is searched many times faster than for a choice; what may
# stand before them is looked at where they are.
_CHARSET_FIELD = re.compile(rb"charset=([^&]*)")
_BEFORE_CHARSET = (b"&", b"&_input_")
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


def parse(body: bytes, charset: str | None = None) -> dict[str, str]:
    """Turns a form body (or a query string) into parameters, decoding exactly once.

    :param body: the bytes as they came over the wire.
    :param charset: the charset to read in where the payload does not name one itself in
        ``charset`` or ``_input_charset``; ``utf-8`` without.
    :raises BadNotification: if it is no form, repeats a key, names a charset that does not exist,
        is not written in its charset, or holds NUL.
    """
    return _parse(body, declared_charset(body) or charset or "utf-8")


def _parse(body: bytes, name: str) -> dict[str, str]:
    if not body:  # which Python 3.10 would refuse, and later ones take for no fields
        raise BadNotification("it is empty")
    try:
        pairs = _pairs(body, codec(name))
    except InvalidParameter:
        raise BadNotification("it names a charset that does not exist") from None
    except UnicodeDecodeError:
        raise BadNotification(f"it is not written in {name}") from None
    except ValueError:
        raise BadNotification("it is not a form") from None
    params = dict(pairs)
    if len(params) != len(pairs):
        raise BadNotification("it repeats a key")
    if b"%00" in body or b"\0" in body:
        raise BadNotification("it holds a NUL character")
    return params


def _pairs(body: bytes, encoding: str) -> list[tuple[str, str]]:
    """The fields of a form, strictly. ASCII is all that a well-made form has, and is read in half
    the time.

    :raises ValueError: if it is none, or is not in that encoding.
    """
    if not body.isascii():
        return parse_qsl(
            body.decode(encoding),
            keep_blank_values=True,
            strict_parsing=True,
            encoding=encoding,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    pieces = body.decode("ascii").replace("+", " ").split("&")
    if len(pieces) > _MAX_FIELDS:
        raise ValueError
    pairs = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not equals:
            raise ValueError
        if "%" in name:
            name = unquote_to_bytes(name).decode(encoding)
        if "%" in value:
            value = unquote_to_bytes(value).decode(encoding)
        pairs.append((name, value))
    return pairs


def declared_charset(body: bytes) -> str | None:
    """Returns the charset that a form body names itself, or ``None``."""
    for found in _CHARSET_FIELD.finditer(body):
        if (b"&" + body[: found.start()]).endswith(_BEFORE_CHARSET):
            return unquote(found[1].decode("latin-1")) or None
    return None


def verify(body: bytes, signer: Signer, charset: str = "utf-8") -> dict[str, str]:
    """Proves that a body was signed with the configured key, and returns its parameters.

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
            params = _parse(body, name)
        except BadNotification as error:
            refused = refused or error
        else:
            if verify_params(params, signer, charset):
                return params
    if not params and refused is not None:
        raise refused
    raise _bad_signature(params, signer)


def verify_params(params: Mapping[str, str], signer: Signer, charset: str = "utf-8") -> bool:
    """Tells whether decoded parameters were signed with the configured key.

    :param params: decoded text by name, with ``sign`` among them.
    :param charset: the configured charset, see :func:`verify`.
    """
    sign = params.get("sign")
    if not sign:
        return False
    return any(signer.verify(content, sign) for content in _contents(params, charset))


def _contents(params: Mapping[str, str], charset: str) -> Iterator[bytes]:
    """What the signature may cover, each different string once, the likeliest first."""
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
                yield content


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
    return BadSignature(message, out_trade_no=loggable(params.get("out_trade_no")))


def loggable(value: str | None) -> str | None:
    """Returns a number that came from outside, made safe for a log line.

    :param value: of any length and with any characters.
    """
    return re.sub(r"[^A-Za-z0-9_.\-]", "?", value)[:64] if value else None


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
    refund: bool = False
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
    #: Everything, as it came.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def amounts(self) -> tuple[tuple[str, int], ...]:
        """The amount of the order in each currency that the news names it in."""
        own = (self.currency, self.total_fen)
        return (own,) if self.rmb_fen is None else (own, ("CNY", self.rmb_fen))

    @property
    def repeated(self) -> bool:
        """Whether Alipay has most likely sent this before: it tells a payment at once, and again
        after four minutes at the earliest.
        """
        sent, paid = self.notify_time, self.paid_at
        return sent is not None and paid is not None and sent - paid > _AT_ONCE

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Notification:
        """Reads verified parameters of either gateway.

        :param params: what :func:`verify` returned.
        :raises BadNotification: if it is no news of a trade, its status or an amount is none, or
            its fields could be cut in another way under the same signature.
        """
        out_trade_no = params.get("out_trade_no", "")
        notify_id = params.get("notify_id") or None
        try:
            return cls._read(params, out_trade_no, notify_id)
        except BadNotification as error:
            error.out_trade_no, error.notify_id = loggable(out_trade_no), loggable(notify_id)
            raise
        except InvalidAmount as error:
            raise BadNotification(
                str(error), out_trade_no=loggable(out_trade_no), notify_id=loggable(notify_id)
            ) from None

    @classmethod
    def _read(
        cls, params: Mapping[str, str], out_trade_no: str, notify_id: str | None
    ) -> Notification:
        check_unambiguous(params)
        trade_status = params.get("trade_status", "")
        if not out_trade_no or not trade_status:
            raise BadNotification("it is not about a trade")
        if trade_status not in TradeStatus.ALL:
            raise BadNotification("its trade_status does not exist")
        currency = params.get("currency") or "CNY"
        refunded = params.get("refund_fee")
        refunded_fen = parse_fen(refunded, currency, parameter="refund_fee") if refunded else None
        return cls(
            out_trade_no=out_trade_no,
            trade_status=trade_status,
            total_fen=_total(params, currency),
            currency=currency,
            rmb_fen=_rmb(params, currency),
            trade_no=params.get("trade_no") or None,
            notify_id=notify_id,
            refunded_fen=refunded_fen,
            refund=_speaks_of_refund(params, refunded_fen),
            out_request_no=params.get("out_request_no") or params.get("out_biz_no") or None,
            app_id=params.get("app_id") or None,
            seller_id=params.get("seller_id") or None,
            seller_email=params.get("seller_email") or None,
            buyer_id=params.get("buyer_id") or params.get("buyer_open_id") or None,
            paid_at=from_china(params.get("gmt_payment")),
            closed_at=from_china(params.get("gmt_close")),
            refunded_at=from_china(params.get("gmt_refund")),
            notify_time=from_china(params.get("notify_time")),
            params=params,
        )


def mask(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters with buyer data and the signature made unreadable.

    :param params: verified or not.
    """
    return {
        name: f"{value[:2]}***" if value and _PRIVATE.match(name) else value
        for name, value in params.items()
    }


def check_unambiguous(params: Mapping[str, str]) -> None:
    """Checks that verified fields could not be others under the same signature.

    :raises BadNotification: if one could be read as several, or if it is a request or a return,
        which the same key signs.
    """
    # Joined by what neither a name nor a value holds, all of them are looked through at once.
    names, values = "".join(params), "\0".join(params.values())
    if "&" in names or "=" in names or HIDDEN_FIELD.search(values):
        raise BadNotification("a field of it could be read as several")
    if not _OF_OTHERS.isdisjoint(params):
        raise BadNotification("it is a request or a return, not a notification")


def _total(params: Mapping[str, str], currency: str) -> int:
    given = [name for name in _AMOUNT_FIELDS if params.get(name)]
    if len(given) > 1:
        raise BadNotification("it names two amounts")
    if given:
        return parse_fen(params[given[0]], currency, parameter=given[0])
    price, quantity = params.get("price", ""), params.get("quantity", "")
    if not re.fullmatch(r"[1-9][0-9]{0,6}", quantity, re.ASCII):
        raise BadNotification("it names no amount")
    return parse_fen(price, currency, parameter="price") * int(quantity)


def _rmb(params: Mapping[str, str], currency: str) -> int | None:
    text = params.get("rmb_fee")
    return parse_fen(text, parameter="rmb_fee") if text and currency != "CNY" else None


def _speaks_of_refund(params: Mapping[str, str], refunded_fen: int | None) -> bool:
    """A ``refund_fee`` of 0.00 is no refund: one came with TRADE_FINISHED a year after payment."""
    status = params.get("refund_status", "")
    return bool(refunded_fen or params.get("gmt_refund") or status == "REFUND_SUCCESS")
