"""The route for Alipay's notifications.

Raw body → parsed and verified → confirmed by ``notify_verify`` (legacy gateway) → converted to
types → checked for the merchant's account → settled in the ledger. What is not about a trade is a
batch, a message, or the probe of an application gateway. Every rejection is a named exception,
caught in one place.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException

from ..exceptions import (
    BadNotification,
    BodyTooLarge,
    NotificationRefused,
    WrongAccount,
)
from ..operations.alerts import alert_about_rejection
from ..operations.settlement import send_settlement_signals, send_signal, settle_notification
from ..operations.verification import confirm_notify_id, is_for_merchant, verify_notification
from ..protocol.china_time import parse_china_time
from ..protocol.notification import check_no_embedded_fields, loggable
from ..signals import notification_refused, transfer_batch_notified
from .log_lines import log, log_message, log_rejected, log_settled
from .probe import PROBE, Probe
from .registration import registrations
from .rejected import keep

if TYPE_CHECKING:
    from ..config import Config
    from ..ledger import Settlement
    from ..merchant import Merchant
    from .page_urls import PageUrls

#: The maximum size of a notification about a trade; Alipay's are far smaller.
MAX_BODY = 64 * 1024
#: The result of a batch has up to a thousand entries.
MAX_BATCH_BODY = 512 * 1024

_XML = "text/xml; charset=GBK"
_BATCHES = ("batch_refund_notify", "batch_trans_notify")
_BATCH = re.compile(rb"(?:^|&)(?:result|success|fail)_details=")


class NotifyView:
    """The view of the route ``notify``.

    :param alipay: the blueprint.
    """

    def __init__(self, alipay: PageUrls[Any, Any]) -> None:
        self._alipay = alipay

    def notify(self) -> Response:
        """Respond to a notification: ``success`` after its commit, otherwise ``fail``."""
        merchant: Merchant = current_app.extensions["alipay"][self._alipay]
        config, body = merchant.config, b""
        probe = request.environ.get(PROBE)
        if isinstance(probe, Probe):
            return _respond_to_probe(probe)
        try:
            body = read_body(batches=config.protocol == "mapi")
            params = _verified(config, body)
            if "trade_status" not in params:
                return _receive_other(merchant, params)
            for settlement in _settle(merchant, params):
                send_settlement_signals(merchant, settlement)
        except NotificationRefused as error:
            log_rejected(error, body, config.merchant)
            if config.rejected_path is not None:
                keep(config.rejected_path, error, body)
            send_signal(merchant, notification_refused, error=error)
            alert_about_rejection(merchant, error)
            return _respond("fail", error.status)
        return _respond("success", 200)

    def exempt_from_csrf(self, *endpoint_and_values: object) -> None:
        """Exempt the route and the simulator from Flask-WTF's CSRFProtect in the current app."""
        csrf = current_app.extensions.get("csrf")
        if csrf is None:
            return
        csrf.exempt(self.notify)
        gateway = registrations(current_app)[self._alipay].simulator_gateway
        if gateway is not None:
            csrf.exempt(current_app.blueprints[gateway.rpartition(".")[0]])


def _verified(config: Config, body: bytes) -> dict[str, str]:
    """Return the verified parameters of a notification.

    :raises NotificationRefused: if Alipay did not sign it, or does not confirm it.
    """
    params = verify_notification(config, body)
    if config.notify_verify:
        confirm_notify_id(config, params.get("notify_id"))
    return params


def _settle(merchant: Merchant, params: Mapping[str, str]) -> Iterator[Settlement]:
    """Settle a notification about a trade; yield each settlement after its commit.

    :raises NotificationRefused: if the notification is rejected.
    """
    for report, settlement in settle_notification(merchant, params):
        log_settled(settlement.outcome, report, merchant.config.merchant)
        yield settlement


