"""What happens when Alipay calls: the way of one notification, step by step.

Raw body → parsed and verified → confirmed by ``notify_verify`` (legacy gateway) → read into types →
our account → the ledger. Every refusal is one named exception, caught in one place.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from flask import Response, request
from werkzeug.exceptions import HTTPException

from ..exceptions import (
    BadNotification,
    BodyTooLarge,
    ConfirmationUnknown,
    NotConfirmed,
    NotificationRefused,
    OutcomeUnknown,
    WrongAccount,
)
from ..operations.alerts import alert_about_rejection
from ..operations.dispatch import send_settlement_signals, send_signal
from ..operations.verification import settle_report
from ..protocol.notification import Notification, check_no_embedded_fields, loggable, verify_form
from ..signals import notification_refused, transfer_batch_notified
from .log_lines import log, log_rejected, log_settled
from .probe import Probe, probe_in
from .rejected import keep

if TYPE_CHECKING:
    from ..config import Config
    from ..ledger import Settlement
    from .blueprint import AlipayBlueprint

#: Far more than any notification of a trade has.
MAX_BODY = 64 * 1024
#: The result of a batch has up to a thousand entries.
MAX_BATCH_BODY = 512 * 1024

_BATCHES = ("batch_refund_notify", "batch_trans_notify")
_BATCH = re.compile(rb"(?:^|&)(?:result|success|fail)_details=")


class NotifyView:
    """The route that Alipay calls.

    :param alipay: the blueprint.
    """

    def __init__(self, alipay: AlipayBlueprint) -> None:
        self._alipay = alipay

    def notify(self) -> Response:
        """Answers a notification: ``success`` once it is committed, ``fail`` otherwise."""
        config, body = self._alipay.config, b""
        probe = probe_in(request.environ)
        if probe is not None:
            return _respond_to_probe(probe)
        try:
            body = read_body(batches=config.protocol == "mapi")
            for settlement in self._receive(body):
                send_settlement_signals(self._alipay, settlement)
        except NotificationRefused as error:
            log_rejected(error, body, config.merchant)
            if config.rejected_path is not None:
                keep(config.rejected_path, error, body)
            send_signal(self._alipay, notification_refused, error=error)
            alert_about_rejection(self._alipay, error)
            return _respond("fail", error.status)
        return _respond("success", 200)

    def _receive(self, body: bytes) -> Iterator[Settlement]:
        """What came of it, as it is committed: of a batch some may be, and some refused."""
        config = self._alipay.config
        params = verify_notification(config, body)
        if config.notify_verify:
            confirm_notify_id(config, params.get("notify_id"))
        if config.protocol == "mapi" and params.get("notify_type") in _BATCHES:
            yield from self._receive_batch(config, params)
            return
        notification = Notification.from_params(params, config.protocol)
        check_account(config, notification)
        for report, settlement in settle_report(self._alipay, notification):
            log_settled(settlement.outcome, report, config.merchant)
            yield settlement

    def _receive_batch(self, config: Config, params: Mapping[str, str]) -> Iterator[Settlement]:
        """The results of refunds and transfers, which name no order."""
        from ..protocol.batch_notification import (  # the legacy gateway's alone
            REFUNDS,
            RefundBatchNotification,
            TransferBatchNotification,
        )

        check_no_embedded_fields(params)
        if not is_for_merchant(config, params, confirmed=config.notify_verify):
            raise WrongAccount("it names no seller, and its key signs for every merchant")
        ledger = self._alipay.ledger()
        if params["notify_type"] == REFUNDS:
            refunds = RefundBatchNotification.from_params(params)
            yield from ledger.settle_refunds(refunds)
            number = loggable(refunds.batch_no)
            log(logging.INFO, "refunds of batch %s: %d told", number, len(refunds.results))
            return
        transfers = TransferBatchNotification.from_params(params)
        if ledger.record_transfers(transfers):
            send_signal(self._alipay, transfer_batch_notified, batch=transfers)
        number, told = loggable(transfers.batch_no), len(transfers.results)
        log(logging.INFO, "transfers of batch %s: %d told", number, told)


def verify_notification(config: Config, body: bytes) -> dict[str, str]:
    """Return the parameters that Alipay's signature covers, and the signature.

    :raises BadNotification: if it cannot be read.
    :raises BadSignature: if it is not signed, or not by the configured key.
    """
    if config.protocol == "mapi":
        from ..protocol.wap_notification import is_wap_notification, verify_wap, wap_signer

        if is_wap_notification(body):
            return verify_wap(body, wap_signer(config.signer), config.charset)
    return verify_form(body, config.signer, config.charset).signed


def read_body(*, batches: bool) -> bytes:
    """Return the raw body of the current request, if it is a form of reasonable size.

    :param batches: whether it may be the result of a batch, which only the legacy gateway has.
    :raises BadNotification: otherwise.
    """
    sent_as = (request.content_type or "").partition(";")[0].strip().lower()
    if sent_as not in ("application/x-www-form-urlencoded", ""):
        raise BadNotification("it is not a form")
    if (request.content_length or 0) > (MAX_BATCH_BODY if batches else MAX_BODY):
        raise BodyTooLarge("it is larger than any notification")
    try:
        # get_data finds what something before us in the app has read, and does not stop by itself.
        body = _read(request.stream, MAX_BODY + 1) or request.get_data()
        if len(body) == MAX_BODY + 1 and batches and _BATCH.search(body):
            body += _read(request.stream, MAX_BATCH_BODY - MAX_BODY)
    except HTTPException as error:
        raise BadNotification(f"its body cannot be read ({error.name})") from None
    most = MAX_BATCH_BODY if batches and _BATCH.search(body) else MAX_BODY
    if len(body) > most:
        raise BodyTooLarge("it is larger than any notification")
    if not body and request.content_length:
        raise BadNotification("something in the app has read the form before (a before_request?)")
    return body


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Reads a stream that may hand out less at a time than it is asked for, and has no end."""
    pieces = []
    while limit > 0 and (piece := stream.read(limit)):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def confirm_notify_id(config: Config, notify_id: str | None) -> None:
    """Asks Alipay whether it sent this: the second check, after the signature.

    :raises NotConfirmed: if it did not, or does not answer in time.
    """
    from ..gateways.mapi import MapiGateway  # here already, wherever there is anything to confirm

    if not notify_id:
        raise NotConfirmed("it has no notify_id to ask Alipay about")
    assert isinstance(config.gateway, MapiGateway)  # noqa: S101 - the open platform has none
    try:
        confirmed = config.gateway.notify_verify(notify_id)
    except OutcomeUnknown as error:
        raise ConfirmationUnknown(f"notify_verify: {error}", notify_id=notify_id) from None
    if not confirmed:
        raise NotConfirmed("notify_verify: Alipay does not own up to it", notify_id=notify_id)


