"""Notifications that are not about one trade: messages, the probe of their address, and batches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ..exceptions import BadNotification, ConfigurationError, NotConfirmed, WrongAccount
from ..ledger.retention import MAX_REPORT_AGE
from ..models import utc_now
from ..protocol.agreements import SIGN_MESSAGE, UNSIGN_MESSAGE
from ..protocol.conversion import parse_china_time
from ..protocol.log_text import loggable
from ..protocol.message import Message
from ..protocol.notification import check_no_embedded_fields
from ..protocol.preauthorizations import AUTHORIZATION_MESSAGES
from ..protocol.transfers import TRANSFER_MESSAGE
from ..protocol.xml import InvalidXml, parse
from ..signals import transfer_batch_notified
from .settlement import is_for_merchant, send_settlement_signals, send_signal

if TYPE_CHECKING:
    from ..config import Config
    from ..ledger import Settlement
    from ..merchant import Merchant
    from ..protocol.batch_notification import RefundBatchNotification, TransferBatchNotification


# The kinds whose merchant (``auth_app_id``) the ledger compares.
_COMPARED: Final = (SIGN_MESSAGE, UNSIGN_MESSAGE, *AUTHORIZATION_MESSAGES)


def read_message(config: Config, params: Mapping[str, str], *, confirmed: bool) -> Message:
    """Return the message in verified parameters, if it is for this merchant.

    :param confirmed: whether ``notify_verify`` has confirmed them.
    :raises BadNotification: if it is not a message, or cannot be read.
    :raises WrongAccount: if it is for another application.
    """
    cipher = getattr(config.gateway, "cipher", None)
    message = Message.from_params(params, None if cipher is None else cipher.decrypt)
    if not is_for_merchant(config, params, confirmed=confirmed):
        raise WrongAccount(
            "it is for another merchant's application", notify_id=loggable(message.notify_id)
        )
    return message


def check_age(sent_at: datetime | None, notify_id: str | None) -> None:
    """Check that the journal would still know a report if it had been processed before.

    Only its row tells that a message or the result of a batch is a duplicate. The signature never
    expires, and ``prune`` deletes old rows: an attacker could keep a report, or a retry of it with
    a later time, and deliver it after that. All forms have a time, which the signature covers.

    :param sent_at: the time of the report.
    :param notify_id: Alipay's number of the report.
    :raises NotConfirmed: if it was sent before :data:`MAX_REPORT_AGE
        <flask_alipay.ledger.retention.MAX_REPORT_AGE>`, or has no time that can be read.
    """
    notify_id = loggable(notify_id)
    if sent_at is None:
        raise NotConfirmed("it has no time that can be read", notify_id=notify_id)
    if utc_now() - sent_at > MAX_REPORT_AGE:
        days = MAX_REPORT_AGE.days
        raise NotConfirmed(f"it was sent more than {days} days ago", notify_id=notify_id)


def receive_message(merchant: Merchant, message: Message) -> Settlement:
    """Process a message once; query the transfer first if it reports that one failed, or if it may
    be about another merchant's.

    :raises BadNotification: if a field of a message about a transfer is missing or invalid.
    :raises ConfirmationUnknown: if the query gives no certain result.
    :raises NotificationRefused: as :meth:`MessageLedger.receive
        <flask_alipay.ledger.messages.MessageLedger.receive>` does.
    """
    own = is_own(merchant.config, message)
    if (
        own is not False
        and message.kind == TRANSFER_MESSAGE
        and merchant.models.Transfer is not None
    ):
        from .transfers import confirm_message

        message = confirm_message(merchant, message, own=bool(own))
    if message.kind in AUTHORIZATION_MESSAGES and merchant.models.Authorization is not None:
        from .captures import confirm_message as confirm_freeze

        if not confirm_freeze(merchant, message):
            return merchant.messages().receive(message, own=False)
    return merchant.messages().receive(message, own=concerns(merchant.config, message))


def concerns(config: Config, message: Message) -> bool:
    """Return whether the ledger may change because of a message: it may be about this merchant's
    objects, or names the merchant, which the ledger compares with the object's.
    """
    return message.kind in _COMPARED or is_own(config, message) is not False


def is_own(config: Config, message: Message) -> bool | None:
    """Return whether a message is about this merchant's objects: the application gateway of a
    third-party application receives the messages of all its merchants.

    :returns: ``None`` if that is unknown: messages of version 1.1 do not name the merchant.
    """
    named = message.auth_app_id
    if config.auth_app_id is not None:
        return None if named is None else named == config.auth_app_id
    if config.has_app_auth_token:
        return None
    return named in (None, config.merchant)


def gateway_check_response(config: Config, params: Mapping[str, str]) -> bytes:
    """Return the response to the probe with which the console activates an application gateway.

    It contains the application's public key, and is signed over the text between the tags of
    ``response``. Source: the sample code of Alipay's PHP SDK of version 2.

    :param params: the verified parameters of the probe.
    :raises BadNotification: if its content cannot be read.
    :raises WrongAccount: if it is for another application.
    """
    from ..keys import key_to_base64  # the probe is sent once

    try:
        app_id = parse(params.get("biz_content", "")).findtext("AppId")
    except InvalidXml as error:
        raise BadNotification(f"the content of the probe: {error}") from None
    if app_id is not None and app_id.strip() != config.merchant:
        raise WrongAccount("it is for another merchant's application")
    public_key = getattr(config.signer, "own_public_key", None)
    if public_key is None:
        raise ConfigurationError("a private key is needed to sign", "PRIVATE_KEY")
    content = f"<success>true</success><biz_content>{key_to_base64(public_key)}</biz_content>"
    sign, sign_type = config.signer.sign(content.encode("ascii")), config.signer.sign_type
    return (
        '<?xml version="1.0" encoding="GBK"?>'
        f"<alipay><response>{content}</response>"
        f"<sign>{sign}</sign><sign_type>{sign_type}</sign_type></alipay>"
    ).encode("ascii")


def receive_batch(
    merchant: Merchant, params: Mapping[str, str]
) -> RefundBatchNotification | TransferBatchNotification:
    """Settle the results of a batch of refunds, or record those of transfers; send the signals.

    Some results may be settled before another one is rejected.

    :param params: the verified parameters; with ``notify_verify``, confirmed.
    :returns: the batch.
    :raises NotificationRefused: if the notification or a result is rejected.
    """
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
        for settlement in ledger.settle_refunds(refunds):
            send_settlement_signals(merchant, settlement)
        return refunds
    transfers = TransferBatchNotification.from_params(params)
    if ledger.record_transfers(transfers):
        send_signal(merchant, transfer_batch_notified, batch=transfers)
    return transfers
