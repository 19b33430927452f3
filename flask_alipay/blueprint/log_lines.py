"""One log line for each notification, with its fields as ``extra=``.

A line contains numbers and a status, no buyer data. Unverified text is sanitized.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from flask.logging import default_handler

from ..protocol.charsets import percent_decode
from ..protocol.log_text import loggable, loggable_texts
from ..protocol.trade_status import TradeStatus

if TYPE_CHECKING:
    from ..exceptions import NotificationRefused
    from ..protocol.message import Message
    from ..protocol.notification import Notification

logger = logging.getLogger("flask_alipay")

# Characters that end a line, control the terminal or change the text's direction.
_UNPRINTABLE = re.compile(r"[^\w .,:;'\"()\[\]{}<>/=+%&*@#?!|$^~`\\-]")
_NO_ADDRESS = re.compile(r"[^0-9A-Za-z.:%_\-]")
_MAX_FIELDS = 200
_NUMBERS = ("out_trade_no", "trade_no", "trade_status", "notify_id")
_CLAIMS = (b"out_trade_no", b"trade_no", b"trade_status")
# An account at Alipay, which may be the buyer's.
_ACCOUNT = re.compile(r"2088[0-9]{12}")


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
