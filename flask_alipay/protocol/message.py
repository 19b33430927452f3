"""Messages: verified notifications that are not about a trade.

Alipay sends them in two forms. Version 1.1 has ``msg_method`` and the content as JSON in
``biz_content``; version 1.0 has ``notify_type`` and the content in fields of its own, like a
notification about a trade. Sources: production messages of both forms whose signatures were
reproduced, and Alipay's page "异步通知" (opendocs, mirrored on 5851388.com).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ..exceptions import BadNotification
from .conversion import parse_china_time
from .log_text import loggable
from .validation import EMBEDDED_FIELD

#: The value of ``service`` in the probe with which the console activates the address of an
#: application gateway (应用网关).
GATEWAY_CHECK: Final = "alipay.service.check"

#: The maximum length of a kind, and of the number of a message.
MAX_KIND: Final = 100
MAX_NOTIFY_ID: Final = 128

# The types of notifications about trades and refunds.
_TRADE_TYPES: Final = frozenset({"trade_status_sync", "batch_refund_notify", "batch_trans_notify"})
# The fields around the content in a message of version 1.0.
_ENVELOPE: Final = frozenset(
    {
        "app_id",
        "auth_app_id",
        "charset",
        "notify_id",
        "notify_time",
        "notify_type",
        "sign",
        "sign_type",
        "version",
    }
)
# Requests to the legacy gateway and returns, which are signed with the same keys, have these.
_NOT_IN_MESSAGES: Final = frozenset({"_input_charset", "partner", "exterface", "is_success"})


@dataclass(frozen=True)
class Message:
    """A message from Alipay, verified and addressed to this application."""

    #: ``msg_method`` or ``notify_type``, like ``alipay.fund.trans.order.changed``.
    kind: str
    #: Alipay's number of the message; retries have the same one.
    notify_id: str
    #: The content: ``biz_content`` as parsed from JSON, with each decimal number as
    #: :class:`~decimal.Decimal`; of a message without it, its fields.
    content: Mapping[str, Any] = field(repr=False, hash=False)
    #: The application that receives the message; ``None`` on the legacy gateway.
    app_id: str | None = None
    #: The application of the merchant for whom a third-party application acts.
    auth_app_id: str | None = None
    #: Time at which Alipay sent it, aware UTC; later in a retry.
    sent_at: datetime | None = None
    #: All received parameters.
    params: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @classmethod
    def from_params(
        cls, params: Mapping[str, str], decrypt: Callable[[str], bytes] | None = None
    ) -> Message:
        """Convert verified parameters.

        :param params: the result of :func:`~flask_alipay.protocol.notification.verify_form`.
        :param decrypt: decrypts ``biz_content`` if ``encrypt_type`` is given; raises ``ValueError``
            for a text that was not encrypted with the configured key. The signature covers the
            text as sent, like that of a response.
        :raises BadNotification: if the parameters are not those of a message, its content cannot be
            parsed, or the fields could be split differently under the same signature.
        """
        kind, notify_id = message_kind(params), params.get("notify_id", "")
        if kind is None:
            raise BadNotification("it is not about a trade", notify_id=loggable(notify_id))
        try:
            return cls._read(params, kind, notify_id, decrypt)
        except BadNotification as error:
            error.notify_id = loggable(notify_id)
            raise

    @classmethod
    def _read(
        cls,
        params: Mapping[str, str],
        kind: str,
        notify_id: str,
        decrypt: Callable[[str], bytes] | None,
    ) -> Message:
        _check_fields(params)
        if not notify_id:
            raise BadNotification("it has no notify_id")
        if len(kind) > MAX_KIND or len(notify_id) > MAX_NOTIFY_ID:
            raise BadNotification("its kind or its notify_id is too long")
        return cls(
            kind=kind,
            notify_id=notify_id,
            content=MappingProxyType(_content(params, decrypt)),
            app_id=params.get("app_id") or None,
            auth_app_id=params.get("auth_app_id") or None,
            sent_at=_sent_at(params),
            params=params,
        )


def message_kind(params: Mapping[str, str]) -> str | None:
    """Return the kind of a notification that is not about a trade, otherwise ``None``."""
    kind = params.get("msg_method") or params.get("notify_type") or None
    return None if kind in _TRADE_TYPES or params.get("trade_status") else kind


def _check_fields(params: Mapping[str, str]) -> None:
    """Check that the fields cannot be split differently under the same signature.

    Within ``biz_content`` the content may look like a field (a URL with several arguments). That is
    safe, because it has to be one complete JSON object: a part of it, or a text that contains it
    together with other fields, is none.

    :raises BadNotification: otherwise.
    """
    names = "".join(params)
    others = "\0".join(value for name, value in params.items() if name != "biz_content")
    if "&" in names or "=" in names or EMBEDDED_FIELD.search(others):
        raise BadNotification("one of its fields could be read as several")
    if not _NOT_IN_MESSAGES.isdisjoint(params):
        raise BadNotification("it is a request or a return, not a notification")


def _content(params: Mapping[str, str], decrypt: Callable[[str], bytes] | None) -> dict[str, Any]:
    if "biz_content" not in params:
        return {name: value for name, value in params.items() if name not in _ENVELOPE}
    text: str | bytes = params["biz_content"]
    if params.get("encrypt_type"):
        if decrypt is None:
            raise BadNotification("it is encrypted, and no AES key is configured")
        try:
            text = decrypt(params["biz_content"])
        except ValueError:
            raise BadNotification("it cannot be decrypted with the configured AES key") from None
    try:
        content = json.loads(text, parse_float=Decimal, parse_constant=_not_json)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadNotification("its biz_content is not a JSON object")
    return content


def _not_json(name: str) -> None:
    raise ValueError(name)


def _sent_at(params: Mapping[str, str]) -> datetime | None:
    timestamp = params.get("utc_timestamp", "")
    if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 14:
        return datetime.fromtimestamp(int(timestamp) / 1000, timezone.utc)
    return parse_china_time(params.get("notify_time"))
