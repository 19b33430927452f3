"""The merchant's keys and certificates as files, which an SDK in any language can load.

Alipay's private key is stored beside them, so that the same directory is the same merchant again.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from ...exceptions import AlipayError, ConfigurationError
from ...keys import load_private_key, private_pem, public_pem
from .merchant import SimulatedMerchant

APP_PRIVATE_KEY: Final = "app_private_key.pem"
ALIPAY_PRIVATE_KEY: Final = "alipay_private_key.pem"
MERCHANT: Final = "merchant.json"

# Names in the file with the settings.
_GATEWAY_URLS: Final = {"openapi": "gateway_url", "mapi": "mapi_gateway_url"}

# Attributes of the merchant: the kind of its application.
_KINDS: Final = ("open_id", "third_party")

# Without these there is no merchant to go on with.
_KEPT: Final = (APP_PRIVATE_KEY, ALIPAY_PRIVATE_KEY, MERCHANT)


def read_merchant(folder: Path) -> SimulatedMerchant | None:
    """Load the merchant of a directory, ``None`` if it has none.

    :raises ConfigurationError: names the file that is missing beside the others or is broken.
    """
    there = [name for name in _KEPT if (folder / name).exists()]
    if not there:
        return None
    for name in _KEPT:
        if name not in there:
            raise ConfigurationError(
                f"the file {name} is missing beside {there[0]}: delete both", "KEYS"
            )
    md5_key, kind = _about(folder / MERCHANT)
    return SimulatedMerchant(
        _private_key(folder / APP_PRIVATE_KEY),
        _private_key(folder / ALIPAY_PRIVATE_KEY),
        md5_key,
    ).of_kind(**kind)


def read_gateway_url(folder: Path, protocol: str) -> str:
    """Return the gateway's URL from a directory that has a merchant.

    :param protocol: ``openapi`` or ``mapi``.
    :raises ConfigurationError: if the file with the settings is broken.
    """
    file = folder / MERCHANT
    try:
        url = json.loads(file.read_text("utf-8"))[_GATEWAY_URLS[protocol]]
    except (OSError, ValueError, KeyError, TypeError):
        raise _broken(file) from None
    if not isinstance(url, str):
        raise _broken(file)
    return url


def write_merchant(
    folder: Path, merchant: SimulatedMerchant, *, gateway_url: str, mapi_gateway_url: str
) -> None:
    """Write all of a merchant's files atomically, readable by this user only.

    :param folder: is made if it is not there.
    :param gateway_url: the open platform's gateway, as the merchant reaches it.
    :param mapi_gateway_url: the legacy gateway, likewise.
    :raises OSError: if a file cannot be written.
    """
    certificates = merchant.certificates
    about = {
        "app_id": merchant.app_id,
        "partner": merchant.partner,
        "seller_id": merchant.partner,
        "seller_email": merchant.seller_email,
        "key": merchant.md5_key,
        "aes_key": merchant.aes_key,
        # All values are text, for programs that read the file into a map of strings.
        "kind": " ".join(name for name in _KINDS if getattr(merchant, name)),
        "buyer_id": merchant.buyer_id,
        "buyer_open_id": merchant.buyer_open_id,
        "gateway_url": gateway_url,
        "mapi_gateway_url": mapi_gateway_url,
    }
    texts = {
        "app_private_key_pkcs1.pem": private_pem(merchant.private_key, pkcs1=True),
        "app_public_key.pem": public_pem(merchant.private_key.public_key()),
        "alipay_public_key.pem": public_pem(merchant.alipay_private_key.public_key()),
        "app_cert.crt": certificates.app,
        "alipay_cert.crt": certificates.alipay,
        "alipay_root_cert.crt": certificates.root,
        APP_PRIVATE_KEY: private_pem(merchant.private_key),
        ALIPAY_PRIVATE_KEY: private_pem(merchant.alipay_private_key),
        MERCHANT: json.dumps(about, indent=2) + "\n",
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in texts.items():
        _write(folder / name, text)


def _private_key(file: Path) -> rsa.RSAPrivateKey:
    try:
        return load_private_key(file.read_bytes())
    except (OSError, AlipayError) as error:
        raise _broken(file, str(error) if isinstance(error, AlipayError) else "") from None


def _about(file: Path) -> tuple[str, dict[str, bool]]:
    """Return the MD5 key, and the kind of the application."""
    try:
        about = json.loads(file.read_text("utf-8"))
        key, kinds = about["key"], about.get("kind", "").split()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _broken(file) from None
    if not isinstance(key, str) or not key or not set(kinds) <= set(_KINDS):
        raise _broken(file)
    return key, {name: name in kinds for name in _KINDS}


def _broken(file: Path, why: str = "") -> ConfigurationError:
    reason = f" ({why})" if why else ""
    return ConfigurationError(
        f"the file {file.name} cannot be read{reason}: fix or delete it", "KEYS"
    )


def _write(file: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
