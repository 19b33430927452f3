"""What the older WAP gateway says: XML in a form, signed in a fixed order and with its own key.

:func:`verify_wap` proves a notification and returns the fields of the XML inside, which
:class:`~flask_alipay.protocol.notification.Notification` reads like those of the other gateways.
The buyer's
return is signed by the common rule: :func:`~flask_alipay.protocol.notification.verify`.
"""

from __future__ import annotations

import re

from ..exceptions import BadNotification, BadSignature
from ..signer import RsaSigner, Signer
from .charsets import encode
from .notification import parse
from .xml import InvalidXml
from .xml import child_values as xml_fields
from .xml import parse as parse_xml

#: The public key of the WAP gateway, which is another than that of ``gateway.do``. Source: the
#: constant that the Ruby gem ``alipay`` (chloerei) verifies this gateway's notifications with.
WAP_PUBLIC_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCQwpCPC4oB+clYNBkKQx3gfyFlUt3cpRr5oErtOypLKh6j1UmTDSpf"
    "sac29h1kC0HIvLmxWbPuoxcsKDlclgRPeWnIxrpSF9k5Fu6SRy3+AOdIKrDOSHQ7VwUsNih2OnPbztMSMplGnQCBa1ie"
    "c2r+38Udmh5Ua2xg6IEfk493VQIDAQAB"
)

# In this order, however they come. What else is in the form is not signed, and not read.
_SIGNED = ("service", "v", "sec_id", "notify_data")
_WORD = re.compile(r"[A-Za-z0-9._]{1,64}")


def is_wap_notification(body: bytes) -> bool:
    """Tells whether a body is a notification of the WAP gateway, by the field that none other has.

    :param body: the bytes as they came over the wire.
    """
    return re.search(rb"(?:^|&)notify_data=", body) is not None


def wap_signer(signer: Signer) -> Signer:
    """Returns the signer that verifies what the WAP gateway says.

    :param signer: the configured one. MD5 is the same on both; with RSA the WAP gateway's own
        published key verifies as well.
    """
    if not isinstance(signer, RsaSigner):
        return signer
    # Of the configured kind, and no other: who is set up for RSA2 takes no SHA-1.
    return type(signer)(public_key=(*signer.public_keys, WAP_PUBLIC_KEY))


def verify_wap(body: bytes, signer: Signer, charset: str = "utf-8") -> dict[str, str]:
    """Proves that the WAP gateway signed a notification, and returns the fields inside.

    :param body: the bytes as they came over the wire.
    :param signer: see :func:`wap_signer`.
    :param charset: the configured charset; UTF-8, the gateway's own, and GBK are tried as well.
    :returns: the fields of ``notify_data`` as parameters.
    :raises BadNotification: if it is no form, or no XML in it, or one that could be read otherwise.
    :raises BadSignature: if it is not signed, or not by that key over these words.
    """
    unreadable: BadNotification | None = None
    params: dict[str, str] = {}
    for name in dict.fromkeys((charset, "utf-8", "gbk")):
        try:
            params = parse(body, name)
        except BadNotification as error:
            unreadable = unreadable or error
        else:
            if signer.verify(_content(params, name), params["sign"]):
                return _inside(params["notify_data"])
    if not params and unreadable is not None:
        raise unreadable
    raise BadSignature("its signature does not verify")


def _content(params: dict[str, str], charset: str) -> bytes:
    if not all(params.get(field) for field in (*_SIGNED, "sign")):
        raise BadSignature("it is not signed as the WAP gateway does")
    # What stands before the XML must be words: the same signed string, cut in another place,
    # would have something else in them.
    if not all(_WORD.fullmatch(params[field]) for field in _SIGNED[:3]):
        raise BadNotification("a field of it could be read as several")
    text = "&".join(f"{field}={params[field]}" for field in _SIGNED)
    return encode(text, charset, "replace")  # a declared charset may have characters this lacks


def _inside(text: str) -> dict[str, str]:
    try:
        root = parse_xml(text)
        params = xml_fields(root, text)
    except InvalidXml as error:
        raise BadNotification(f"its notify_data: {error}") from None
    if root.tag != "notify" or any(len(child) for child in root):
        raise BadNotification("its notify_data is no list of fields")
    return params
