"""One log line for each notification, with its fields as ``extra=``.

A line names numbers and a status, no buyer data. What was not verified is a stranger's text, and
made safe for a log.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from flask.logging import default_handler

from ..protocol.charsets import form_decode
from ..protocol.notification import loggable
from ..protocol.trade_status import TradeStatus

if TYPE_CHECKING:
    from ..exceptions import NotificationRefused
    from ..protocol.notification import Notification

logger = logging.getLogger("flask_alipay")

# Characters that end a line, reach the terminal or turn the text around.
_UNPRINTABLE = re.compile(r"[^\w .,:;'\"()\[\]{}<>/=+%&*@#?!|$^~`\\-]")
_NO_ADDRESS = re.compile(r"[^0-9A-Za-z.:%_\-]")
_MAX_FIELDS = 200
_NUMBERS = ("out_trade_no", "trade_no", "trade_status", "notify_id")
_CLAIMS = (b"out_trade_no", b"trade_no", b"trade_status")
# An account at Alipay, which may be the buyer's.
_ACCOUNT = re.compile(r"2088[0-9]{12}")


def log_settled(outcome: str, notification: Notification, merchant: str) -> None:
    """Log what became of a verified notification.

    :param outcome: of its settlement, which is committed.
    :param notification: verified.
    :param merchant: its app_id or partner.
    """
    fields = {
        "outcome": outcome,
        "merchant": merchant,
        "out_trade_no": loggable(notification.out_trade_no),
        "trade_no": loggable(notification.trade_no),
        "trade_status": notification.trade_status,
        "notify_id": loggable(notification.notify_id),
        "remote_addr": _remote_address(),
    }
    log(
        logging.INFO,
        "notification %s: %s is %s; notify_id=%s",
        *(fields[name] for name in ("outcome", "out_trade_no", "trade_status", "notify_id")),
        **fields,
    )


def log_rejected(error: NotificationRefused, body: bytes, merchant: str) -> None:
    """Log why a notification was rejected.

    :param error: the reason.
    :param body: as it came; empty if it could not be read.
    :param merchant: the configured app_id or partner.
    """
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
    """Log a line, also if the app has not configured logging.

    Flask's default handler belongs to ``app.logger`` alone, and Python's shows warnings only. If no
    handler is configured, the line goes where Flask's own lines go.

    :param level: of :mod:`logging`.
    :param message: with ``%s`` for the arguments.
    :param fields: attributes of the record, for structured logs.
    """
    if logger.hasHandlers():
        logger.log(level, message, *args, extra=fields)
    elif level >= logger.level and not logger.disabled and level > logger.manager.disable:
        where = (logger.name, level, "flask_alipay", 0)
        record: Any = logger.makeRecord(*where, message, args, None, None, fields)
        if logger.filter(record):
            default_handler.handle(record)


def _claimed(body: bytes) -> dict[str, str]:
    """What an unverified body says of itself."""
    if body.count(b"&") >= _MAX_FIELDS:
        return {}
    fields = (piece.partition(b"=") for piece in body.split(b"&"))
    return {
        name.decode(): form_decode(value).decode("latin-1")
        for name, _, value in fields
        if value and name in _CLAIMS
    }


def _number(claimed: str | None) -> str | None:
    """A number that is not verified, made safe; an account's is left out."""
    return "?" if claimed and _ACCOUNT.search(claimed) else loggable(claimed)


def _remote_address() -> str | None:
    """The address that the app takes for the client's: behind a proxy, what ProxyFix made of it."""
    address = request.remote_addr if has_request_context() else None
    return _NO_ADDRESS.sub("?", address)[:64] if address else None
