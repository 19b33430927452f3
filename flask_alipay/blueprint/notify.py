"""The route for Alipay's notifications.

Raw body → parsed and verified → confirmed by ``notify_verify`` (legacy gateway) → converted to
types → checked for the merchant's account → settled in the ledger. What is not about a trade is a
batch, a message, or the probe of an application gateway. Every rejection is a named exception,
caught in one place.

Each notification has one log line, with its fields as ``extra=``. A line contains numbers and a
status, no buyer data; unverified text is sanitized.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from flask import Response, after_this_request, current_app, has_request_context, request
from flask.logging import default_handler
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from ..exceptions import (
    BadNotification,
    BodyTooLarge,
    NotificationRefused,
)
from ..ledger.errors import ledger_unavailable, roll_back
from ..operations.alerts import alert_about_rejection
from ..operations.settlement import (
    receive_notification,
    send_settlement_signals,
    send_signal,
)
from ..protocol.charsets import percent_decode
from ..protocol.log_text import loggable, loggable_texts
from ..protocol.trade_status import TradeStatus
from ..signals import notification_refused
from .page_policy import PRIVACY_HEADERS, set_privacy_headers
from .probe import PROBE, Probe
from .registration import registrations
from .rejected import keep

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..protocol.message import Message
    from ..protocol.notification import Notification
    from .page_urls import PageUrls

logger = logging.getLogger("flask_alipay")

#: The maximum size of a notification about a trade; Alipay's are far smaller.
MAX_BODY = 64 * 1024
#: The result of a batch has up to a thousand entries.
MAX_BATCH_BODY = 512 * 1024

_XML = "text/xml; charset=GBK"
_BATCHES = {"batch_refund_notify": "refunds", "batch_trans_notify": "transfers"}
_BATCH = re.compile(rb"(?:^|&)(?:result|success|fail)_details=")

# Characters that end a line, control the terminal or change the text's direction.
_UNPRINTABLE = re.compile(r"[^\w .,:;'\"()\[\]{}<>/=+%&*@#?!|$^~`\\-]")
_NO_ADDRESS = re.compile(r"[^0-9A-Za-z.:%_\-]")
_MAX_FIELDS = 200
_NUMBERS = ("out_trade_no", "trade_no", "trade_status", "notify_id")
_CLAIMS = (b"out_trade_no", b"trade_no", b"trade_status")
# An account at Alipay, which may be the buyer's.
_ACCOUNT = re.compile(r"2088[0-9]{12}")


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
            params, settled = receive_notification(merchant, body)
            if settled is None:
                return _receive_other(merchant, params)
            for report, settlement in settled:
                log_settled(settlement.outcome, report, config.merchant)
        except NotificationRefused as error:
            return _refuse(merchant, error, body)
        except SQLAlchemyError as error:
            # Outside of the ledger's own transaction: what a message is about is read before it.
            roll_back(merchant.session)
            refusal = ledger_unavailable(error, None, None)
            refusal.__cause__ = error
            return _refuse(merchant, refusal, body)
        return _respond("success", 200)

    def prepare(self, endpoint: str | None, values: object) -> None:
        """Prepare a request to any route of the blueprint: no token protects :meth:`notify`, which
        sets its own headers.
        """
        self.exempt_from_csrf()
        if not str(endpoint).endswith(".notify"):
            after_this_request(set_privacy_headers)

    def exempt_from_csrf(self) -> None:
        """Exempt the route and the simulator from Flask-WTF's CSRFProtect in the current app."""
        csrf = current_app.extensions.get("csrf")
        if csrf is None:
            return
        csrf.exempt(self.notify)
        gateway = registrations(current_app)[self._alipay].simulator_gateway
        if gateway is not None:
            csrf.exempt(current_app.blueprints[gateway.rpartition(".")[0]])


def _refuse(merchant: Merchant, error: NotificationRefused, body: bytes) -> Response:
    """Log a rejection, tell the application and its operators, and respond with ``fail``."""
    config = merchant.config
    log_rejected(error, body, config.merchant)
    if config.rejected_path is not None:
        keep(config.rejected_path, error, body)
    send_signal(merchant, notification_refused, error=error)
    alert_about_rejection(merchant, error)
    return _respond("fail", error.status)


def _receive_other(merchant: Merchant, params: Mapping[str, str]) -> Response:
    """Respond to a verified notification that is not about a single trade.

    Of a batch, some results may be settled before another one is rejected.

    :raises NotificationRefused: if the notification or a result is rejected.
    """
    from ..operations.messages import (  # not about payments
        check_age,
        gateway_check_response,
        read_message,
        receive_batch,
        receive_message,
    )
    from ..protocol.message import GATEWAY_CHECK

    config = merchant.config
    if config.protocol == "mapi" and params.get("notify_type") in _BATCHES:
        batch = receive_batch(merchant, params)
        kind, number = _BATCHES[params["notify_type"]], loggable(batch.batch_no)
        log(logging.INFO, "%s of batch %s: %d reported", kind, number, len(batch.results))
        return _respond("success", 200)
    if config.protocol == "openapi" and params.get("service") == GATEWAY_CHECK:
        response = Response(
            gateway_check_response(config, params), headers=PRIVACY_HEADERS, content_type=_XML
        )
        log(logging.INFO, "the address of the application gateway is activated")
        return response
    message = read_message(config, params, confirmed=config.notify_verify)
    check_age(message.sent_at, message.notify_id)
    settlement = receive_message(merchant, message)
    log_message(settlement.outcome, message, config.merchant)
    send_settlement_signals(merchant, settlement)
    return _respond("success", 200)


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
    content_type = "text/plain; charset=utf-8"
    return Response(text, status, PRIVACY_HEADERS, content_type=content_type)


