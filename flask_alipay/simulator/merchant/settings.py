"""Settings with which an app becomes the simulator's merchant."""

from __future__ import annotations

from typing import Any, Final

from ...exceptions import ConfigurationError, InvalidParameter
from ...keys import private_pem, public_pem
from ...protocol.charsets import canonical_charset
from .merchant import SimulatedMerchant

#: The sign types of each protocol, the default one first.
SIGN_TYPES: Final = {"openapi": ("RSA2", "RSA"), "mapi": ("MD5", "RSA", "RSA2")}


def check_merchant(protocol: str, charset: str, sign_type: str | None) -> None:
    """Check the settings of a simulated merchant.

    :raises ConfigurationError: if the protocol, its sign type or the charset does not exist.
    """
    if protocol not in SIGN_TYPES:
        raise ConfigurationError('the protocol must be "openapi" or "mapi"', "PROTOCOL")
    if sign_type is not None and sign_type not in SIGN_TYPES[protocol]:
        choices = ", ".join(SIGN_TYPES[protocol])
        raise ConfigurationError(f"the sign type must be one of {choices}", "SIGN_TYPE")
    try:
        canonical_charset(charset)
    except InvalidParameter as error:
        raise ConfigurationError(str(error), "INPUT_CHARSET") from None


def merchant_settings(
    merchant: SimulatedMerchant,
    protocol: str,
    charset: str,
    sign_type: str,
    *,
    certificates: bool,
    encrypted: bool,
) -> dict[str, Any]:
    """Return the settings of a merchant, without prefix and without URLs.

    :param certificates: whether it is in certificate mode.
    :param encrypted: whether it encrypts content.
    """
    settings: dict[str, Any] = {
        "PROTOCOL": protocol,
    }
    if not merchant.third_party:
        settings["SELLER_ID"] = merchant.partner
    if protocol == "openapi":
        settings["APP_ID"] = merchant.app_id
        if encrypted:
            settings["AES_KEY"] = merchant.aes_key
    else:
        settings["PARTNER"] = merchant.partner
        settings["SELLER_EMAIL"] = merchant.seller_email
    if sign_type != "MD5":
        settings["PRIVATE_KEY"] = private_pem(merchant.private_key)
        if certificates:
            settings["APP_CERT"] = merchant.certificates.app
            settings["PUBLIC_CERT"] = merchant.certificates.alipay
            settings["ROOT_CERT"] = merchant.certificates.root
        else:
            settings["PUBLIC_KEY"] = public_pem(merchant.alipay_private_key.public_key())
    else:
        settings["KEY"] = merchant.md5_key
    if protocol == "mapi" or sign_type != "RSA2":
        settings["SIGN_TYPE"] = sign_type
    if protocol == "mapi" or charset != "utf-8":
        settings["INPUT_CHARSET"] = charset
    return settings
