"""Settings out of ``app.config``, read strictly: errors name the whole key, never its value."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .exceptions import ConfigurationError, InvalidParameter
from .protocol.charsets import request_charset
from .protocol.i18n import catalogues_in
from .protocol.limits import check_no_embedded_field, check_url

logger = logging.getLogger("flask_alipay")

_ACCOUNT = re.compile(r"[0-9]{16}")
# One of them is set for every merchant.
_ACCOUNTS = ("APP_ID", "PARTNER", "SIMULATOR")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")
# A host as a URL has it, with or without a port; no pattern for several.
_HOST = re.compile(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")

_NAMES = """
    AES_KEY API_VERSION APP_AUTH_TOKEN APP_CERT APP_CERT_PATH APP_ID CHARSET CHECKOUT_QR
    CONNECT_TIMEOUT GATEWAY_URL INPUT_CHARSET KEY MAX_URL_LENGTH NOTIFY_URL NOTIFY_VERIFY PARTNER
    PRIVATE_KEY PRIVATE_KEY_PATH PROTOCOL PUBLIC_CERT PUBLIC_CERT_PATH PUBLIC_KEY PUBLIC_KEY_PATH
    REJECTED_PATH RESULT_MAX_AGE RETURN_URL ROOT_CERT ROOT_CERT_PATH SANDBOX SELLER_EMAIL
    SELLER_ID SHOP_COLOR SHOP_CONTACT SHOP_LOGO SHOP_NAME SHOW_URL SIGN_TYPE SIMULATOR
    SIMULATOR_WITHOUT_DEBUG SKIP_CHECKOUT TIMEOUT TRANSLATIONS_PATH WAP_GATEWAY_URL
