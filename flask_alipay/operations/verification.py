"""Verification of notifications: the signature, Alipay's confirmation, and the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..exceptions import ConfirmationUnknown, NotConfirmed, OutcomeUnknown, WrongAccount
from ..protocol.notification import Notification, verify_form

if TYPE_CHECKING:
    from ..config import Config


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


def confirm_notify_id(config: Config, notify_id: str | None) -> None:
    """Confirm with Alipay that it sent a notification: the second check, after the signature.

    :raises NotConfirmed: if Alipay did not send it.
    :raises ConfirmationUnknown: if Alipay does not respond in time.
    """
    from ..gateways.mapi import MapiGateway  # already imported on the legacy gateway

    if not notify_id:
        raise NotConfirmed("it has no notify_id to confirm")
    assert isinstance(config.gateway, MapiGateway)  # noqa: S101 - the open platform has none
    try:
        confirmed = config.gateway.notify_verify(notify_id)
    except OutcomeUnknown as error:
        raise ConfirmationUnknown(f"notify_verify: {error}", notify_id=notify_id) from None
    if not confirmed:
        raise NotConfirmed("notify_verify did not confirm it", notify_id=notify_id)


def is_for_merchant(config: Config, params: Mapping[str, str], *, confirmed: bool) -> bool:
    """Return whether correctly signed parameters, of a notification or a return, are about this
    merchant.

    :param confirmed: whether ``notify_verify`` has confirmed them.
    """
    seller_id, seller_email = params.get("seller_id"), params.get("seller_email")
    if config.protocol == "openapi":
        is_seller = not (config.seller_id and seller_id) or seller_id == config.seller_id
        return params.get("app_id") == config.merchant and is_seller
    if not seller_id and not seller_email:
        return confirmed or config.signer.sign_type == "MD5"
    if seller_id in (config.merchant, config.seller_id) and seller_id:
        return True
    # The e-mail address identifies the seller only if no account number is configured.
    expected = config.seller_email if config.seller_id is None else None
    return bool(expected and seller_email) and str(expected).lower() == str(seller_email).lower()


def read_notification(config: Config, params: Mapping[str, str]) -> Notification:
    """Return a verified notification with types, if it is about this merchant's account.

    On the open platform it must name the merchant's application. The legacy gateway's RSA key signs
    for all merchants: the notification must name the merchant as the seller or, if it names none
    (cross-border ones do not), the MD5 key or ``notify_verify`` must have proven the merchant.

    :param params: the result of :func:`verify_notification`; with ``notify_verify``, confirmed.
    :raises BadNotification: if the parameters do not describe a trade.
    :raises WrongAccount: if it is about another account.
    """
    notification = Notification.from_params(params, config.protocol)
    if not is_for_merchant(config, params, confirmed=config.notify_verify):
        raise WrongAccount(
            "it is about another merchant's account",
            out_trade_no=notification.out_trade_no,
            notify_id=notification.notify_id,
        )
    return notification
