"""Strict reading of settings from ``app.config``: errors name the key, never its value."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .exceptions import ConfigurationError, InvalidParameter
from .protocol.charsets import request_charset
from .protocol.conversion import parse_minor_units
from .protocol.i18n import catalogues_in
from .protocol.validation import check_no_embedded_field, check_url

logger = logging.getLogger("flask_alipay")

_ACCOUNT = re.compile(r"[0-9]{16}")
# Every merchant has one of these settings.
_ACCOUNTS = ("APP_ID", "PARTNER", "SIMULATOR")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
_MAX_DAYS = 366
# A host as in a URL, with or without a port; no pattern for several hosts.
_HOST = re.compile(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

_NAMES = """
    AES_KEY API_VERSION APP_AUTH_TOKEN APP_CERT APP_CERT_PATH APP_ID AUTHORIZATION_DAYS AUTH_APP_ID
    CHARSET CHECKOUT_QR CONNECT_TIMEOUT DEDUCTION_WINDOW_DAYS GATEWAY_URL INPUT_CHARSET KEY
    MAX_URL_LENGTH NOTIFY_URL NOTIFY_VERIFY OAUTH_URL PARTNER PRIVATE_KEY PRIVATE_KEY_PATH PROTOCOL
    PUBLIC_CERT PUBLIC_CERT_PATH PUBLIC_KEY PUBLIC_KEY_PATH REJECTED_PATH RESULT_MAX_AGE RETURN_URL
    ROOT_CERT ROOT_CERT_PATH SANDBOX SELLER_EMAIL SELLER_ID SHOP_COLOR SHOP_CONTACT SHOP_LOGO
    SHOP_NAME SHOW_URL SIGN_TYPE SIMULATOR SIMULATOR_WITHOUT_DEBUG SKIP_CHECKOUT TIMEOUT
    TRANSFER_DAILY_LIMIT TRANSLATIONS_PATH WAP_GATEWAY_URL
