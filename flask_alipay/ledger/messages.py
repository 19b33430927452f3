"""Processing of messages: notifications that are not about a trade.

A message is processed once for each ``notify_id``: its row in the journal has a unique
``message_id``, and belongs to the same transaction as all its effects. These are, in this order,
the changes that the package itself makes (:data:`HANDLERS`), the callbacks of their events, and the
application's callbacks for messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy.exc import IntegrityError

from ..protocol.agreements import SIGN_MESSAGE, UNSIGN_MESSAGE
from ..protocol.credentials import mask_credentials
from ..protocol.message import Message
from ..protocol.preauthorizations import AUTHORIZATION_MESSAGES
from ..protocol.transfers import TRANSFER_MESSAGE
from .callbacks import run_callbacks
from .journal import JournalEntry
from .ledger import Ledger
from .settlement import MESSAGE_EVENT, Callback, MessageEffect, Settlement

_MAX_NUMBER: Final = 64


class MessageHandler(Protocol):
    """A ledger that handles a kind of message."""

    def apply_message(self, message: Message) -> MessageEffect | None:
        """Change the ledger as a message reports it, in the current transaction.

        It neither commits nor rolls back, writes no journal and runs no callbacks: its caller does,
        and retries everything in a new transaction if ``None`` is returned. Since another worker
        may change the same row, an ``UPDATE`` names the state that was read before. A message about
        an object that is not in the ledger has the outcome ``recorded``: it may belong to other
        software of the merchant, and Alipay must not retry it.

        :param message: verified and known to be for this merchant.
        :returns: the effect; ``None`` if the state has changed since it was read.
        :raises NotificationRefused: if the message contradicts the ledger; everything is rolled
            back, and Alipay retries.
        """


class Handling(NamedTuple):
    """The ledger that handles a kind of message."""

    #: The field of :class:`~flask_alipay.ledger.Models` with the application's class; without the
    #: class, messages of the kind are not handled.
    model: str
    #: Imports and returns the class of the ledger, a subclass of :class:`Ledger`; it is created
    #: with the same arguments as this one.
    load: Callable[[], Callable[..., MessageHandler]]


def _transfers() -> Callable[..., MessageHandler]:
    from .transfers import TransferLedger

    return TransferLedger


def _agreements() -> Callable[..., MessageHandler]:
    from .agreements import AgreementLedger

    return AgreementLedger


def _authorizations() -> Callable[..., MessageHandler]:
    from .authorizations import AuthorizationLedger

    return AuthorizationLedger


#: The kinds of messages that the package itself handles. The modules are imported when the first
#: message arrives, so that applications without the feature do not pay for it.
HANDLERS: Mapping[str, Handling] = MappingProxyType(
    {
        TRANSFER_MESSAGE: Handling("Transfer", _transfers),
        SIGN_MESSAGE: Handling("Agreement", _agreements),
        UNSIGN_MESSAGE: Handling("Agreement", _agreements),
        **{kind: Handling("Authorization", _authorizations) for kind in AUTHORIZATION_MESSAGES},
    }
)


class MessageLedger(Ledger):
    """The ledger of a merchant, for messages."""

    def receive(self, message: Message, *, own: bool = True) -> Settlement:
        """Process a message once, in one transaction with the shop's callbacks.

        The session's current transaction is rolled back first. Returns after the commit; if it
        raises, only the journal has changed. Without a journal and a handler nothing is done.

        :param message: verified and known to be for this merchant's application.
        :param own: ``False`` if it is about another merchant of that application: nothing in the
            ledger is changed.
        :returns: the result, with the outcome ``settled`` if something was done about the message,
            ``recorded`` if nothing was, or ``duplicate``.
        :raises CallbackFailed: if a callback raised; everything is rolled back.
        :raises LedgerUnavailable: if the database could not record it; everything is rolled back.
        """
        handler = self._handler(message) if own else None
        if not self._journal.enabled and handler is None:
            return Settlement("recorded", (), lambda: None)
        entry = _entry(message)
        return self._in_transaction(entry, lambda: self._process(message, entry, handler))

    def expected_outcome(self, message: Message, *, own: bool = True) -> str:
        """Return the outcome that :meth:`receive` would probably have; nothing is changed."""
        if self._journal.enabled and self._journal.is_claimed(self._message_id(message)):
            return "duplicate"
        handled = (own and self._handler(message) is not None) or self._message_callbacks(
            message.kind
        )
        return "settled" if handled else "recorded"

    def _process(
        self, message: Message, entry: JournalEntry, handler: MessageHandler | None
    ) -> Settlement | None:
        """Do all that a message causes. ``None``: the state has changed since it was read."""
        message_id = self._message_id(message)
        if self._journal.enabled and self._journal.is_claimed(message_id):
            self._journal.write(entry, "duplicate", None)
            self._session.session.commit()
            return Settlement("duplicate", (), lambda: None)
        # Nothing that is changed below depends on this snapshot.
        self._session.roll_back()
        effect = MessageEffect("recorded") if handler is None else handler.apply_message(message)
        if effect is None:
            return None
        callbacks = self._message_callbacks(message.kind)
        outcome = "settled" if callbacks else effect.outcome
        if not self._claim(entry, message_id, outcome, effect):
            return None
        for event in effect.events:
            self._run(self._callbacks.get(event, ()), effect.subject)
        self._run(callbacks, message)
        self._session.session.commit()
        return Settlement(outcome, effect.events, lambda: effect.subject)

    def _claim(
        self, entry: JournalEntry, message_id: str, outcome: str, effect: MessageEffect
    ) -> bool:
        """Write the journal's row; return ``False`` if another worker was faster.

        It waits for a worker that processes the same message.
        """
        detail = ", ".join(effect.events) or None
        try:
            self._journal.write(entry, outcome, detail, message_id=message_id)
        except IntegrityError:
            self._session.roll_back()
            # Violations of the application's own constraints pass.
            if not self._journal.is_claimed(message_id):
                raise
            return False
        return True

    def _run(self, callbacks: Sequence[Callback], subject: Any) -> None:
        if callbacks:
            model = self._models.Notification or self._models.Payment
            run_callbacks(self._session, model, callbacks, subject, self._registry)

    def _message_callbacks(self, kind: str) -> tuple[Callback, ...]:
        """Return the callbacks for a kind, each once: those for all kinds first."""
        events = (MESSAGE_EVENT, f"{MESSAGE_EVENT}:{kind}")
        found = [callback for event in events for callback in self._callbacks.get(event, ())]
        return tuple({id(callback): callback for callback in found}.values())

    def _handler(self, message: Message) -> MessageHandler | None:
        handling = HANDLERS.get(message.kind)
        if handling is None or getattr(self._models, handling.model) is None:
            return None
        return handling.load()(
            self._session.session,
            self._models,
            merchant=self._merchant,
            callbacks=self._callbacks,
            registry=self._registry,
            has_token=self._has_token,
        )

    def _message_id(self, message: Message) -> str:
        return f"{self._merchant}:{message.notify_id}"


def _entry(message: Message) -> JournalEntry:
    """Return the journal's entry: with the numbers of a trade or transfer that the content has."""
    content = message.content
    numbers = [
        _number(content, "out_trade_no", "out_biz_no", "external_agreement_no", "out_order_no"),
        _number(content, "trade_no", "order_id", "agreement_no", "auth_no"),
    ]
    payload = mask_credentials(message.params)
    return JournalEntry(numbers[0] or "", numbers[1], message.kind, message.notify_id, payload)


def _number(content: Mapping[str, Any], *names: str) -> str | None:
    found = (content.get(name) for name in names)
    return next(
        (value for value in found if isinstance(value, str) and 0 < len(value) <= _MAX_NUMBER), None
    )