"""
#: The names of all settings, without prefix.
KNOWN = frozenset(_NAMES.split())


class ConfigReader:
    """The settings of one prefix in ``app.config``, read strictly; errors name the whole key.

    Values from the environment are understood: ``app.config.from_prefixed_env()`` turns an
    ``APP_ID`` of digits into an ``int``, and a plain environment variable says ``"false"``.

    :param mapping: ``app.config`` or anything like it.
    :param prefix: without the underscore.
    """

    def __init__(self, mapping: Mapping[str, Any], prefix: str) -> None:
        self._mapping = mapping
        #: Without the underscore.
        self.prefix = prefix

    def key(self, name: str) -> str:
        """Returns the whole name of a setting, for messages."""
        return f"{self.prefix}_{name}"

    def error(self, name: str, message: str) -> ConfigurationError:
        """Returns an error that blames one setting."""
        return ConfigurationError(f"'{self.key(name)}' {message}", self.key(name))

    def text(self, name: str) -> str | None:
        """Returns a text without surrounding space, or ``None`` where it is unset or empty."""
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
        """Returns a text that must be there."""
        value = self.text(name)
        if value is None:
            raise self.error(name, "must be set")
        return value

    def account(self, name: str) -> str | None:
        """Returns the number of an account at Alipay."""
        value = self.text(name)
        if value is not None and not _ACCOUNT.fullmatch(value):
            raise self.error(name, "must be an account number of 16 digits, like 2088…")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Returns a switch. An empty text is one that is not set: it turns no check off."""
        return self.flag_or_choices(name, default)[0]

    def flag_or_choices(
        self, name: str, default: bool, choices: Sequence[str] = ()
    ) -> tuple[bool, frozenset[str]]:
        """Returns a switch that some of the choices turn on as well, and which of them do.

        :param choices: words that may stand there instead of true, with commas between.
        """
        value = self._mapping.get(self.key(name))
        if value in (None, ""):
            return default, frozenset()
        words = frozenset(word.strip() for word in str(value).lower().split(","))
        if words <= set(choices):
            return True, words
        (word,) = words if len(words) == 1 else ("",)
        if word not in _TRUE + _FALSE:
            raise self.error(name, f"must be {', '.join(['true', *choices])} or false")
        return word in _TRUE, frozenset()

    def verification(self, sign_type: str, *, legacy: bool) -> str:
        """Returns which notifications Alipay is asked about, after ``NOTIFY_VERIFY``.

        :param sign_type: of the merchant.
        :param legacy: whether it is on the legacy gateway, where ``old`` and ``always`` are the
            same.
        :returns: ``old``, ``always`` or ``never``; a warning is logged for the last where it is
            dangerous.
        """
        verifies, words = self.flag_or_choices("NOTIFY_VERIFY", True, ("always",))
        if verifies:
            return "always" if words else "old"
        danger = "a notification that was kept back is settled even after a refund"
        if legacy:
            danger = (
                "Alipay's key of the legacy gateway signs for every merchant, so a notification of "
                "another partner's trade can name your account"
            )
        if not legacy or sign_type != "MD5":
            logger.warning("'%s' is off: %s", self.key("NOTIFY_VERIFY"), danger)
        return "never"

    def number(self, name: str, default: float) -> float:
        """Returns a number above zero."""
        value = self._mapping.get(self.key(name))
        try:
            number = default if value is None else float(value)
        except (TypeError, ValueError):
            raise self.error(name, "must be a number") from None
        if isinstance(value, bool) or not 0 < number < float("inf"):
            raise self.error(name, "must be a number above zero")
        return number

    def url(self, name: str, *, max_length: int = 256, query: bool = True) -> str | None:
        """Returns an absolute URL, with at most one argument in its query.

        A host name or path in other than ASCII becomes punycode or percent-encoded: Alipay is
        sent ASCII only.

        :param most: the most characters.
        :param query: whether it may have a query.
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
        """Return the absolute path of a file in a folder that is there."""
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
        """Returns ``PROTOCOL`` if it is set: ``mapi`` or ``openapi``."""
        protocol = (self.text("PROTOCOL") or "").lower()
        if protocol not in ("", "mapi", "openapi"):
            raise self.error("PROTOCOL", "must be mapi or openapi")
        return protocol or None

    def charset(self) -> str:
        """Returns ``INPUT_CHARSET`` or ``CHARSET``, ``utf-8`` where neither is set."""
        for name in ("INPUT_CHARSET", "CHARSET"):
            charset = self.text(name)
            if charset is not None:
                try:
                    return request_charset(charset)
                except InvalidParameter:
                    raise self.error(name, "must be utf-8 or gbk") from None
        return "utf-8"

    def with_overrides(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the whole mapping with some settings, named without prefix, put over it."""
        return {**self._mapping, **{self.key(name): value for name, value in values.items()}}

    def is_set(self, name: str) -> bool:
        """Tells whether a setting has a value."""
        return self._mapping.get(self.key(name)) not in (None, "", (), [])

    def unknown(self, others: Iterable[str] = ()) -> dict[str, str]:
        """Return the keys below the prefix that name no setting, each with the likely one or "".

        :param others: the prefixes of other merchants. A longer prefix below which an account is
            configured is one, too.
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
        """The setting that a key may have been meant for; empty if none is like it."""
        names = get_close_matches(key.removeprefix(f"{self.prefix}_"), KNOWN, 1, 0.75)
        return self.key(names[0]) if names else ""

    def key_material(self, name: str) -> list[tuple[str, str | bytes]]:
        """Returns keys or certificates with the setting that each stands in.

        :param name: ``PRIVATE_KEY`` takes the text of ``PREFIX_PRIVATE_KEY`` and the files named by
            ``PREFIX_PRIVATE_KEY_PATH``; either may be a list.
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

        :param name: as for :meth:`materials`.
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
    """Return the one host that an app's configuration names, with its port if it has one.

    It is ``SERVER_NAME``, or else the only entry of ``TRUSTED_HOSTS``. Several entries, or one that
    stands for all subdomains, leave the choice to the request: ``None``.

    :param config: the app's.
    :raises ConfigurationError: if ``SERVER_NAME`` is not a host.
    """
    name = config.get("SERVER_NAME")
    if name:
        host = _host(name)
        if host is None:
            raise ConfigurationError(
                "'SERVER_NAME' must be a host, with a port where one is needed, like "
                "shop.example: no scheme and no path",
                "SERVER_NAME",
            )
        return host
    trusted = config.get("TRUSTED_HOSTS") or ()
    entries = {trusted} if isinstance(trusted, str) else set(trusted)
    return _host(entries.pop()) if len(entries) == 1 else None


def _host(name: object) -> str | None:
    """Return a host as URLs have it; ``None`` if the text is something else."""
    host, colon, port = str(name).strip().lower().partition(":")
    if not host.isascii():
        host = _punycode(host)
    text = f"{host}{colon}{port}"
    return text if _HOST.fullmatch(text) else None


def _punycode(host: str) -> str:
    """Return a host in ASCII as browsers and :meth:`Settings.address` do; empty if it is none."""
    url = _prepared(f"http://{host}")
    return url.removeprefix("http://").removesuffix("/") if url else ""


def _prepared(url: str) -> str | None:
    """Return a URL in ASCII, ``None`` if it is none."""
    from requests import PreparedRequest, RequestException

    request = PreparedRequest()
    try:
        request.prepare_url(url, None)
    except (RequestException, ValueError):
        return None
    return request.url