"""
#: The names of all settings, without prefix.
KNOWN = frozenset(_NAMES.split())

#: Settings of a real merchant; the simulator must not be enabled together with them.
CREDENTIALS = (
    "PARTNER",
    "KEY",
    "SELLER_EMAIL",
    "APP_ID",
    "PRIVATE_KEY",
    "PRIVATE_KEY_PATH",
    "PUBLIC_KEY",
    "PUBLIC_KEY_PATH",
    "APP_CERT_PATH",
    "PUBLIC_CERT_PATH",
    "ROOT_CERT_PATH",
    "AES_KEY",
    "SELLER_ID",
)


class ConfigReader:
    """Strict reader for the settings of one prefix in ``app.config``.

    Values from the environment are accepted: ``app.config.from_prefixed_env()`` turns an ``APP_ID``
    of digits into an ``int``, and a plain environment variable is a text such as ``"false"``.

    :param mapping: ``app.config`` or a similar mapping.
    :param prefix: the prefix without the underscore.
    """

    def __init__(self, mapping: Mapping[str, Any], prefix: str) -> None:
        self._mapping = mapping
        #: The prefix without the underscore.
        self.prefix = prefix

    def key(self, name: str) -> str:
        """Return the full name of a setting, for messages."""
        return f"{self.prefix}_{name}"

    def error(self, name: str, message: str) -> ConfigurationError:
        """Return an error about one setting."""
        return ConfigurationError(f"'{self.key(name)}' {message}", self.key(name))

    def text(self, name: str) -> str | None:
        """Return a text without surrounding space, or ``None`` if it is unset or empty."""
        value = self._mapping.get(self.key(name))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if value is not None and not isinstance(value, str):
            raise self.error(
                name,
                f"must be a text, not {type(value).__name__}"
                " (from the environment: put the value in double quotes)",
            )
        return (value or "").strip() or None

    def required(self, name: str) -> str:
        """Return a text that must be set."""
        value = self.text(name)
        if value is None:
            raise self.error(name, "must be set")
        return value

    def amount(self, name: str) -> int | None:
        """Return an amount in yuan as fen, or ``None``; no limit of Alipay's applies."""
        value = self.text(name)
        try:
            return None if value is None else parse_minor_units(value, parameter=name)
        except InvalidParameter as error:
            raise self.error(name, str(error).removeprefix(f"{name} ")) from None

    def account(self, name: str) -> str | None:
        """Return the number of an Alipay account, or ``None``."""
        value = self.text(name)
        if value is not None and not _ACCOUNT.fullmatch(value):
            raise self.error(name, "must be an account number of 16 digits, like 2088…")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Return a switch. An empty text counts as unset, so that it turns no check off."""
        return self.flag_or_choices(name, default)[0]

    def flag_or_choices(
        self, name: str, default: bool, choices: Sequence[str] = ()
    ) -> tuple[bool, frozenset[str]]:
        """Return a switch that some options turn on as well, and the selected options.

        :param choices: options that may be set instead of true, separated by commas.
        """
        value = self._mapping.get(self.key(name))
        if value in (None, ""):
            return default, frozenset()
        options = frozenset(option.strip() for option in str(value).lower().split(","))
        if options <= set(choices):
            return True, options
        (value,) = options if len(options) == 1 else ("",)
        if value not in _TRUE + _FALSE:
            raise self.error(name, f"must be {', '.join(['true', *choices])} or false")
        return value in _TRUE, frozenset()

    def verification(self, sign_type: str, *, legacy: bool) -> str:
        """Return the notifications for which Alipay is queried, from ``NOTIFY_VERIFY``.

        :param sign_type: the merchant's sign type.
        :param legacy: whether the merchant is on the legacy gateway, where ``old`` and ``always``
            mean the same.
        :returns: ``old``, ``always`` or ``never``; if ``never`` is dangerous, a warning is logged.
        """
        enabled, options = self.flag_or_choices("NOTIFY_VERIFY", True, ("always",))
        if enabled:
            return "always" if options else "old"
        danger = "a delayed notification of a sale is settled even after a refund"
        if legacy:
            danger = (
                "Alipay's key of the legacy gateway signs for every merchant, so a notification of "
                "another partner's trade can name your account"
            )
        if not legacy or sign_type != "MD5":
            logger.warning("'%s' is off: %s", self.key("NOTIFY_VERIFY"), danger)
        return "never"

    def number(self, name: str, default: float) -> float:
        """Return a number above zero."""
        value = self._mapping.get(self.key(name))
        try:
            number = default if value is None else float(value)
        except (TypeError, ValueError):
            raise self.error(name, "must be a number") from None
        if isinstance(value, bool) or not 0 < number < float("inf"):
            raise self.error(name, "must be a number above zero")
        return number

    def days(self, name: str, default: int) -> int:
        """Return a whole number of days, at most a year."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and int(value) <= _MAX_DAYS):
            raise self.error(name, f"must be a whole number of days from 0 to {_MAX_DAYS}")
        return int(value)

    def url(self, name: str, *, max_length: int = 256, query: bool = True) -> str | None:
        """Return an absolute URL with at most one argument in its query, or ``None``.

        Other characters than ASCII are converted to punycode or percent-encoded: Alipay accepts
        ASCII only.

        :param max_length: the maximum number of characters.
        :param query: whether the URL may have a query.
        """
        value = self.address(name)
        if value is not None:
            try:
                check_url(name, value, max_length=max_length, query=query)
                check_no_embedded_field(name, value)
            except InvalidParameter as error:
                raise self.error(name, str(error).removeprefix(f"{name} ")) from None
        return value

    def file(self, name: str) -> Path | None:
        """Return the absolute path of a file in an existing folder."""
        value = self.text(name)
        if value is None:
            return None
        path = Path(value)
        if not path.is_absolute() or path.is_dir() or not path.parent.is_dir():
            raise self.error(name, "must be the absolute path of a file in an existing folder")
        if path.exists() and not path.is_file():
            raise self.error(name, "must be the path of a file, not of a device or pipe")
        return path

    def translations(self, name: str) -> Path | None:
        """Return the path of a folder with translations."""
        value = self.text(name)
        path = Path(value or "")
        if value and not (path.is_absolute() and catalogues_in(path)):
            raise self.error(
                name,
                "must be the absolute path of a folder with catalogues: "
                "<language>/LC_MESSAGES/flask_alipay.mo",
            )
        return path if value else None

    def address(self, name: str) -> str | None:
        """Return a text, in ASCII if it is an absolute URL with other characters."""
        value = self.text(name)
        if value is None or value.isascii() or value.startswith("/"):
            return value
        url = _prepared(value)
        if url is None:
            raise self.error(name, "must be an absolute URL; write its host in punycode (xn--…)")
        return url

    def protocol(self) -> str | None:
        """Return ``PROTOCOL`` if it is set: ``mapi`` or ``openapi``."""
        protocol = (self.text("PROTOCOL") or "").lower()
        if protocol not in ("", "mapi", "openapi"):
            raise self.error("PROTOCOL", "must be mapi or openapi")
        return protocol or None

    def charset(self) -> str:
        """Return ``INPUT_CHARSET`` or ``CHARSET``, by default ``utf-8``."""
        for name in ("INPUT_CHARSET", "CHARSET"):
            charset = self.text(name)
            if charset is not None:
                try:
                    return request_charset(charset)
                except InvalidParameter:
                    raise self.error(name, "must be utf-8 or gbk") from None
        return "utf-8"

    def with_overrides(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entire mapping with some settings replaced.

        :param values: new values by name without prefix.
        """
        return {**self._mapping, **{self.key(name): value for name, value in values.items()}}

    def is_set(self, name: str) -> bool:
        """Return whether a setting has a value."""
        return self._mapping.get(self.key(name)) not in (None, "", (), [])

    def unknown(self, others: Iterable[str] = ()) -> dict[str, str]:
        """Return the keys of the prefix that name no setting, each with the similar one or ``""``.

        :param others: the prefixes of other merchants. A longer prefix with a configured account
            counts as another merchant's.
        """
        begin = f"{self.prefix}_"
        keys = [key for key in self._mapping if isinstance(key, str) and key.startswith(begin)]
        longer = {other for other in others if other.startswith(begin)}
        for key in keys:
            for account in _ACCOUNTS:
                if key.endswith(f"_{account}") and key != self.key(account):
                    longer.add(key.removesuffix(f"_{account}"))
        longer -= {self.prefix, *(self.key(name) for name in KNOWN)}
        return {
            key: self._likely(key)
            for key in keys
            if key.removeprefix(begin) not in KNOWN
            and not any(key.startswith(f"{other}_") for other in longer)
        }

    def _likely(self, key: str) -> str:
        """Return the setting with the most similar name; empty if none is similar."""
        names = get_close_matches(key.removeprefix(f"{self.prefix}_"), KNOWN, 1, 0.75)
        return self.key(names[0]) if names else ""

    def key_material(self, name: str) -> list[tuple[str, str | bytes]]:
        """Return keys or certificates, each with the name of its setting.

        :param name: for example ``PRIVATE_KEY``: reads the text of ``PREFIX_PRIVATE_KEY`` and the
            files at ``PREFIX_PRIVATE_KEY_PATH``; either may be a list.
        """
        path_name = f"{name}_PATH"
        found: list[tuple[str, str | bytes]] = []
        for value in self._several(name):
            if not isinstance(value, (str, bytes)):
                raise self.error(name, "must be a text or a list of texts")
            found.append((name, value))
        for value in self._several(path_name):
            try:
                found.append((path_name, Path(value).read_bytes()))
            except (OSError, TypeError, ValueError) as error:
                raise self.error(path_name, f"cannot be read ({type(error).__name__})") from None
        return found

    def single_material(self, name: str) -> tuple[str, str | bytes]:
        """Return a key or certificate that must be set exactly once, with its setting.

        :param name: as for :meth:`key_material`.
        """
        found = self.key_material(name)
        path = self.key(f"{name}_PATH")
        if not found:
            raise self.error(name, f"must be set, or '{path}' to the path of its file")
        if len({setting for setting, _material in found}) > 1:
            raise self.error(name, f"and '{path}' are both set: remove one of them")
        if len(found) > 1:
            raise self.error(found[0][0], "must be one, not a list of several")
        return found[0]

    def _several(self, name: str) -> list[Any]:
        if not self.is_set(name):
            return []
        value = self._mapping[self.key(name)]
        return list(value) if isinstance(value, (list, tuple)) else [value]


def configured_host(config: Mapping[str, Any]) -> str | None:
    """Return the only host that an application's configuration names, with its port if it has one.

    It is ``SERVER_NAME``, or else the only entry of ``TRUSTED_HOSTS``. With several entries, or one
    for all subdomains, the host depends on the request: ``None``.

    :param config: the application's configuration.
    :raises ConfigurationError: if ``SERVER_NAME`` is not a host.
    """
    name = config.get("SERVER_NAME")
    if name:
        host = _host(name)
        if host is None:
            raise ConfigurationError(
                "'SERVER_NAME' must be a host with an optional port, like shop.example: no scheme "
                "and no path",
                "SERVER_NAME",
            )
        return host
    trusted = config.get("TRUSTED_HOSTS") or ()
    entries = {trusted} if isinstance(trusted, str) else set(trusted)
    return _host(entries.pop()) if len(entries) == 1 else None


def _host(name: object) -> str | None:
    """Return a host as in a URL; ``None`` if the text is not a host."""
    host, colon, port = str(name).strip().lower().partition(":")
    if not host.isascii():
        host = _punycode(host)
    text = f"{host}{colon}{port}"
    return text if _HOST.fullmatch(text) else None


def _punycode(host: str) -> str:
    """Return a host in ASCII like browsers and :meth:`ConfigReader.address`; empty if invalid."""
    url = _prepared(f"http://{host}")
    return url.removeprefix("http://").removesuffix("/") if url else ""


def _prepared(url: str) -> str | None:
    """Return a URL in ASCII, ``None`` if it is invalid."""
    from requests import PreparedRequest, RequestException

    request = PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (RequestException, ValueError):
        return None
    return request.url