def check_account(config: Config, notification: Notification) -> None:
    """Checks that a well-signed notification is about this merchant's money.

    On the open platform the application must be ours. The legacy gateway's RSA key signs for all
    merchants: the seller must be ours, and where the payload names none (cross-border ones do not),
    the MD5 key or ``notify_verify`` must have shown that it is.

    :raises WrongAccount: otherwise.
    """
    if not is_for_merchant(config, notification.params, confirmed=config.notify_verify):
        raise WrongAccount(
            "it is about somebody else's account",
            out_trade_no=notification.out_trade_no,
            notify_id=notification.notify_id,
        )


def is_for_merchant(config: Config, params: Mapping[str, str], *, confirmed: bool) -> bool:
    """Tells whether well-signed parameters, of a notification or a return, are about this merchant.

    :param confirmed: whether ``notify_verify`` has shown that they are.
    """
    seller_id, seller_email = params.get("seller_id"), params.get("seller_email")
    if config.protocol == "openapi":
        of_seller = not (config.seller_id and seller_id) or seller_id == config.seller_id
        return params.get("app_id") == config.merchant and of_seller
    if not seller_id and not seller_email:
        return confirmed or config.signer.sign_type == "MD5"
    if seller_id in (config.merchant, config.seller_id) and seller_id:
        return True
    # The e-mail tells whose money it is only where no account number is configured.
    ours = config.seller_email if config.seller_id is None else None
    return bool(ours and seller_email) and str(ours).lower() == str(seller_email).lower()


def _respond_to_probe(probe: Probe) -> Response:
    """Note that the route was reached, and with what; nothing is verified or recorded."""
    probe.endpoint = request.endpoint
    with suppress(NotificationRefused):
        probe.received = read_body(batches=False)
    return _respond("fail", 400)


def _respond(word: str, status: int) -> Response:
    return Response(word, status, content_type="text/plain; charset=utf-8")