def _receive_other(merchant: Merchant, params: Mapping[str, str]) -> Response:
    """Respond to a verified notification that is not about a single trade.

    Of a batch, some results may be settled before another one is rejected.

    :raises NotificationRefused: if the notification or a result is rejected.
    """
    from ..operations.messages import (  # not about payments
        check_age,
        gateway_check_response,
        read_message,
        receive_message,
    )
    from ..protocol.message import GATEWAY_CHECK

    config = merchant.config
    if config.protocol == "mapi" and params.get("notify_type") in _BATCHES:
        settlements = _receive_batch(merchant, params)
    elif config.protocol == "openapi" and params.get("service") == GATEWAY_CHECK:
        response = Response(gateway_check_response(config, params), content_type=_XML)
        log(logging.INFO, "the address of the application gateway is activated")
        return response
    else:
        message = read_message(config, params, confirmed=config.notify_verify)
        check_age(message.sent_at, message.notify_id)
        settlement = receive_message(merchant, message)
        log_message(settlement.outcome, message, config.merchant)
        settlements = iter((settlement,))
    for settlement in settlements:
        send_settlement_signals(merchant, settlement)
    return _respond("success", 200)


def _receive_batch(merchant: Merchant, params: Mapping[str, str]) -> Iterator[Settlement]:
    """Settle the results of a batch of refunds, or record those of transfers."""
    from ..operations.messages import check_age
    from ..protocol.batch_notification import (  # only needed on the legacy gateway
        REFUNDS,
        RefundBatchNotification,
        TransferBatchNotification,
    )

    config = merchant.config
    check_no_embedded_fields(params)
    if not is_for_merchant(config, params, confirmed=config.notify_verify):
        raise WrongAccount("it names no seller, and its key signs for every merchant")
    check_age(parse_china_time(params.get("notify_time")), params.get("notify_id"))
    ledger = merchant.ledger()
    if params["notify_type"] == REFUNDS:
        refunds = RefundBatchNotification.from_params(params)
        yield from ledger.settle_refunds(refunds)
        number = loggable(refunds.batch_no)
        log(logging.INFO, "refunds of batch %s: %d reported", number, len(refunds.results))
        return
    transfers = TransferBatchNotification.from_params(params)
    if ledger.record_transfers(transfers):
        send_signal(merchant, transfer_batch_notified, batch=transfers)
    number, count = loggable(transfers.batch_no), len(transfers.results)
    log(logging.INFO, "transfers of batch %s: %d reported", number, count)


def read_body(*, batches: bool) -> bytes:
    """Return the raw body of the current request, if it is a form of acceptable size.

    :param batches: whether it may be the result of a batch, which only the legacy gateway sends.
    :raises BadNotification: otherwise.
    """
    content_type = (request.content_type or "").partition(";")[0].strip().lower()
    if content_type not in ("application/x-www-form-urlencoded", ""):
        raise BadNotification("it is not a form")
    length = request.content_length or 0
    if length > (MAX_BATCH_BODY if batches else MAX_BODY):
        raise BodyTooLarge("it is larger than any notification")
    try:
        # get_data returns a body that other code of the application has read, but has no limit.
        body = _read(request.stream, MAX_BODY + 1) or request.get_data()
        if len(body) == MAX_BODY + 1 and batches and _BATCH.search(body):
            body += _read(request.stream, MAX_BATCH_BODY - MAX_BODY)
    except HTTPException as error:
        raise BadNotification(f"its body cannot be read ({error.name})") from None
    max_size = MAX_BATCH_BODY if batches and _BATCH.search(body) else MAX_BODY
    if len(body) > max_size:
        raise BodyTooLarge("it is larger than any notification")
    if not body and length:
        raise BadNotification(
            "other code of the application has read the form before (a before_request function?)"
        )
    return body


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Read up to ``limit`` bytes from a stream that may return fewer bytes for each call."""
    pieces = []
    while limit > 0 and (piece := stream.read(limit)):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _respond_to_probe(probe: Probe) -> Response:
    """Store the route and the body that the probe reached; nothing is verified or recorded."""
    probe.endpoint = request.endpoint
    with suppress(NotificationRefused):
        probe.received = read_body(batches=False)
    return _respond("fail", 400)


def _respond(text: str, status: int) -> Response:
    return Response(text, status, content_type="text/plain; charset=utf-8")
