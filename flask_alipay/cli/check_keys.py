"""Diagnosis by ``doctor``: type, strength, match and expiry of keys and certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..exceptions import ConfigurationError, KeyFormatError
from ..keys import (
    MIN_RSA_BITS,
    alipay_cert_sn,
    describe_key,
    load_certificates,
    load_private_key,
    load_public_key,
    public_key_der,
    root_certificate_sn,
)
from ..models import utc_now
from ..settings import ConfigReader
from ..signer import MIN_MD5_CHARACTERS
from .errors import sentence
from .findings import FAIL, OK, WARN, Finding
from .i18n import _
from .output import display_time

_MD5_KEY = re.compile(r"[0-9a-z]{32}")
_EXPIRES_SOON = timedelta(days=30)
_MIN_BITS = 2048


def check_keys(settings: ConfigReader, protocol: str | None) -> Iterator[Finding]:
    """Check all keys and certificates that are set.

    :param settings: the merchant's settings.
    :param protocol: ``mapi`` or ``openapi``; ``None`` if it is unknown.
    :return: the findings.
    """
    if settings.is_set("KEY"):
        yield _md5_key(settings, protocol)
    private: list[rsa.RSAPrivateKey] = []
    yield from _private_keys(settings, private)
    own_key = public_key_der(private[0].public_key()) if private else None
    unset = not settings.is_set("PRIVATE_KEY") and not settings.is_set("PRIVATE_KEY_PATH")
    if protocol == "openapi" and unset:
        yield Finding(
            "private_key",
            FAIL,
            _("The private key is not set."),
            _("Requests are signed with the private key."),
            _("Generate one with 'keygen' and set {key}.").format(
                key=settings.key("PRIVATE_KEY_PATH")
            ),
        )
    for name in ("PUBLIC_KEY", "PUBLIC_CERT", "APP_CERT"):
        for setting, material in _materials(settings, name):
            if isinstance(material, Finding):
                yield material
            else:
                yield from _public(settings.key(setting), name, material, own_key)
    for setting, material in _materials(settings, "ROOT_CERT"):
        yield material if isinstance(material, Finding) else _root(settings.key(setting), material)


def _md5_key(settings: ConfigReader, protocol: str | None) -> Finding:
    value = settings.text("KEY") or ""
    too_short = protocol == "mapi" and len(value) < MIN_MD5_CHARACTERS
    if _MD5_KEY.fullmatch(value):
        return Finding("md5_key", OK, _("The MD5 key has the right format."))
    return Finding(
        "md5_key",
        FAIL if too_short else WARN,
        _("{key} does not have the format of an MD5 key.").format(key=settings.key("KEY")),
        _("It has {count} characters; an MD5 key has 32 lowercase letters and digits.").format(
            count=len(value)
        ),
        _("Copy the MD5 key again from Alipay's console (安全校验码), without surrounding spaces."),
    )


def _materials(settings: ConfigReader, name: str) -> list[tuple[str, Any]]:
    try:
        return list(settings.key_material(name))
    except ConfigurationError as error:
        text = _("Check the path and this user's permission to read it.")
        return [(name, Finding(name.lower(), FAIL, sentence(error), fix=text))]


def _private_keys(settings: ConfigReader, found: list[rsa.RSAPrivateKey]) -> Iterator[Finding]:
    for setting, material in _materials(settings, "PRIVATE_KEY"):
        if isinstance(material, Finding):
            yield material
            continue
        names = {"key": settings.key(setting), "what": describe_key(material)}
        try:
            found.append(load_private_key(material))
        except KeyFormatError:
            yield Finding(
                "private_key",
                FAIL,
                _("{key} is not a private key: {what}.").format(**names),
                _("Requests are signed with the private key."),
                _("Set the application's private key (应用私钥), complete and unaltered."),
            )
            continue
        yield _strong("private_key", found[-1].public_key(), names)
    yield from _file_mode(settings)


def _file_mode(settings: ConfigReader) -> Iterator[Finding]:
    path = settings.text("PRIVATE_KEY_PATH") if _is_text(settings, "PRIVATE_KEY_PATH") else None
    try:
        mode = Path(path).stat().st_mode if path else 0
    except OSError:
        return
    if mode & 0o077:
        yield Finding(
            "private_key_file",
            WARN,
            _("Other users of this machine can read the private key (mode {mode}).").format(
                mode=f"{mode & 0o777:04o}"
            ),
            _("Anyone who has the key can send requests to Alipay in the merchant's name."),
            f"chmod 600 {path}",
        )


def _is_text(settings: ConfigReader, name: str) -> bool:
    try:
        return settings.text(name) is not None
    except ConfigurationError:
        return False


def _strong(check: str, key: rsa.RSAPublicKey, names: dict[str, str]) -> Finding:
    if key.key_size >= _MIN_BITS:
        return Finding(check, OK, _("{key} is {what}.").format(**names))
    return Finding(
        check,
        WARN if key.key_size >= MIN_RSA_BITS else FAIL,
        _("{key} is {what}.").format(**names),
        _("RSA2 requires 2048 bits."),
        _(
            "Generate a longer key pair with 'keygen' and upload its public key to Alipay's "
            "console."
        ),
    )


def _public(key: str, name: str, material: str | bytes, own_key: bytes | None) -> Iterator[Finding]:
    check, names = name.lower(), {"key": key, "what": describe_key(material)}
    try:
        public = load_public_key(material)
    except KeyFormatError:
        yield Finding(
            check,
            FAIL,
            _("{key} is not a public key: {what}.").format(**names),
            _("Notifications and responses are verified with Alipay's public key."),
            _("Copy the complete Alipay public key (支付宝公钥) again from the console."),
        )
        return
    if name == "APP_CERT":
        yield _pair(names, public, own_key)
    elif public_key_der(public) == own_key:
        yield Finding(
            check,
            FAIL,
            _("{key} is the application's public key, not Alipay's.").format(**names),
            _("Notifications and responses cannot be verified with it."),
            _("Set the key that Alipay's console shows as 支付宝公钥, not 应用公钥."),
        )
    else:
        yield _strong(check, public, names)
    if name != "PUBLIC_KEY":
        yield from _dates(check, key, material)


def _pair(names: dict[str, str], public: rsa.RSAPublicKey, own_key: bytes | None) -> Finding:
    if own_key is None or public_key_der(public) == own_key:
        return Finding("app_cert", OK, _("{key} is {what}.").format(**names))
    return Finding(
        "app_cert",
        FAIL,
        _("{key} does not match the private key.").format(**names),
        _("Alipay verifies requests with the key in this certificate."),
        _(
            "Set the private key that the certificate was requested with, or request a new "
            "certificate."
        ),
    )


def _dates(check: str, key: str, material: str | bytes) -> Iterator[Finding]:
    certificates = load_certificates(material)
    if not certificates:
        what = _("{key} is a public key, not a certificate.").format(key=key)
        fix = _("Set the certificate downloaded from Alipay's console (.crt).")
        yield Finding(check, FAIL, what, fix=fix)
        return
    yield _date(check, key, certificates[0])


def _date(check: str, key: str, certificate: x509.Certificate) -> Finding:
    ends = certificate.not_valid_after_utc
    names = {"key": key, "date": display_time(ends)[:10], "sn": alipay_cert_sn(certificate)}
    if ends > utc_now() + _EXPIRES_SOON:
        return Finding(check, OK, _("{key} is valid until {date}; its SN is {sn}.").format(**names))
    expired = ends < utc_now()
    text = _("{key} expired on {date}.") if expired else _("{key} expires on {date}.")
    return Finding(
        check,
        FAIL if expired else WARN,
        text.format(**names),
        _("An expired certificate is rejected."),
        _("Download the new one from Alipay's console."),
    )


def _root(key: str, material: str | bytes) -> Finding:
    try:
        sn = root_certificate_sn(material)
    except KeyFormatError as error:
        fix = _("Download alipayRootCert.crt from Alipay's console.")
        return Finding("root_cert", FAIL, f"{key}: {sentence(error)}", fix=fix)
    text = _("{key} contains {count} valid root certificates of Alipay.")
    return Finding("root_cert", OK, text.format(key=key, count=sn.count("_") + 1))
