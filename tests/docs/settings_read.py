"""Record the settings that the package reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from flask_alipay.blueprint.simulator_settings import simulator_enabled
from flask_alipay.config import Config
from flask_alipay.keys import private_pem, public_pem
from flask_alipay.settings import ConfigReader

from ..conftest import Keys


class Watched(Mapping[str, Any]):
    """A mapping that records the requested keys."""

    def __init__(self, values: Mapping[str, Any], requested: set[str]) -> None:
        self._values = values
        self._requested = requested

    def __getitem__(self, key: str) -> Any:
        self._requested.add(key.removeprefix("ALIPAY_"))
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def settings_read(keys: Keys) -> set[str]:
    """Return the names, without prefix, of the settings that are read for :func:`merchants`."""
    requested: set[str] = set()
    for merchant in merchants(keys):
        values = {f"ALIPAY_{name}": value for name, value in merchant.items()}
        Config.from_mapping(Watched(values, requested))
    simulator_enabled(ConfigReader(Watched({"ALIPAY_SIMULATOR": True}, requested), "ALIPAY"))
    return requested


def merchants(keys: Keys) -> Iterator[dict[str, Any]]:
    """Yield the settings of one merchant of each kind."""
    private, public = private_pem(keys.merchant), public_pem(keys.alipay.public_key())
    rsa = {"PRIVATE_KEY": private, "PUBLIC_KEY": public}
    yield {"PARTNER": "2088000000000001", "KEY": "Change this!"}
    yield {"PARTNER": "2088000000000001", "SIGN_TYPE": "RSA2", **rsa}
    yield {"APP_ID": "2021000000000000", "AES_KEY": "aa4BtZ4tspm2wnXLb1ThQA==", **rsa}
    certificates = {
        "APP_CERT": certificate(keys.merchant),
        "PUBLIC_CERT": certificate(keys.alipay),
        "ROOT_CERT": certificate(keys.alipay),
    }
    yield {"APP_ID": "2021000000000000", "PRIVATE_KEY": private, **certificates}


def certificate(key: RSAPrivateKey) -> str:
    """Return a self-signed certificate of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tea.invalid")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    return signed.public_bytes(Encoding.PEM).decode("ascii")