def log_settled(outcome: str, notification: Notification, merchant: str) -> None:
    """Log the outcome of a verified notification.

    :param outcome: the outcome of its committed settlement.
    :param notification: the verified notification.
    :param merchant: its app_id or partner.
    """
    if not is_logged(logging.INFO):
        return
    out_trade_no, trade_no, notify_id = loggable_texts(
        notification.out_trade_no, notification.trade_no, notification.notify_id
    )
    fields = {
        "outcome": outcome,
        "merchant": merchant,
        "out_trade_no": out_trade_no,
        "trade_no": trade_no,
        "trade_status": notification.trade_status,
        "notify_id": notify_id,
        "remote_addr": _remote_address(),
    }
    log(
        logging.INFO,
        "notification %s: %s is %s; notify_id=%s",
        *(fields[name] for name in ("outcome", "out_trade_no", "trade_status", "notify_id")),
        **fields,
    )


def log_message(outcome: str, message: Message, merchant: str) -> None:
    """Log the outcome of a verified message.

    :param outcome: the outcome of its committed processing.
    :param message: the verified message.
    :param merchant: the configured app_id or partner.
    """
    kind, notify_id = loggable(message.kind), loggable(message.notify_id)
    fields = {"outcome": outcome, "merchant": merchant, "kind": kind, "notify_id": notify_id}
    log(
        logging.INFO,
        "message %s: %s; notify_id=%s",
        outcome,
        kind,
        notify_id,
        **fields,
        remote_addr=_remote_address(),
    )


def log_rejected(error: NotificationRefused, body: bytes, merchant: str) -> None:
    """Log the rejection of a notification.

    :param error: the reason.
    :param body: the raw body; empty if it could not be read.
    :param merchant: the configured app_id or partner.
    """
    if not is_logged(logging.WARNING):
        return
    claimed = _claimed(body)
    status = claimed.get("trade_status")
    fields = {
        "reason": error.reason,
        "merchant": merchant,
        "out_trade_no": loggable(error.out_trade_no) or _number(claimed.get("out_trade_no")),
        "trade_no": _number(claimed.get("trade_no")),
        "trade_status": status if status in (None, *TradeStatus.ALL) else "?",
        "notify_id": loggable(error.notify_id),
        "remote_addr": _remote_address(),
    }
    log(
        logging.WARNING,
        "notification refused (%s): %s; out_trade_no=%s trade_no=%s trade_status=%s notify_id=%s "
        "remote_addr=%s",
        error.reason,
        _UNPRINTABLE.sub("?", str(error)),
        *(fields[name] for name in (*_NUMBERS, "remote_addr")),
        **fields,
    )


def log(level: int, message: str, *args: object, **fields: object) -> None:
    """Log a line, also if the application has not configured logging.

    Flask's default handler is attached to ``app.logger`` only, and Python's last-resort handler
    shows warnings only. Without a configured handler, the line goes to Flask's default handler.

    :param level: a level of :mod:`logging`.
    :param message: a format with ``%s`` for the arguments.
    :param fields: attributes of the record, for structured logs.
    """
    if not is_logged(level):
        return
    if logger.hasHandlers():
        logger.log(level, message, *args, extra=fields)
    else:
        origin = (logger.name, level, "flask_alipay", 0)
        record: Any = logger.makeRecord(*origin, message, args, None, None, fields)
        if logger.filter(record):
            default_handler.handle(record)


def is_logged(level: int) -> bool:
    """Return whether :func:`log` logs a line of a level."""
    if logger.hasHandlers():
        return logger.isEnabledFor(level)
    return level >= logger.level and not logger.disabled and level > logger.manager.disable


def _claimed(body: bytes) -> dict[str, str]:
    """Return the numbers and status that an unverified body claims."""
    if body.count(b"&") >= _MAX_FIELDS:
        return {}
    fields = (piece.partition(b"=") for piece in body.split(b"&"))
    return {
        name.decode(): percent_decode(value).decode("latin-1")
        for name, _, value in fields
        if value and name in _CLAIMS
    }


def _number(claimed: str | None) -> str | None:
    """Return an unverified number, sanitized; the number of an account is replaced."""
    return "?" if claimed and _ACCOUNT.search(claimed) else loggable(claimed)


def _remote_address() -> str | None:
    """Return the client's address as the application sees it: behind a proxy, set by ProxyFix."""
    address = request.remote_addr if has_request_context() else None
    return _NO_ADDRESS.sub("?", address)[:64] if address else None
