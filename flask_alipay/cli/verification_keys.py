"""Keys to verify a payload with, their sources and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from cryptography.hazmat.primitives.asymmetric import rsa

from ..config import Config
from ..diagnosis.messages import NO_HINT, Hint, message
from ..diagnosis.signatures import MD5_SHAPE
from ..exceptions import AlipayError, ConfigurationError, KeyFormatError
from ..gateways.mapi import MAPI_PUBLIC_KEY
from ..keys import load_private_key, load_public_key, public_key_der
from ..protocol.charsets import canonical_charset
from ..settings import ConfigReader
from ..signer import Md5Signer, Rsa2Signer, RsaSigner, Signer
from .credentials import environment
from .i18n import N_, _

if TYPE_CHECKING:
    from ..merchant import Merchant

_SIGN_TYPES = ("MD5", "RSA", "RSA2")
_USUAL = "RSA2"
_RSA = {"RSA": RsaSigner, "RSA2": Rsa2Signer}
_PUBLISHED = N_("Alipay's published key of the legacy gateway")
_LABELLED_KEY = N_(
    "The sign type {sign_type} is the payload's own, which an app never trusts. Set "
    "the expected one with --sign-type."
)


@dataclass(frozen=True)
class Keyring:
    """The keys for verifying payloads."""

    #: The app's configured signer; ``None`` without an app, or if options replace it.
    signer: Signer | None = field(default=None, repr=False)
    #: The MD5 key.
    md5_key: str | None = field(default=None, repr=False)
    #: Public keys with their sources.
    public_keys: tuple[tuple[str, rsa.RSAPublicKey], ...] = ()
    #: The public half of the merchant's own private key.
    merchant_key: rsa.RSAPublicKey | None = None
    #: The configured sign type; ``None`` if it is unknown.
    sign_type: str | None = None
    #: The configured charset.
    charset: str = "utf-8"
    #: Parameters of the shop's return URL, which are not signed.
    unsigned: frozenset[str] = frozenset()
    #: Whether the public keys come from options: then no others are used.
    explicit: bool = False
    #: The signers of the app's other merchants, by name.
    merchants: Mapping[str, Signer] = field(default_factory=dict, repr=False)
    #: Whether the app is configured for production; ``None`` if it is unknown.
    production: bool | None = None

    def signers_for(self, params: Mapping[str, str]) -> list[tuple[Signer, Hint]]:
        """Return every signer that may verify a payload, the likeliest first, with a note.

        :param params: of the payload, not verified.
        :return: signers with notes for the report.
        :raises click.UsageError: if no applicable key is set.
        """
        if self.signer is not None:
            return [(self.signer, NO_HINT)]
        types = self._sign_types_for(params)
        found = [(signer, note) for type_, note in types for signer in self._signers(type_, params)]
        if not found:
            raise _missing(types[0][0])
        return found

    def _signers(self, sign_type: str, params: Mapping[str, str]) -> list[Signer]:
        if sign_type == "MD5":
            return [] if self.md5_key is None else [Md5Signer(self.md5_key)]
        keys = [key for _, key in self.public_keys]
        if not params.get("app_id") and sign_type == "RSA" and not self.explicit:
            keys.append(load_public_key(MAPI_PUBLIC_KEY))
        return [_RSA[sign_type](public_key=keys)] if keys else []

    @property
    def others(self) -> dict[str, Signer]:
        """Keys that are not configured but may explain a failure."""
        found: dict[str, Signer] = {_PUBLISHED: RsaSigner(public_key=MAPI_PUBLIC_KEY)}
        if self.md5_key is not None and self.sign_type != "MD5":
            found[N_("the MD5 key")] = Md5Signer(self.md5_key)
        return {**self.merchants, **found}

    def name_of(self, key: rsa.RSAPublicKey) -> str:
        """Return a key's name and size in the reader's language."""
        names = {public_key_der(known): name for name, known in self.public_keys}
        names.setdefault(public_key_der(load_public_key(MAPI_PUBLIC_KEY)), _PUBLISHED)
        name = names.get(public_key_der(key), N_("the configured public key"))
        return _("{name} ({bits} bits)").format(name=_(name), bits=key.key_size)

    def _sign_types_for(self, params: Mapping[str, str]) -> list[tuple[str, Hint]]:
        if self.sign_type is not None:
            return [(self.sign_type, NO_HINT)]
        declared = params.get("sign_type", "").upper()
        if declared in _SIGN_TYPES:
            note = NO_HINT if declared == _USUAL else message(_LABELLED_KEY, sign_type=declared)
            return [(declared, note)]
        if MD5_SHAPE.fullmatch(params.get("sign", "")):
            return [("MD5", NO_HINT)]
        return [(_USUAL, NO_HINT), ("RSA", NO_HINT)]


def _missing(sign_type: str) -> click.UsageError:
    if sign_type == "MD5":
        return click.UsageError(
            _("The MD5 key is required to verify this. Set FLASK_ALIPAY_KEY, or pass --key.")
        )
    text = _(
        "Alipay's public key is required to verify this ({sign_type}). Pass its file with "
        "--public-key: the key that Alipay's console shows (支付宝公钥), not the application's."
    )
    return click.UsageError(text.format(sign_type=sign_type))


def app_keyring(merchant: Merchant, options: Mapping[str, Any]) -> Keyring:
    """Return the keys of an app's merchant; options replace those of their kind.

    :param merchant: the merchant.
    :param options: of the command.
    :return: the keys.
    """
    from flask import current_app

    config = merchant.config
    given, chosen, configured = _given(options), options["sign_type"], config.signer
    keys = getattr(configured, "public_keys", ())
    # Given keys are used with the configured sign type, except public keys with MD5.
    sign_type = chosen or given.sign_type or configured.sign_type
    if given.public_keys and sign_type == "MD5" and given.md5_key is None:
        sign_type = chosen
    replaced = given.md5_key or given.public_keys or sign_type != configured.sign_type
    md5_key = ConfigReader(current_app.config, config.prefix).text("KEY")
    return Keyring(
        signer=None if replaced else configured,
        md5_key=given.md5_key or md5_key,
        public_keys=given.public_keys or tuple((N_("the configured key"), key) for key in keys),
        merchant_key=configured.own_public_key if isinstance(configured, RsaSigner) else None,
        sign_type=sign_type,
        charset=options["charset"] or config.charset,
        unsigned=config.return_query,
        explicit=bool(given.public_keys),
        merchants={
            _("the key of merchant {name}").format(name=other.name): other.config.signer
            for other in current_app.extensions["alipay"].values()
            if other is not merchant
        },
        production=None if replaced else _of_production(config),
    )


def _of_production(config: Config) -> bool:
    host = urlsplit(config.gateway.gateway_url).hostname or ""
    return host in ("openapi.alipay.com", "mapi.alipay.com")


def environment_keyring(options: Mapping[str, Any]) -> Keyring:
    """Return the keys of the options and, if those leave any open, of the environment.

    :param options: of the command.
    :return: the keys.
    :raises click.UsageError: if the environment's are invalid.
    """
    settings = ConfigReader(environment(), "ALIPAY")
    given = _given(options)
    alone = given.md5_key is None and not given.public_keys
    try:
        md5_key = given.md5_key or settings.text("KEY")
        public_keys = given.public_keys or _configured_keys(settings, strict=alone)
        sign_type = options["sign_type"] or _sign_type(settings, alone)
        charset = options["charset"] or settings.charset()
    except ConfigurationError as error:
        source = _("(set in the environment).")
        raise click.UsageError(f"{error} {source}") from None
    if sign_type is None and md5_key and not public_keys:
        sign_type = "MD5"
    return Keyring(
        md5_key=md5_key,
        public_keys=public_keys,
        merchant_key=_merchant_key(settings),
        sign_type=sign_type,
        charset=charset,
        explicit=bool(given.public_keys),
    )


def _given(options: Mapping[str, Any]) -> Keyring:
    """Return the keys of the options alone."""
    if options["charset"] is not None:
        try:
            canonical_charset(options["charset"])
        except AlipayError as error:
            raise click.BadParameter(f"{error}.", param_hint="--charset") from None
    if options["key"] is not None and not options["key"].strip():
        raise click.BadParameter(_("is empty."), param_hint="--key")
    md5 = options["key"] is not None and not options["public_key"]
    return Keyring(
        md5_key=options["key"],
        public_keys=tuple((path, _read_public_key(path)) for path in options["public_key"]),
        sign_type="MD5" if md5 else None,
    )


def _read_public_key(path: str) -> rsa.RSAPublicKey:
    try:
        return load_public_key(Path(path).read_bytes())
    except KeyFormatError as error:
        raise click.BadParameter(f"{path}: {error}.", param_hint="--public-key") from None
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}.", param_hint="--public-key") from None


def _sign_type(settings: ConfigReader, alone: bool) -> str | None:
    """Return the environment's sign type if the keys are the environment's as well."""
    sign_type = (settings.text("SIGN_TYPE") or "").upper() if alone else ""
    if sign_type and sign_type not in _SIGN_TYPES:
        raise settings.error("SIGN_TYPE", f"must be one of {', '.join(_SIGN_TYPES)}")
    return sign_type or None


def _configured_keys(
    settings: ConfigReader, strict: bool
) -> tuple[tuple[str, rsa.RSAPublicKey], ...]:
    """Return the environment's keys; beside a given key, skip unreadable ones."""
    found: list[tuple[str, rsa.RSAPublicKey]] = []
    for name in ("PUBLIC_KEY", "PUBLIC_CERT"):
        try:
            found += _keys_in(settings, name)
        except ConfigurationError:
            if strict:
                raise
    return tuple(found)


def _keys_in(settings: ConfigReader, name: str) -> Iterator[tuple[str, rsa.RSAPublicKey]]:
    for setting, material in settings.key_material(name):
        try:
            yield settings.key(setting), load_public_key(material)
        except KeyFormatError as error:
            raise settings.error(setting, f"is invalid: {error}") from None


def _merchant_key(settings: ConfigReader) -> rsa.RSAPublicKey | None:
    """Return the merchant's own public key, to recognise it; ``None`` if it cannot be read."""
    try:
        return load_private_key(settings.key_material("PRIVATE_KEY")[0][1]).public_key()
    except (AlipayError, IndexError):
        return None
