"""Checks of ``doctor`` on keys and certificates: type, strength, match and expiry."""

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
            _("There is no private key."),
            _("Requests are signed with it."),
            _("Make one with 'keygen' and set {key}.").format(key=settings.key("PRIVATE_KEY_PATH")),
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
        return Finding("md5_key", OK, _("The MD5 key looks like one."))
    return Finding(
        "md5_key",
        FAIL if too_short else WARN,
        _("{key} does not look like an MD5 key.").format(key=settings.key("KEY")),
        _("It has {count} characters; Alipay's have 32, small letters and digits.").format(
            count=len(value)
        ),
        _("Copy it again from Alipay's console (安全校验码), without spaces around it."),
    )


def _materials(settings: ConfigReader, name: str) -> list[tuple[str, Any]]:
    try:
        return list(settings.key_material(name))
    except ConfigurationError as error:
        text = _("Is the path right, and may this user read it?")
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
                _("Requests are signed with it."),
                _("Set your application's private key (应用私钥), whole and unaltered."),
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
            _("Others on this machine can read the private key (mode {mode}).").format(
                mode=f"{mode & 0o777:04o}"
            ),
            _("Whoever has it can ask Alipay for anything in your name."),
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
        _("Alipay wants 2048 bits for RSA2."),
        _("Make a longer pair with 'keygen' and give Alipay its public half."),
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
            _("What Alipay sends is verified with it."),
            _("Copy Alipay's public key (支付宝公钥) from its console once more, whole."),
        )
        return
    if name == "APP_CERT":
        yield _pair(names, public, own_key)
    elif public_key_der(public) == own_key:
        yield Finding(
            check,
            FAIL,
            _("{key} is your own public key, not Alipay's.").format(**names),
            _("No notification and no answer of Alipay's will ever verify with it."),
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
        _("{key} is not of your private key.").format(**names),
        _("Alipay verifies your requests with the key in this certificate."),
        _("Set the private key that the certificate was asked for with, or ask for a new one."),
    )


def _dates(check: str, key: str, material: str | bytes) -> Iterator[Finding]:
    certificates = load_certificates(material)
    if not certificates:
        what = _("{key} holds a bare key, not a certificate.").format(key=key)
        fix = _("Set the certificate that Alipay's console lets you download (.crt).")
        yield Finding(check, FAIL, what, fix=fix)
        return
    yield _date(check, key, certificates[0])


def _date(check: str, key: str, certificate: x509.Certificate) -> Finding:
    ends = certificate.not_valid_after_utc
    names = {"key": key, "date": display_time(ends)[:10], "sn": alipay_cert_sn(certificate)}
    if ends > utc_now() + _EXPIRES_SOON:
        return Finding(check, OK, _("{key} is valid until {date}; its SN is {sn}.").format(**names))
    expired = ends < utc_now()
    text = _("{key} ran out on {date}.") if expired else _("{key} runs out on {date}.")
    return Finding(
        check,
        FAIL if expired else WARN,
        text.format(**names),
        _("From then on it is no longer believed."),
        _("Download the new one from Alipay's console."),
    )


def _root(key: str, material: str | bytes) -> Finding:
    try:
        sn = root_certificate_sn(material)
    except KeyFormatError as error:
        fix = _("Download alipayRootCert.crt from Alipay's console.")
        return Finding("root_cert", FAIL, f"{key}: {sentence(error)}", fix=fix)
    text = _("{key} holds {count} root certificates of Alipay's that count.")
    return Finding("root_cert", OK, text.format(key=key, count=sn.count("_") + 1))
