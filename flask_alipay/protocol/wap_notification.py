"""Verification of the legacy WAP gateway's notifications: XML in a form, signed in a fixed order
with a separate key.

:func:`verify_wap` verifies a notification and returns the fields of its XML document, which
:class:`~flask_alipay.protocol.notification.Notification` converts like those of the other gateways.
The buyer's return is signed by the common rule, see
:func:`~flask_alipay.protocol.notification.verify_form`.
"""

from __future__ import annotations

import re

from ..exceptions import BadNotification, BadSignature
from ..signer import RsaSigner, Signer
from .charsets import encode, parse_form
from .xml import InvalidXml
from .xml import child_values as xml_fields
from .xml import parse as parse_xml

#: The public key of the WAP gateway, which differs from that of ``gateway.do``. Source: the
#: constant with which the Ruby gem ``alipay`` (chloerei) verifies this gateway's notifications.
WAP_PUBLIC_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCQwpCPC4oB+clYNBkKQx3gfyFlUt3cpRr5oErtOypLKh6j1UmTDSpf"
    "sac29h1kC0HIvLmxWbPuoxcsKDlclgRPeWnIxrpSF9k5Fu6SRy3+AOdIKrDOSHQ7VwUsNih2OnPbztMSMplGnQCBa1ie"
    "c2r+38Udmh5Ua2xg6IEfk493VQIDAQAB"
)

# The signed fields, in signing order. Other fields are not signed and are ignored.
_SIGNED = ("service", "v", "sec_id", "notify_data")
_WORD = re.compile(r"[A-Za-z0-9._]{1,64}")


def is_wap_notification(body: bytes) -> bool:
    """Return True for a WAP gateway notification, recognized by its field ``notify_data``.

    :param body: the received bytes.
    """
    return re.search(rb"(?:^|&)notify_data=", body) is not None


def wap_signer(signer: Signer) -> Signer:
    """Return the signer that verifies the WAP gateway's messages.

    :param signer: the configured signer. MD5 is the same on both gateways; with RSA, the WAP
        gateway's published key is trusted as well.
    """
    if not isinstance(signer, RsaSigner):
        return signer
    # Keep the configured type: a merchant with RSA2 must not accept SHA-1.
    return type(signer)(public_key=(*signer.public_keys, WAP_PUBLIC_KEY))


def verify_wap(body: bytes, signer: Signer, charset: str = "utf-8") -> dict[str, str]:
    """Verify a WAP gateway notification and return the fields of its XML document.

    :param body: the received bytes.
    :param signer: see :func:`wap_signer`.
    :param charset: the configured charset; UTF-8, the gateway's charset, and GBK are tried as well.
    :returns: the fields of ``notify_data`` as parameters.
    :raises BadNotification: if the body is not a form, its XML is invalid, or the signed string is
        ambiguous.
    :raises BadSignature: if the signature is missing or does not match.
    """
    unreadable: BadNotification | None = None
    params: dict[str, str] = {}
    for name in dict.fromkeys((charset, "utf-8", "gbk")):
        try:
            params = parse_form(body, name)
        except BadNotification as error:
            unreadable = unreadable or error
        else:
            if signer.verify(_content(params, name), params["sign"]):
                return _notify_data(params["notify_data"])
    if not params and unreadable is not None:
        raise unreadable
    raise BadSignature("its signature does not verify")


def _content(params: dict[str, str], charset: str) -> bytes:
    if not all(params.get(field) for field in (*_SIGNED, "sign")):
        raise BadSignature("it is not signed by the WAP gateway's rule")
    # The fields before the XML must be plain words: the same signed string, split elsewhere, would
    # put other characters into them.
    if not all(_WORD.fullmatch(params[field]) for field in _SIGNED[:3]):
        raise BadNotification("one of its fields could be read as several")
    text = "&".join(f"{field}={params[field]}" for field in _SIGNED)
    return encode(
        text, charset, "replace"
    )  # the declared charset may have characters that this one lacks


def _notify_data(text: str) -> dict[str, str]:
    try:
        root = parse_xml(text)
        params = xml_fields(root, text)
    except InvalidXml as error:
        raise BadNotification(f"its notify_data: {error}") from None
    if root.tag != "notify" or any(len(child) for child in root):
        raise BadNotification("its notify_data is not a flat list of fields")
    return params
