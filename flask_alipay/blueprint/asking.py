"""Ask Alipay about a payment, or tell it what to do with one, and bring the ledger in line.

Every answer that proves something becomes news and goes through :meth:`Ledger.settle`, as a
notification does: whoever hears it first settles it, and callbacks run once. The session is
committed before Alipay is asked, so that no transaction waits for another company's computer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..exceptions import ConfigurationError, GatewayError, OutcomeUnknown, PaymentMismatch
from ..ledger.moves import check_match, follow
from ..mapi import MapiGateway
from ..notification import Notification
from ..trade_status import TradeStatus
from .announcing import announce
from .heard import Asked, closed_unpaid, flat, legacy_trade_heard, taken_back, trade_heard

if TYPE_CHECKING:
    from ..openapi import OpenApiGateway
    from .extension import AlipayBlueprint

# Alipay's word, with and without the prefix of its open platform.
_NOT_THERE: Final = ("ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST")
# How often a cancel that has to be asked again is, and after how many seconds.
_CANCELS: Final = 3
_PAUSE: Final = 1.0


class Answer(NamedTuple):
    """What Alipay said when it was asked about a payment, and how the payment stands after it."""

    #: The app's object, as the ledger has it now.
    payment: Any
    #: The trade's status in Alipay's own words; ``None`` where Alipay has no such trade.
    trade_status: str | None


def query(alipay: AlipayBlueprint, payment: Any) -> Answer:
    """See :meth:`Questions.query_answer`."""
    asked = begin(alipay, payment)
    return _answered(alipay, asked, ask(alipay, asked))


def close(alipay: AlipayBlueprint, payment: Any) -> Answer:
    """See :meth:`Questions.close_answer`."""
    asked = begin(alipay, payment)
    return _answered(alipay, asked, _closed(alipay, asked))


def cancel(alipay: AlipayBlueprint, payment: Any) -> Any:
    """See :meth:`Questions.cancel`."""
    if isinstance(alipay.gateway, MapiGateway):
        raise ConfigurationError(
            "the legacy gateway cannot cancel: close() what is not paid, refund_url() what is",
            f"{alipay.config.prefix}_PROTOCOL",
        )
    asked = begin(alipay, payment)
    return settled(alipay, asked, _cancelled(alipay, asked))


def begin(alipay: AlipayBlueprint, payment: Any) -> Asked:
    """Reads what has to be known of a payment, and ends the session's transaction.

    :raises InvalidParameter: if it is another merchant's.
    """
    alipay.session.flush()  # a new payment gets its times
    asked = Asked.of(payment, alipay.config.merchant, alipay.gateway_for(payment))
    alipay.session.commit()
    return asked


def ask(alipay: AlipayBlueprint, asked: Asked) -> Notification | None:
    """Asks what became of a trade.

    :returns: the news; ``None`` for a trade that has not begun and may still.
    :raises GatewayError: for any other no of Alipay's.
    :raises OutcomeUnknown: if no answer comes, or none that can be believed.
    """
    try:
        return query_trade(alipay, asked)
    except GatewayError as error:
        if not not_there(alipay, error):
            raise
        return closed_unpaid(asked, _refusal(alipay, error)) if asked.expired else None


def open_platform_of(asked: Asked) -> OpenApiGateway:
    """Return the client of the open platform for calls about a payment."""
    assert not isinstance(asked.gateway, MapiGateway)  # noqa: S101
    return asked.gateway


def close_expired(alipay: AlipayBlueprint, asked: Asked, news: Notification) -> Notification:
    """Closes a trade whose time is over and that is not paid.

    :param news: what was heard of it.
    :returns: the news, of the close if it was closed.
    """
    if news.trade_status != TradeStatus.WAIT_BUYER_PAY:
        return news
    return _closed(alipay, asked)


def settled(alipay: AlipayBlueprint, asked: Asked, news: Notification | None) -> Any:
    """Writes news down and returns the payment; what the ledger knows already leaves no trace."""
    ledger = alipay.ledger()
    payment = ledger.find(asked.out_trade_no)
    if news is None or (payment is not None and not _is_news(payment, news)):
        return payment
    settlement = ledger.settle(news)
    announce(alipay, settlement)
    return settlement.payment


def not_there(alipay: AlipayBlueprint, error: GatewayError) -> bool:
    """Tells whether Alipay says that there is no such trade.

    On the open platform it has to be signed. The legacy gateway signs no refusal; its word makes no
    sale and no refund, it only lets go of what the shop's own clock or will has ended.
    """
    if isinstance(error, OutcomeUnknown):
        return False
    word = error.sub_code or error.code
    return word in _NOT_THERE and (error.proven or alipay.config.protocol == "mapi")


def _answered(alipay: AlipayBlueprint, asked: Asked, news: Notification | None) -> Answer:
    heard = news.trade_status if news is not None and _has_a_trade(news) else None
    return Answer(settled(alipay, asked, news), heard)


def _has_a_trade(news: Notification) -> bool:
    """Tells whether Alipay has the trade: where it has none, the news carries its refusal."""
    words = {news.params.get(name) for name in ("code", "sub_code", "error")}
    return words.isdisjoint(_NOT_THERE)


def query_trade(alipay: AlipayBlueprint, asked: Asked) -> Notification:
    """Query a trade and return the response as a report.

    :raises GatewayError: if Alipay rejects the query; see :func:`not_there`.
    :raises OutcomeUnknown: if no response comes, or none that can be believed.
    """
    gateway = asked.gateway
    if not isinstance(gateway, MapiGateway):
        return trade_heard(gateway.trade_query(out_trade_no=asked.out_trade_no))
    answer = gateway.single_trade_query(out_trade_no=asked.out_trade_no)
    if answer.seller_id not in (None, alipay.config.merchant, alipay.config.seller_id):
        raise OutcomeUnknown("the gateway answered about somebody else's trade")
    return legacy_trade_heard(answer)


def _closed(alipay: AlipayBlueprint, asked: Asked) -> Notification:
    gateway, number = asked.gateway, asked.out_trade_no
    try:
        if isinstance(gateway, MapiGateway):
            gateway.close_trade(out_order_no=number)
            return _instead(alipay, asked, None)  # its yes is not signed, the query's is
        answer = gateway.trade_close(out_trade_no=number)
    except OutcomeUnknown:
        raise
    except GatewayError as error:
        if not_there(alipay, error):
            return closed_unpaid(asked, _refusal(alipay, error, "alipay.trade.close"))
        return _instead(alipay, asked, error)
    return closed_unpaid(
        asked, flat("method", "alipay.trade.close", answer.params), answer.trade_no
    )


def _instead(alipay: AlipayBlueprint, asked: Asked, refused: GatewayError | None) -> Notification:
    """What is true of a trade that should be closed: it may be paid, or closed before."""
    try:
        news = query_trade(alipay, asked)
    except GatewayError as error:
        if not not_there(alipay, error):
            raise
        return closed_unpaid(asked, _refusal(alipay, error))
    if news.trade_status in (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING):
        raise refused or OutcomeUnknown("Alipay has not closed the trade yet", retryable=True)
    return news


def _cancelled(alipay: AlipayBlueprint, asked: Asked) -> Notification:
    gateway = open_platform_of(asked)
    for attempt in range(_CANCELS):
        try:
            answer = gateway.trade_cancel(out_trade_no=asked.out_trade_no)
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if not_there(alipay, error):
                return closed_unpaid(asked, _refusal(alipay, error, "alipay.trade.cancel"))
            if error.proven:
                settled(alipay, asked, ask(alipay, asked))  # perhaps paid: the shop should know
            raise
        if not answer.retry:
            break
        if attempt + 1 < _CANCELS:
            time.sleep(_PAUSE)
    else:
        raise OutcomeUnknown("Alipay could not take it back yet: cancel it again", retryable=True)
    why = flat("method", "alipay.trade.cancel", answer.params)
    if answer.action == "close":
        return closed_unpaid(asked, why, answer.trade_no)
    if answer.action == "refund":
        return taken_back(asked, why, answer.trade_no)
    return _instead(alipay, asked, None)  # nothing was to be done


def _is_news(payment: Any, news: Notification) -> bool:
    try:
        check_match(payment, news)
        return bool(follow(payment, news)[1])
    except PaymentMismatch:
        return True


def _refusal(
    alipay: AlipayBlueprint, error: GatewayError, method: str = "alipay.trade.query"
) -> dict[str, str]:
    """Alipay's no, for the journal."""
    if alipay.config.protocol == "mapi":
        service = "close_trade" if method.endswith("close") else "single_trade_query"
        return {"service": service, "error": error.code or ""}
    codes = {"code": error.code, "sub_code": error.sub_code}
    return {"method": method, **{name: code for name, code in codes.items() if code}}
