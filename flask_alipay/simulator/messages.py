"""Messages that a developer has the simulator send, and the address that they are sent to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..exceptions import InvalidParameter
from .clock import Clock
from .notifications.messages import COMPLAINT, Announcement, new_message, new_message_id
from .notifications.sender import Delivery, NotificationSender
from .openapi import OpenApi
from .replies import ALIPAY, PendingNotification
from .storage.storage import PersistentDict, Storage
from .trades.trades import TradeStore
from .web.urls import checked_url


@dataclass(frozen=True)
class GatewayAddress:
    """The address of the merchant's application gateway, as in the console."""

    url: str


class MessageService:
    """Alipay's message service, with the address of the merchant's application gateway.

    :param clock: tells the time.
    :param openapi: signs.
    :param trades: store of the trades.
    :param deliverer: sends.
    :param storage: stores the address beyond the process.
    """

    def __init__(
        self,
        clock: Clock,
        openapi: OpenApi,
        trades: TradeStore,
        deliverer: NotificationSender,
        storage: Storage,
    ) -> None:
        self._clock = clock
        self._openapi = openapi
        self._trades = trades
        self._deliverer = deliverer
        self._addresses = PersistentDict(storage, "message_url", GatewayAddress)
        #: The address if none was given: of the application that the simulator is part of.
        self.default_url = ""

    @property
    def url(self) -> str:
        """The address: the last one given, that of the application, or a trade's; or empty."""
        given = self._addresses.get("url")
        if given is not None:
            return given.url
        urls = (trade.order.notify_url for trade in reversed(self._trades.all()))
        return self.default_url or next(filter(None, urls), "")

    def send(
        self,
        kind: str,
        content: Mapping[str, Any] | None = None,
        *,
        url: str = "",
        charset: str = "utf-8",
        encrypted: bool = False,
        sender: str = ALIPAY,
    ) -> Delivery:
        """Send a message, wait for the response, and schedule retries.

        :param kind: ``msg_method`` or ``notify_type``.
        :param content: the content; by default the kind's sample.
        :param url: a new address of the application gateway.
        :param charset: ``utf-8`` or ``gbk``.
        :param encrypted: whether the content is encrypted.
        :param sender: see :class:`~.replies.PendingNotification`.
        :raises InvalidParameter: names the wrong parameter.
        """
        message = new_message(kind, content, charset=charset, encrypted=encrypted)
        address, now = self._address(url), self._clock.now()
        if kind == COMPLAINT:
            self._openapi.complaints.add(message.number, now)
        number = new_message_id(now)
        return self._deliverer.deliver(PendingNotification(address, number, message, sender))

    def pending(self, announcement: Announcement) -> list[PendingNotification]:
        """Return the message about a change; an empty list without an address."""
        kind, content, url, charset = announcement
        message = new_message(kind, content, charset=charset)
        number, url = new_message_id(self._clock.now()), url or self.url
        return [PendingNotification(url, number, message)] if url else []

    def announce(self, announcement: Announcement) -> None:
        """Send the message about a change, and schedule retries."""
        for notice in self.pending(announcement):
            self._deliverer.deliver(notice)

    def activate(self, url: str = "") -> bool:
        """Send the probe of the console, and return True if the address answers it correctly.

        :param url: a new address of the application gateway.
        :raises InvalidParameter: if there is no address.
        """
        address = self._address(url)
        try:
            status, answer = self._deliverer.post(
                address, self._openapi.gateway_check(self._clock.now())
            )
        except Exception:  # the merchant's side may fail in any way
            return False
        return status == 200 and self._openapi.is_activated(answer)

    def _address(self, url: str) -> str:
        if url:
            self._addresses["url"] = GatewayAddress(checked_url("url", url, max_length=256))
        if not self.url:
            raise InvalidParameter("url", "is required: no address is known yet")
        return self.url
