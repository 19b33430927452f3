"""``doctor`` asks the gateway: what time it has, and whether it understands us and we it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ..exceptions import GatewayError, OutcomeUnknown
from ..models import utc_now
from .exits import sentence
from .finding import FAIL, OK, WARN, Finding
from .wording import _

if TYPE_CHECKING:
    from ..config import Config

# What both gateways say of a trade that is not there: they have understood the question.
_NOT_THERE = ("ACQ.TRADE_NOT_EXIST", "TRADE_NOT_EXIST")
# Words for a signature that they do not take, a time that is too far away, a merchant whom they do
# not know.
_BAD_SIGN = ("isv.invalid-signature", "ILLEGAL_SIGN", "invalid-signature")
_BAD_TIME = ("isv.invalid-timestamp", "invalid-timestamp")
_BAD_ID = ("isv.invalid-app-id", "ILLEGAL_PARTNER", "invalid-app-id")

_FEW_SECONDS = 60
_PATIENCE = 10.0


def check_gateway(config: Config) -> Iterator[Finding]:
    """Asks for a trade that is not there. Nothing changes at Alipay by it."""
    url = config.gateway.gateway_url
    if url.startswith("http"):
        yield _clock(url)
    yield _call(config)


def _clock(url: str) -> Finding:
    import requests  # only where it is wanted

    try:
        said = requests.head(url, timeout=_PATIENCE).headers.get("Date", "")
        away = (utc_now() - parsedate_to_datetime(said)).total_seconds()
    except (requests.RequestException, ValueError, TypeError) as error:
        return Finding(
            "clock",
            WARN,
            _("The gateway did not tell its time ({kind}).").format(kind=type(error).__name__),
            _("Without its time nobody knows whether this clock is right."),
            _("Is the network there, and is the gateway's address right?"),
        )
    if abs(away) <= _FEW_SECONDS:
        return Finding("clock", OK, _("This clock and the gateway's agree."))
    return Finding(
        "clock",
        FAIL,
        _("This clock is {seconds} seconds away from the gateway's.").format(seconds=round(away)),
        _("Requests carry the time, and Alipay refuses those that are too old or too new."),
        _("Let the machine's clock be set by NTP."),
    )


def _call(config: Config) -> Finding:
    number = f"doctor_{secrets.token_hex(12)}"
    gateway: Any = config.gateway
    ask = gateway.trade_query if config.protocol == "openapi" else gateway.single_trade_query
    try:
        ask(out_trade_no=number)
    except OutcomeUnknown as error:
        return Finding(
            "signed_call",
            FAIL,
            _("The gateway gave no answer that can be believed: {error}").format(
                error=sentence(error)
            ),
            _("Without it nothing can be asked, and no payment begun."),
            _("Is the network there, and is the gateway's address right?"),
        )
    except GatewayError as error:
        return _refusal(config, error)
    return Finding("signed_call", OK, _("The gateway understands our signature, and we its."))


def _refusal(config: Config, error: GatewayError) -> Finding:
    codes = {str(error.sub_code or ""), str(error.code or "")}
    if codes & set(_NOT_THERE):
        if error.proven:
            told = _("The gateway understands our signature, and we its.")
        else:
            told = _("The gateway understands our signature; it did not sign this answer.")
        return Finding("signed_call", OK, told)
    names = {"error": sentence(error)}
    if codes & set(_BAD_SIGN):
        return Finding(
            "signed_call",
            FAIL,
            _("The gateway does not take our signature: {error}").format(**names),
            _("It holds another public key of yours than the one of this private key."),
            _("Paste the public half of the private key into Alipay's console (应用公钥)."),
        )
    if codes & set(_BAD_TIME):
        return Finding(
            "signed_call",
            FAIL,
            _("The gateway does not take the time of our request: {error}").format(**names),
            _("Requests carry the time, and Alipay refuses those that are too old or too new."),
            _("Let the machine's clock be set by NTP."),
        )
    if codes & set(_BAD_ID):
        return Finding(
            "signed_call",
            FAIL,
            _("The gateway does not know {merchant}: {error}").format(
                merchant=config.merchant, **names
            ),
            _("Sandbox and production know different applications."),
            _("Is it the right one, online, and SANDBOX set as it should be?"),
        )
    return Finding(
        "signed_call",
        WARN if error.code else FAIL,
        _("The gateway refused a harmless question: {error}").format(**names),
        _("It may not be allowed to ask, or what came back cannot be believed."),
        _("Look the code up in Alipay's documentation; does the application have the product?"),
    )
