"""The keys to verify a payload with, where they come from, and what to call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from cryptography.hazmat.primitives.asymmetric import rsa

from ..config import Config
from ..diagnosis.said import NOTHING, Hint, say
from ..exceptions import AlipayError, ConfigurationError, KeyFormatError
from ..keys import load_private_key, load_public_key, public_key_der
from ..mapi import MAPI_PUBLIC_KEY
from ..settings import Settings
from ..signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, codec
from .credentials import environment
from .wording import N_, _

_SIGN_TYPES = ("MD5", "RSA", "RSA2")
_USUAL = "RSA2"
_RSA = {"RSA": RsaSigner, "RSA2": Rsa2Signer}
_PUBLISHED = N_("Alipay's published key of the legacy gateway")
_OWN_WORD = N_(
    "That it is {sign_type}, the payload itself says: an app never believes that, and here "
    "--sign-type insists on one."
)


@dataclass(frozen=True)
class Keyring:
    """All that payloads may be verified with."""

    #: What is configured in the app; ``None`` where there is no app, or options replace it.
    signer: Signer | None = field(default=None, repr=False)
    #: The MD5 key.
    md5_key: str | None = field(default=None, repr=False)
    #: Public keys by where each comes from.
    public_keys: tuple[tuple[str, rsa.RSAPublicKey], ...] = ()
    #: The public half of the merchant's own private key.
    own_key: rsa.RSAPublicKey | None = None
    #: The configured sign type; ``None`` where nothing says.
    sign_type: str | None = None
    #: The configured charset.
    charset: str = "utf-8"
    #: Names that the shop's own return URL adds to what is signed.
    unsigned: frozenset[str] = frozenset()
    #: Whether the app is configured for production; ``None`` where nothing says.
    production: bool | None = None

    def signer_for(self, params: Mapping[str, str]) -> tuple[Signer, Hint]:
        """Returns the signer that a payload has to be verified with, and a note for people.

        :param params: of the payload, not verified.
        :raises click.UsageError: if the key that it takes is not there.
        """
        if self.signer is not None:
            return self.signer, NOTHING
        sign_type, note = self._sign_type_for(params)
        if sign_type == "MD5":
            if self.md5_key is None:
                raise click.UsageError(
                    _("It takes the MD5 key to verify this: set FLASK_ALIPAY_KEY, or give --key.")
                )
            return Md5Signer(self.md5_key), note
        keys = [key for _, key in self.public_keys]
        if not keys:
            if params.get("app_id") or sign_type != "RSA":
                told = _(
                    "It takes Alipay's public key to verify this ({sign_type}): give --public-key "
                    "with the file of the key that Alipay's console shows (支付宝公钥, not the "
                    "application's)."
                )
                raise click.UsageError(told.format(sign_type=sign_type))
            keys = [load_public_key(MAPI_PUBLIC_KEY)]
        return _RSA[sign_type](public_key=keys), note

    @property
    def others(self) -> dict[str, Signer]:
        """Keys that are not configured and would still explain something."""
        found: dict[str, Signer] = {_PUBLISHED: RsaSigner(public_key=MAPI_PUBLIC_KEY)}
        if self.md5_key is not None and self.sign_type != "MD5":
            found[N_("the MD5 key")] = Md5Signer(self.md5_key)
        return found

    def name_of(self, key: rsa.RSAPublicKey) -> str:
        """Says which of the keys it is, for people."""
        names = {public_key_der(known): name for name, known in self.public_keys}
        names.setdefault(public_key_der(load_public_key(MAPI_PUBLIC_KEY)), _PUBLISHED)
        name = names.get(public_key_der(key), N_("the configured public key"))
        return _("{name} ({bits} bits)").format(name=_(name), bits=key.key_size)

    def _sign_type_for(self, params: Mapping[str, str]) -> tuple[str, Hint]:
        if self.sign_type is not None:
            return self.sign_type, NOTHING
        said = params.get("sign_type", "").upper()
        if said in _SIGN_TYPES and said != _USUAL:
            return said, say(_OWN_WORD, sign_type=said)
        return _USUAL, NOTHING


def app_keyring(config: Config, options: Mapping[str, Any]) -> Keyring:
    """Returns the keys of an app's configuration, or those of the options in their place."""
    given, chosen, configured = _given(options), options["sign_type"], config.signer
    keys = getattr(configured, "public_keys", ())
    # Other keys belong to the configured sign type as long as they can: MD5 has no public ones.
    sign_type = chosen or given.sign_type or configured.sign_type
    if given.public_keys and sign_type == "MD5" and given.md5_key is None:
        sign_type = chosen
    replaced = given.md5_key or given.public_keys or sign_type != configured.sign_type
    return Keyring(
        signer=None if replaced else configured,
        md5_key=given.md5_key,
        public_keys=given.public_keys or tuple((N_("the configured key"), key) for key in keys),
        own_key=configured.own_public_key if isinstance(configured, RsaSigner) else None,
        sign_type=sign_type,
        charset=options["charset"] or config.charset,
        unsigned=config.return_query,
        production=None if replaced else _of_production(config),
    )


def _of_production(config: Config) -> bool:
    host = urlsplit(config.gateway.gateway_url).hostname or ""
    return host in ("openapi.alipay.com", "mapi.alipay.com")


def bare_keyring(options: Mapping[str, Any]) -> Keyring:
    """Returns the keys of the options and, for what they leave open, of the environment."""
    settings = Settings(environment(), "ALIPAY")
    given = _given(options)
    alone = given.md5_key is None and not given.public_keys
    try:
        md5_key = settings.text("KEY") if alone else given.md5_key
        public_keys = _configured_keys(settings) if alone else given.public_keys
        sign_type = options["sign_type"] or given.sign_type or _sign_type(settings, alone)
        charset = options["charset"] or settings.charset()
    except ConfigurationError as error:
        raise click.UsageError(f"{error} {_('(it stands in the environment).')}") from None
    if sign_type is None and md5_key and not public_keys:
        sign_type = "MD5"
    return Keyring(
        md5_key=md5_key,
        public_keys=public_keys,
        own_key=_own_key(settings),
        sign_type=sign_type,
        charset=charset,
    )


def _given(options: Mapping[str, Any]) -> Keyring:
    """What the options alone say."""
    if options["charset"] is not None:
        try:
            codec(options["charset"])
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


def _sign_type(settings: Settings, alone: bool) -> str | None:
    """The environment's, where the keys are the environment's too."""
    sign_type = (settings.text("SIGN_TYPE") or "").upper() if alone else ""
    if sign_type and sign_type not in _SIGN_TYPES:
        raise settings.error("SIGN_TYPE", f"must be one of {', '.join(_SIGN_TYPES)}")
    return sign_type or None


def _configured_keys(settings: Settings) -> tuple[tuple[str, rsa.RSAPublicKey], ...]:
    found = []
    for name in ("PUBLIC_KEY", "PUBLIC_CERT"):
        for setting, material in settings.materials(name):
            try:
                found.append((settings.key(setting), load_public_key(material)))
            except KeyFormatError as error:
                raise settings.error(setting, f"is not what it should be: {error}") from None
    return tuple(found)


def _own_key(settings: Settings) -> rsa.RSAPublicKey | None:
    """Only to recognise it: whatever is the matter with it does not matter here."""
    try:
        return load_private_key(settings.materials("PRIVATE_KEY")[0][1]).public_key()
    except (AlipayError, IndexError):
        return None
