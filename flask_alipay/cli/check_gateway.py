"""Diagnosis by ``doctor``: the gateway's clock, and signatures in both directions."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import GatewayError, OutcomeUnknown
from ..models import utc_now
from .errors import sentence
from .findings import FAIL, OK, WARN, Finding
from .i18n import N_, _

if TYPE_CHECKING:
    from ..config import Config

# The codes of both gateways for a trade that does not exist: the request was valid.
_UNKNOWN_TRADE = ("ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST")
# The open platform's codes for a request that the gateway itself rejects: no request of this
# merchant can succeed before the configuration is fixed. The legacy gateway has a code for each
# reason.
_CONFIGURATION_CODES = (
    *("40001", "40002", "40003", "20001"),
    *("ILLEGAL_SIGN", "ILLEGAL_SIGN_TYPE", "ILLEGAL_SECURITY_PROFILE", "ILLEGAL_PARTNER"),
    *("ILLEGAL_CHARSET", "ILLEGAL_DYN_MD5_KEY", "ILLEGAL_ENCRYPT"),
)


_MAX_CLOCK_DIFFERENCE = 60
_TIMEOUT = 10.0


def check_gateway(config: Config) -> Iterator[Finding]:
    """Query the gateway about a trade that does not exist; this changes nothing at Alipay.

    :param config: the merchant's configuration.
    :return: the findings, as they are made.
    """
    url = config.gateway.gateway_url
    if url.startswith("http"):
        yield _clock(url)
    yield _call(config)


def _clock(url: str) -> Finding:
    import requests  # slow to import

    try:
        date = requests.head(url, timeout=_TIMEOUT).headers.get("Date", "")
        difference = (utc_now() - parsedate_to_datetime(date)).total_seconds()
    except (requests.RequestException, ValueError, TypeError) as error:
        return Finding(
            "clock",
            WARN,
            _("The gateway's response has no Date header ({kind}).").format(
                kind=type(error).__name__
            ),
            _("This machine's clock cannot be checked."),
            _("Check the network and the gateway's address."),
        )
    if abs(difference) <= _MAX_CLOCK_DIFFERENCE:
        return Finding("clock", OK, _("This machine's clock agrees with the gateway's."))
    return Finding(
        "clock",
        FAIL,
        _("This machine's clock differs from the gateway's by {seconds} seconds.").format(
            seconds=round(difference)
        ),
        _("Requests contain a timestamp, and Alipay rejects those that are too old or too new."),
        _("Synchronize the machine's clock with NTP."),
    )


def _call(config: Config) -> Finding:
    number = f"doctor_{secrets.token_hex(12)}"
    try:
        config.gateway.query_payment(number)
    except OutcomeUnknown as error:
        return Finding(
            "signed_call",
            FAIL,
            _("The gateway returned no trustworthy response: {error}").format(
                error=sentence(error)
            ),
            _("Trades cannot be queried, and payments cannot be started."),
            _("Check the network and the gateway's address."),
        )
    except GatewayError as error:
        return _rejection(config, error)
    return Finding(
        "signed_call", OK, _("The signatures of the request and the response are valid.")
    )


def _rejection(config: Config, error: GatewayError) -> Finding:
    codes = {str(error.sub_code or ""), str(error.code or "")}
    if codes & set(_UNKNOWN_TRADE):
        if error.signed:
            text = _("The signatures of the request and the response are valid.")
        else:
            text = _("The signature of the request is valid; this response is not signed.")
        return Finding("signed_call", OK, text)
    advice = next((one for one in _ADVICE if one.codes.fullmatch(_package_code(error))), _OTHER)
    return Finding(
        "signed_call",
        FAIL if not error.code or codes & set(_CONFIGURATION_CODES) else WARN,
        _(advice.message).format(merchant=config.merchant, error=sentence(error)),
        _(advice.why),
        _(advice.fix),
    )


def _package_code(error: GatewayError) -> str:
    """Return Alipay's most specific code, without the prefix that versions and gateways vary."""
    return re.sub(r"^(?:isv|isp|aop)\.", "", str(error.sub_code or error.code or ""))


class _Advice(NamedTuple):
    """An explanation of some of Alipay's codes."""

    codes: re.Pattern[str]
    message: str
    why: str
    fix: str


_OTHER = _Advice(
    re.compile(""),
    N_("The gateway rejected a read-only query: {error}"),
    N_("The application may lack the permission to query, or the response is not trustworthy."),
    N_("Look up the code in Alipay's documentation, and check that the product is contracted."),
)

#: The first entry whose codes match explains a rejection.
_ADVICE = (
    _Advice(
        re.compile(r"missing-signature-(?:config|key)"),
        N_("The application has no public key in Alipay's console: {error}"),
        N_("Alipay cannot verify requests."),
        N_("Upload the public key of the private key to Alipay's console (应用公钥)."),
    ),
    _Advice(
        re.compile(r"invalid-signature|ILLEGAL_SIGN"),
        N_("The gateway rejects the signature: {error}"),
        N_("The application's public key in the console does not match this private key."),
        N_("Upload the public key of the private key to Alipay's console (应用公钥)."),
    ),
    _Advice(
        re.compile(r"[a-z-]*cert-[a-z-]+"),
        N_("The gateway does not accept a certificate: {error}"),
        N_("Requests name the application's certificate and Alipay's root certificates."),
        N_("Download all three certificates again from Alipay's console, and set all three paths."),
    ),
    _Advice(
        re.compile(r"(?:invalid|illegal|missing)-timestamp"),
        N_("The gateway rejects the request's timestamp: {error}"),
        N_("Requests contain a timestamp, and Alipay rejects those that are too old or too new."),
        N_("Synchronize the machine's clock with NTP."),
    ),
    _Advice(
        re.compile(r"invalid-app-id|ILLEGAL_PARTNER"),
        N_("The gateway does not know {merchant}: {error}"),
        N_("Sandbox and production have different applications."),
        N_("Check the APPID, that the application is online, and SANDBOX."),
    ),
    _Advice(
        re.compile(r"[a-z-]*decryption[a-z-]*|[a-z-]*encrypt[a-z-]*"),
        N_("The gateway cannot decrypt the request: {error}"),
        N_("The console has a different AES key, or none."),
        N_("Copy the AES key from Alipay's console (接口内容加密方式), or unset it."),
    ),
    _Advice(
        re.compile(r"[a-z-]*auth-token[a-z-]*|self-invoke-forbidden"),
        N_("The gateway expects the token of a merchant: {error}"),
        N_("A third-party application acts for merchants and needs a token of each."),
        N_("Set APP_AUTH_TOKEN to a valid token, or pass one with each payment."),
    ),
)
