"""Verification of the signed query with which a buyer returns from Alipay.

Routers, mail services and analytics add their own parameters, and stray bytes may follow the last
value. None of these must keep a buyer from the result page.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from ..exceptions import BadNotification, BadSignature
from ..protocol.charsets import percent_decode
from ..protocol.notification import verify_form
from ..signer import Signer

if TYPE_CHECKING:
    from ..config import Config

# Complete base64 with padding, then nothing, or a byte outside base64 and the rest.
_SIGN = re.compile(
    rb"((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)(?:[^\w+/=].*)?", re.DOTALL
)


def verify_return(
    query: bytes, signer: Signer, charset: str, names: Collection[str]
) -> dict[str, str]:
    """Verify the query of a return with all its parameters or, if that fails, without those that
    Alipay does not send.

    :param query: the raw query string.
    :param signer: the configured signer.
    :param charset: the configured charset.
    :param names: the parameters of Alipay's returns.
    :returns: the parameters that the signature covers.
    :raises BadNotification: if it is no form.
    :raises BadSignature: if the remaining parameters are not signed with the configured key.
    """
    try:
        return verify_form(query, signer, charset).signed
    except (BadNotification, BadSignature) as error:
        cleaned = without_foreign(query, names)
        if cleaned == query:
            raise
        try:
            return verify_form(cleaned, signer, charset).signed
        except (BadNotification, BadSignature):
            raise error from None


def without_foreign(query: bytes, names: Collection[str]) -> bytes:
    """Remove parts that Alipay's returns do not have: other names, empty fields, and bytes after a
    complete signature that are not base64. ``sign_type`` is removed as well: it is never signed.

    :param query: the raw query string.
    :param names: the parameters of Alipay's returns.
    """
    kept = []
    for field in query.split(b"&"):
        name, equals, value = field.partition(b"=")
        known = percent_decode(name).decode("latin-1")
        if not equals or known not in names or known == "sign_type":
            continue
        kept.append(b"sign=" + _without_stray_bytes(value) if known == "sign" else field)
    return b"&".join(kept)


def _without_stray_bytes(sign: bytes) -> bytes:
    found = _SIGN.fullmatch(percent_decode(sign))
    return sign if found is None else found[1].replace(b"+", b"%2B")


def return_signer(config: Config, query: bytes) -> Signer:
    """Return the signer of a return: the older WAP gateway has another key."""
    if config.protocol == "mapi" and b"request_token=" in query:
        from ..protocol.wap_notification import wap_signer

        return wap_signer(config.signer)
    return config.signer
