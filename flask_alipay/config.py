"""Configuration of one merchant: read and checked when the blueprint is registered, then frozen."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from .exceptions import InvalidParameter, KeyFormatError, without_secrets
from .gateways.transport import HttpTransport, OpenApiTransport, Transport
from .protocol.page_settings import PageSettings, read_page_settings
from .settings import ConfigReader
from .signer import Md5Signer, Rsa2Signer, RsaSigner, Signer

logger = logging.getLogger("flask_alipay")

if TYPE_CHECKING:
    # Only the configured gateway is imported, when its configuration is read.
    from .gateways.mapi import MapiGateway
    from .gateways.openapi import OpenApiGateway
    from .protocol.certificates import CertificateStore

    Gateway: TypeAlias = MapiGateway | OpenApiGateway

# Gateways without real money: Alipay's sandboxes, and the simulator on this machine.
_TRIAL_HOST = re.compile(r".*\.alipaydev\.com|localhost|127(?:\.[0-9]+){3}|::1")

_APP_ID = re.compile(r"[0-9]{16}")


@dataclass(frozen=True)
class Config:
    """Configuration of one merchant on one of the two gateways. Created when the blueprint is
    registered; later changes of ``app.config`` are ignored.

    It is read from these settings, each with the prefix:

    Legacy gateway: ``PARTNER``, ``KEY``, ``SELLER_EMAIL`` or ``SELLER_ID``, ``SIGN_TYPE``
    (``MD5``, ``RSA``, ``RSA2``), ``INPUT_CHARSET`` (``utf-8``, ``gbk``), ``SHOW_URL``,
    ``WAP_GATEWAY_URL``.
    Open platform: ``APP_ID``, ``PRIVATE_KEY`` or ``PRIVATE_KEY_PATH``, ``PUBLIC_KEY`` or
    ``PUBLIC_KEY_PATH`` (Alipay's key; a list during a key rotation), or the certificates
    ``APP_CERT_PATH``, ``PUBLIC_CERT_PATH`` and ``ROOT_CERT_PATH``; ``AES_KEY``, ``SELLER_ID``,
    ``SANDBOX``, ``API_VERSION`` (``v2``, ``v3``), ``OAUTH_URL``, ``APP_AUTH_TOKEN`` and
    ``AUTH_APP_ID`` (token and APPID of the merchant for whom a third-party application acts).
    Both: ``NOTIFY_VERIFY`` (true, false or ``always``), ``NOTIFY_URL``, ``RETURN_URL``,
    ``GATEWAY_URL``, ``TIMEOUT`` (10 seconds), ``CONNECT_TIMEOUT`` (by default ``TIMEOUT``),
    ``RESULT_MAX_AGE`` (86400 seconds), ``MAX_URL_LENGTH`` (2000), ``REJECTED_PATH``,
    ``TRANSFER_DAILY_LIMIT`` (yuan), ``DEDUCTION_WINDOW_DAYS`` (5), ``AUTHORIZATION_DAYS`` (30),
    ``TRANSLATIONS_PATH``, the ``SHOP_…`` settings, ``PROTOCOL`` if both a ``PARTNER`` and an
    ``APP_ID`` are set.
    """

    #: The prefix of the settings, for example ``"ALIPAY"``.
    prefix: str
    #: ``"mapi"`` or ``"openapi"``.
    protocol: str
    #: The ``partner`` or ``app_id``: part of every match in the ledger.
    merchant: str
    #: Signs requests and verifies responses and notifications.
    signer: Signer = field(repr=False)
    #: The client of the gateway.
    gateway: Gateway = field(repr=False)
    #: The configured charset.
    charset: str
    #: The number of the account that receives the payments, if configured.
    seller_id: str | None
    #: The login name of that account, if configured.
    seller_email: str | None = field(repr=False)
    #: The URL for Alipay's notifications; ``None``: the blueprint's route.
    notify_url: str | None
    #: The URL to which buyers return; ``None``: the blueprint's route.
    return_url: str | None
    #: The shop's page that the result page links to.
    show_url: str | None
    #: Lifetime of the links to the blueprint's pages, in seconds.
    result_max_age: int
    #: The maximum length, in characters, of a URL that redirects a buyer to the gateway; a longer
    #: request is posted.
    max_url_length: int
    #: ``True`` if each notification of the legacy gateway is confirmed by ``notify_verify``.
    notify_verify: bool
    #: The reports of a sale for which the open platform is queried before they are settled:
    #: ``"old"`` ones, ``"always"`` or ``"never"``; on the legacy gateway ``"never"``.
    sale_queries: str
    #: In a third-party application, the APPID of the merchant of ``APP_AUTH_TOKEN``; ``None``: not
    #: compared.
    auth_app_id: str | None = None
    #: ``True`` if ``APP_AUTH_TOKEN`` names a merchant for whom the application acts.
    has_app_auth_token: bool = False
    #: The URL before ``/oauth2`` of the pages for authorisations; ``None``: that of the gateway.
    oauth_url: str | None = None
    #: The file that keeps the bodies of rejected notifications; ``None``: they are not kept.
    rejected_path: Path | None = None
    #: The folder with the shop's translations of the pages; ``None``: only the package's are used.
    translations_path: Path | None = None
    #: The appearance of the pages, and what the checkout offers.
    pages: PageSettings = field(default_factory=PageSettings)
    #: The maximum of all transfers of a day in China, in fen; ``None``: no limit.
    transfer_daily_limit_fen: int | None = None
    #: The number of days before the day of a deduction on which Alipay accepts it as well.
    deduction_window_days: int = 5
    #: The number of days after which Alipay releases a frozen amount, by the contract.
    authorization_days: int = 30
    #: ``True`` if the gateway is the simulator.
    simulator: bool = False

    @classmethod
    @without_secrets
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        prefix: str = "ALIPAY",
        *,
        transport: OpenApiTransport | None = None,
        simulator: bool = False,
    ) -> Config:
        """Read and check the settings of one prefix, see :class:`Config`.

        :param mapping: ``app.config`` or a similar mapping.
        :param prefix: the prefix of the settings, without the underscore.
        :param transport: sends requests to the gateway; HTTP by default.
        :param simulator: whether the gateway is the simulator.
        :raises ConfigurationError: names the wrong setting, never its value.
        """
        settings = ConfigReader(mapping, prefix)
        build = _openapi if _protocol(settings) == "openapi" else _mapi
        signer, gateway, merchant = build(settings, transport or _http(settings))
        legacy = gateway.protocol == "mapi"
        modern = not legacy
        verification = settings.verification(signer.sign_type, legacy=legacy)
        return cls(
            prefix=prefix,
            protocol=gateway.protocol,
            merchant=merchant,
            signer=signer,
            gateway=gateway,
            charset=gateway.charset,
            seller_id=settings.account("SELLER_ID"),
            seller_email=settings.text("SELLER_EMAIL"),
            notify_url=settings.url("NOTIFY_URL", max_length=256 if modern else 190, query=modern),
            return_url=settings.url("RETURN_URL", max_length=256 if modern else 200, query=modern),
            show_url=settings.address("SHOW_URL"),
            result_max_age=max(1, int(settings.number("RESULT_MAX_AGE", 86400))),
            max_url_length=int(settings.number("MAX_URL_LENGTH", 2000)),
            notify_verify=legacy and verification != "never",
            sale_queries="never" if legacy else verification,
            auth_app_id=_auth_app_id(settings, legacy=legacy),
            has_app_auth_token=settings.is_set("APP_AUTH_TOKEN"),
            oauth_url=settings.url("OAUTH_URL"),
            rejected_path=settings.file("REJECTED_PATH"),
            translations_path=settings.translations("TRANSLATIONS_PATH"),
            pages=read_page_settings(settings),
            transfer_daily_limit_fen=settings.amount("TRANSFER_DAILY_LIMIT"),
            deduction_window_days=settings.days("DEDUCTION_WINDOW_DAYS", 5),
            authorization_days=settings.days("AUTHORIZATION_DAYS", 30),
            simulator=simulator,
        )

    @property
    def moves_money(self) -> bool:
        """``True`` unless the gateway is a simulator or one of Alipay's sandboxes."""
        host = urlsplit(self.gateway.gateway_url).hostname or ""
        return not self.simulator and _TRIAL_HOST.fullmatch(host) is None

    @property
    def return_query(self) -> frozenset[str]:
        """Names of the query arguments in ``RETURN_URL``; Alipay returns them unsigned."""
        query = urlsplit(self.return_url or "").query
        return frozenset(name for name, _ in parse_qsl(query, keep_blank_values=True))


def _http(settings: ConfigReader) -> HttpTransport:
    timeout = settings.number("TIMEOUT", 10.0)
    return HttpTransport(timeout, settings.number("CONNECT_TIMEOUT", timeout))


def _protocol(settings: ConfigReader) -> str:
    chosen = settings.protocol()
    if chosen is not None:
        return chosen
    partner, app_id = settings.is_set("PARTNER"), settings.is_set("APP_ID")
    if partner and app_id:
        raise settings.error(
            "PROTOCOL", "must be mapi or openapi if both a PARTNER and an APP_ID are set"
        )
    if not partner and not app_id:
        raise settings.error(
            "APP_ID",
            f"must be set (or '{settings.key('PARTNER')}' on the legacy gateway, or "
            f"'{settings.key('SIMULATOR')}' to try without an account)",
        )
    return "openapi" if app_id else "mapi"


def _openapi(settings: ConfigReader, transport: OpenApiTransport) -> tuple[Signer, Gateway, str]:
    from .gateways.openapi import PRODUCTION, SANDBOX, OpenApiGateway

    app_id = settings.required("APP_ID")
    numbers = _certificates(settings)
    signer = _rsa_signer(settings, _sign_type(settings, ("RSA2", "RSA")), bool(numbers))
    default = SANDBOX if settings.flag("SANDBOX", False) else PRODUCTION
    try:
        gateway = OpenApiGateway(
            app_id,
            signer,
            gateway_url=_gateway_url(settings) or default,
            charset=settings.charset(),
            aes_key=settings.text("AES_KEY"),
            app_auth_token=_app_auth_token(settings),
            api_version=_api_version(settings, signer),
            transport=transport,
            certificates=_certificate_store(settings, signer) if numbers else None,
            **numbers,
        )
    except KeyFormatError as error:
        raise settings.error("AES_KEY", f"is invalid: {error}") from None
    return signer, gateway, app_id


def _mapi(settings: ConfigReader, transport: Transport) -> tuple[Signer, Gateway, str]:
    from .gateways.mapi import MAPI_PUBLIC_KEY, PRODUCTION, WAP_PRODUCTION, MapiGateway

    if settings.is_set("APP_AUTH_TOKEN"):
        raise settings.error(
            "APP_AUTH_TOKEN",
            "must not be set on the legacy gateway: it has no third-party applications",
        )
    partner = settings.account("PARTNER") or settings.required("PARTNER")
    sign_type = _sign_type(settings, ("MD5", "RSA", "RSA2"))
    signer: Signer
    if sign_type == "MD5":
        signer = Md5Signer(settings.required("KEY"))
    else:
        signer = _rsa_signer(settings, sign_type, False, default_public_key=MAPI_PUBLIC_KEY)
    gateway = MapiGateway(
        partner,
        signer,
        seller_id=settings.account("SELLER_ID"),
        seller_email=settings.text("SELLER_EMAIL"),
        charset=settings.charset(),
        gateway_url=_gateway_url(settings) or PRODUCTION,
        wap_gateway_url=settings.url("WAP_GATEWAY_URL") or WAP_PRODUCTION,
        show_url=_goods_url(settings),
        transport=transport,
    )
    return signer, gateway, partner


def _gateway_url(settings: ConfigReader) -> str | None:
    """Return the gateway's URL; the embedded simulator's is a path on this site."""
    value = settings.text("GATEWAY_URL")
    return value if value and value.startswith("/") else settings.url("GATEWAY_URL")


def _goods_url(settings: ConfigReader) -> str | None:
    """Return ``SHOW_URL`` for Alipay if it is absolute; a path is for the blueprint's pages."""
    value = settings.text("SHOW_URL")
    return None if value and value.startswith("/") else settings.url("SHOW_URL")


def _sign_type(settings: ConfigReader, choices: tuple[str, ...]) -> str:
    sign_type = (settings.text("SIGN_TYPE") or choices[0]).upper()
    if sign_type not in choices:
        raise settings.error("SIGN_TYPE", f"must be one of {', '.join(choices)}")
    return sign_type


def _app_auth_token(settings: ConfigReader) -> str | None:
    from .gateways.openapi.client import COMMON

    token = settings.text("APP_AUTH_TOKEN")
    if token is not None:
        try:
            COMMON["app_auth_token"]("app_auth_token", token, "utf-8")
        except InvalidParameter as error:
            reason = str(error).removeprefix("app_auth_token ")
            raise settings.error("APP_AUTH_TOKEN", reason) from None
    return token


def _auth_app_id(settings: ConfigReader, *, legacy: bool) -> str | None:
    found = settings.text("AUTH_APP_ID")
    if found is None:
        return None
    if not _APP_ID.fullmatch(found):
        raise settings.error("AUTH_APP_ID", "must be an APPID of 16 digits")
    if legacy or not settings.is_set("APP_AUTH_TOKEN"):
        key = settings.key("APP_AUTH_TOKEN")
        raise settings.error("AUTH_APP_ID", f"must not be set without '{key}'")
    return found


def _api_version(settings: ConfigReader, signer: Signer) -> str:
    from .gateways.openapi.client import PATH

    version = (settings.text("API_VERSION") or "v2").lower()
    if version not in ("v2", "v3"):
        raise settings.error("API_VERSION", "must be v2 or v3")
    if version == "v3" and signer.sign_type != "RSA2":
        raise settings.error("SIGN_TYPE", "must be RSA2 with v3")
    if version == "v3" and not (_gateway_url(settings) or PATH).endswith(PATH):
        raise settings.error(
            "GATEWAY_URL", f"must end with {PATH}: with v3, calls go to paths next to it"
        )
    return version


def _certificates(settings: ConfigReader) -> dict[str, Any]:
    """Return the numbers of the certificates for the gateway; empty without certificate mode."""
    from .keys import certificate_sn, root_certificate_sn  # slow to import, and often not needed

    names = ("APP_CERT", "PUBLIC_CERT", "ROOT_CERT")
    found = {name: settings.key_material(name) for name in names}
    if not any(found.values()):
        return {}
    for name in names:
        if not found[name]:
            raise settings.error(
                f"{name}_PATH", "must be set: certificate mode needs all three certificates"
            )
    app, root = settings.single_material("APP_CERT"), settings.single_material("ROOT_CERT")
    return {
        "app_cert_sn": _read(settings, app, certificate_sn),
        "root_cert_sn": _read(settings, root, root_certificate_sn),
        "alipay_cert_sns": [_read(settings, cert, certificate_sn) for cert in found["PUBLIC_CERT"]],
    }


def _certificate_store(settings: ConfigReader, signer: RsaSigner) -> CertificateStore:
    """Return the store of Alipay's certificates, to which downloaded ones are added."""
    from .protocol.certificates import CertificateStore

    alipay = [material for _, material in settings.key_material("PUBLIC_CERT")]
    return CertificateStore(signer, alipay, settings.key_material("ROOT_CERT")[0][1])


def _rsa_signer(
    settings: ConfigReader,
    sign_type: str,
    by_certificate: bool,
    default_public_key: str | None = None,
) -> RsaSigner:
    from .keys import load_private_key, load_public_key, public_key_der

    private = settings.single_material("PRIVATE_KEY")
    public = settings.key_material("PUBLIC_CERT" if by_certificate else "PUBLIC_KEY")
    if not public and default_public_key:
        public = [("PUBLIC_KEY", default_public_key)]
    if not public:
        path = settings.key("PUBLIC_KEY_PATH")
        raise settings.error(
            "PUBLIC_KEY",
            f"must be set to Alipay's public key, not your application's, or '{path}' to the path "
            "of its file",
        )
    private_key = _read(settings, private, load_private_key)
    public_keys = [_read(settings, material, load_public_key) for material in public]
    merchant_key = public_key_der(private_key.public_key())
    if any(public_key_der(key) == merchant_key for key in public_keys):
        logger.warning(
            "'%s' is the public key of your private key: no notification will verify. Set it to "
            "the public key that Alipay's console shows (支付宝公钥)",
            settings.key(public[0][0]),
        )
    signer = Rsa2Signer if sign_type == "RSA2" else RsaSigner
    return signer(private_key, public_keys)


def _read(settings: ConfigReader, material: tuple[str, Any], read: Callable[[Any], Any]) -> Any:
    name, text = material
    try:
        return read(text)
    except KeyFormatError as error:
        raise settings.error(name, f"is invalid: {error}") from None
