"""Each known mistake, alone and combined, made from valid payloads of several kinds; and many
alterations that are no known mistake.
"""

from __future__ import annotations

import html
import json
import random
from collections.abc import Callable, Mapping
from itertools import permutations
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

import pytest

from flask_alipay.diagnosis import Reason, diagnose
from flask_alipay.keys import generate_private_key
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner, Signer, sign_content

from .looped import for_each
from .strategies import examples
from .vectors import Vector, is_valid, signer_of, with_vectors

MD5_KEY = "0123456789abcdef0123456789abcdef"

Params = dict[str, str]

# Small keys: quickly made, and no less proof here.
_ALIPAY = generate_private_key(1024)
_SIGNERS: dict[str, Signer] = {
    "MD5": Md5Signer(MD5_KEY),
    "RSA": RsaSigner(_ALIPAY, _ALIPAY.public_key()),
    "RSA2": Rsa2Signer(_ALIPAY, _ALIPAY.public_key()),
}


def notification(charset: str) -> Params:
    """Return a notification before it is signed, with a target for every mistake."""
    return {
        "gmt_create": "2026-01-31 12:00:00",
        "notify_time": "2026-01-31 12:00:05",
        "notify_type": "trade_status_sync",
        "notify_id": "a%2Fb0123456789",
        "charset": charset,
        "version": "1.0",
        "out_trade_no": "20260131000000000000000001",
        "trade_no": "2026013122001499160501586202",
        "trade_status": "TRADE_SUCCESS",
        "total_amount": "88.80",
        "subject": "茶+tea, two cups ",
        "passback_params": 'a"b & c<d',
        "fund_bill_list": '[{"amount":"88.80","fundChannel":"PCREDIT"}]',
        "app_id": "2021000000000000",
        "auth_app_id": "2021000000000000",
        "seller_id": "2088000000000000",
    }


def signed(
    params: Mapping[str, str], signer: Signer, charset: str, exclude: tuple[str, ...] = ("sign",)
) -> Params:
    sign = signer.sign(sign_content(params, exclude=(*exclude, "sign_type"), charset=charset))
    return {**params, "sign": sign, "sign_type": signer.sign_type}


def values(change: Callable[[str], str]) -> Callable[[Params], Params]:
    """Return a mistake in all values; the signature is damaged separately."""

    def mistake(params: Params) -> Params:
        return {
            name: value if name in ("sign", "sign_type") else change(value)
            for name, value in params.items()
        }

    return mistake


def one(name: str, change: Callable[[str], str]) -> Callable[[Params], Params]:
    """Return a mistake in one value."""
    return lambda params: {**params, name: change(params[name])}


def without(*names: str) -> Callable[[Params], Params]:
    return lambda params: {name: text for name, text in params.items() if name not in names}


def not_for_html(value: str) -> str:
    for shown, meant in (("¬ify", "&notify"), ("×tamp", "&timestamp")):
        value = value.replace(meant, shown)
    return value


def shown_in_a_page(params: Params) -> Params:
    """Return the form as a browser shows it with unescaped ``&``, copied from the page."""
    form = "&".join(f"{name}={quote_plus(value)}" for name, value in params.items())
    return dict(parse_qsl(not_for_html(form), keep_blank_values=True))


MISTAKES: dict[str, tuple[Callable[[Params], Params], str]] = {
    "plus became space": (one("subject", lambda v: v.replace("+", " ")), Reason.DOUBLE_DECODED),
    "decoded twice": (one("notify_id", unquote_plus), Reason.DOUBLE_DECODED),
    "space stayed plus": (values(lambda v: v.replace(" ", "+")), Reason.PLUS_SPACE),
    "not decoded": (values(quote_plus), Reason.NOT_DECODED),
    "not decoded, %20": (values(lambda v: quote(v, safe="")), Reason.NOT_DECODED),
    "escaped for a page": (values(html.escape), Reason.HTML_ESCAPED),
    "entities shown": (shown_in_a_page, Reason.HTML_ESCAPED),
    "amp; in names": (
        lambda params: {
            name if not number else f"amp;{name}": value
            for number, (name, value) in enumerate(params.items())
        },
        Reason.HTML_ESCAPED,
    ),
    "addslashes": (values(lambda v: v.replace('"', '\\"')), Reason.BACKSLASHES),
    "lists": (values(lambda v: str([v])), Reason.LIST_VALUES),
    "lists in JSON": (values(lambda v: json.dumps([v], ensure_ascii=False)), Reason.LIST_VALUES),
    "lists throughout": (
        lambda params: {name: str([value]) for name, value in params.items()},
        Reason.LIST_VALUES,
    ),
    "nothing decoded": (
        lambda params: {name: quote_plus(value) for name, value in params.items()},
        Reason.NOT_DECODED,
    ),
    "own parameter": (lambda params: {**params, "_config": "x"}, Reason.EXTRA_PARAMETER),
    "three own": (lambda p: {**p, "r": "shop/pay", "m": "1", "s": "2"}, Reason.EXTRA_PARAMETER),
    "charset lost": (without("charset"), Reason.MISSING_PARAMETER),
    "version lost": (without("version"), Reason.MISSING_PARAMETER),
    "two lost": (without("version", "notify_type"), Reason.MISSING_PARAMETER),
    "app_id lost": (without("app_id"), Reason.MISSING_PARAMETER),
    "number read": (one("total_amount", lambda v: v.removesuffix("0")), Reason.REFORMATTED),
    "trimmed": (one("subject", str.strip), Reason.REFORMATTED),
    "JSON written anew": (
        one("fund_bill_list", lambda v: json.dumps(json.loads(v))),
        Reason.REFORMATTED,
    ),
    "cut off": (one("fund_bill_list", lambda v: v[:-2]), Reason.TRUNCATED),
    "sign without padding": (one("sign", lambda v: v.rstrip("=")), Reason.SIGN_CHANGED),
    "sign in quotes": (one("sign", lambda v: f'"{v}"\n'), Reason.SIGN_CHANGED),
}
# Which do nothing to a kind of signature.
_NOT_WITH_MD5 = ("sign without padding",)


@pytest.mark.parametrize("charset", ["utf-8", "GBK"])
@pytest.mark.parametrize("sign_type", list(_SIGNERS))
@for_each("name", MISTAKES)
def test_a_mistake_is_named(name: str, sign_type: str, charset: str) -> None:
    if sign_type == "MD5" and name in _NOT_WITH_MD5:
        return
    mistake, reason = MISTAKES[name]
    signer = _SIGNERS[sign_type]
    # Who lost the charset configures the right one, or the text would be in another as well.
    found = diagnose(
        mistake(signed(notification(charset), signer, charset)), signer, charset=charset
    )
    assert (found.valid, found.reason) == (False, reason), found.hint
    assert found.hint
    assert "Besides" not in found.hint


# One of each reason is enough to pair; a mistake in spelling keeps to values that are left alone.
_PAIRED = {
    "plus became space": MISTAKES["plus became space"],
    "not decoded": MISTAKES["not decoded"],
    "escaped for a page": MISTAKES["escaped for a page"],
    "addslashes": MISTAKES["addslashes"],
    "lists": MISTAKES["lists"],
    "own parameter": MISTAKES["own parameter"],
    "app_id lost": MISTAKES["app_id lost"],
    "number read": MISTAKES["number read"],
    "sign in quotes": MISTAKES["sign in quotes"],
}


@pytest.mark.parametrize("sign_type", ["MD5", "RSA2"])
@for_each("first,second", permutations(_PAIRED, 2))
def test_two_mistakes_are_named(first: str, second: str, sign_type: str) -> None:
    signer = _SIGNERS[sign_type]
    spoilt = _PAIRED[first][0](signed(notification("utf-8"), signer, "utf-8"))
    params = _PAIRED[second][0](spoilt)
    if params == spoilt:
        return  # the first has left nothing for the second to spoil
    found = diagnose(params, signer)
    assert not found.valid
    # Undoing one may undo the other with it: reading a list also reads the backslashes in it.
    assert {found.reason, *found.also} <= {_PAIRED[first][1], _PAIRED[second][1]}, found.hint


def test_a_body_that_was_decoded_before_is_reported() -> None:
    for signer in _SIGNERS.values():
        params = signed(notification("utf-8"), signer, "utf-8")
        pasted = "&".join(f"{name}={value}" for name, value in params.items()).encode()
        found = diagnose(pasted, signer)
        assert (found.valid, found.reason) == (False, Reason.DOUBLE_DECODED), found.hint


def test_md5_in_capitals_is_reported() -> None:
    params = signed(notification("utf-8"), _SIGNERS["MD5"], "utf-8")
    found = diagnose({**params, "sign": params["sign"].upper()}, _SIGNERS["MD5"])
    assert found.reason == Reason.SIGN_CHANGED
    assert "upper case" in found.hint


@pytest.mark.parametrize("sign_type", ["RSA", "RSA2"])
def test_base64_in_lower_case_is_described_and_no_more(sign_type: str) -> None:
    params = signed(notification("utf-8"), _SIGNERS[sign_type], "utf-8")
    found = diagnose({**params, "sign": params["sign"].lower()}, _SIGNERS[sign_type])
    assert found.reason == Reason.ALTERED
    assert "no capital letter" in found.hint


def test_a_signature_that_is_still_encoded_is_reported() -> None:
    signer = _SIGNERS["RSA2"]
    params = signed(notification("utf-8"), signer, "utf-8")
    found = diagnose({**params, "sign": quote(params["sign"], safe="")}, signer)
    assert found.reason == Reason.NOT_DECODED


@pytest.mark.parametrize("name", ["notify_id", "trade_no", "out_trade_no"])
def test_a_missing_mandatory_parameter_is_mentioned(name: str) -> None:
    for signer in _SIGNERS.values():
        found = diagnose(without(name)(signed(notification("utf-8"), signer, "utf-8")), signer)
        assert found.reason == Reason.ALTERED
        assert f"lacks parameters that Alipay always sends: {name}." in found.hint


def test_the_kind_of_message_is_determined_by_the_signed_parameters() -> None:
    signer = _SIGNERS["RSA2"]
    params = {
        "msg_method": "alipay.trade.order.settle.notify",
        "sign_type": "RSA2",
        "charset": "utf-8",
    }
    params["sign"] = signer.sign(sign_content(params, exclude=("sign",)))
    found = diagnose(params, signer)
    assert found.reason == Reason.SIGN_TYPE_IN_STRING
    assert "messages" in found.hint


def of_sandbox() -> Params:
    return {**notification("utf-8"), "app_id": "9021000122682882"}


def test_a_payload_of_the_sandbox_does_not_go_with_productions_key() -> None:
    stranger = Rsa2Signer(generate_private_key(1024))
    payload = signed(of_sandbox(), stranger, "utf-8")
    merchant_signer = Rsa2Signer(public_key=_ALIPAY.public_key())
    found = diagnose(payload, merchant_signer, production=True)
    assert (found.valid, found.reason) == (False, Reason.WRONG_ENVIRONMENT)
    assert diagnose(payload, merchant_signer).reason == Reason.WRONG_KEY
    assert "sandbox" in diagnose(payload, merchant_signer).hint
    of_production = signed(notification("utf-8"), stranger, "utf-8")
    found = diagnose(of_production, merchant_signer, production=True)
    assert found.reason == Reason.WRONG_KEY
    assert "it comes from Alipay's sandbox" not in found.hint


def altered(good: Params, chance: random.Random) -> Params:
    """Insert, replace or remove one character in the middle of a signed value."""
    names = [n for n in good if n not in ("sign", "sign_type", "charset", "_input_charset")]
    while True:
        name = chance.choice(names)
        value = good[name]
        place = chance.randrange(len(value) + 1)
        end = place + chance.choice((0, 1))
        bad = value[:place] + chance.choice(("", *"0137xyzQ茶,.-")) + value[end:]
        # Whoever cuts a value off at its end, or trims it, has made a mistake with a name.
        if bad and not value.startswith(bad.rstrip()) and bad.strip() != value.strip():
            return {**good, name: bad}


@pytest.mark.parametrize("sign_type", list(_SIGNERS))
@pytest.mark.parametrize("charset", ["utf-8", "GBK"])
def test_a_random_alteration_is_called_nothing_but_altered(sign_type: str, charset: str) -> None:
    signer, chance = _SIGNERS[sign_type], random.Random(f"{sign_type} {charset}")
    good = {**signed(notification(charset), signer, charset)}
    for _ in range(examples(60)):
        bad = altered(good, chance)
        found = diagnose(bad, signer)
        assert found.reason == Reason.ALTERED, (found.hint, bad)


@pytest.mark.parametrize(
    "more",
    [
        {"subject": "+ " * 15_000},
        {"body": "%" * 60_000},
        {"subject": "['" + "[{" * 9_000},
        {f"x{number}": "a b+c%41&quot;['d']" for number in range(190)},
    ],
    ids=["swaps", "percents", "brackets", "names"],
)
@pytest.mark.parametrize("sign_type", ["MD5", "RSA2"])
def test_a_payload_that_invites_to_try_for_ever_is_given_up(more: Params, sign_type: str) -> None:
    good = signed(notification("utf-8"), _SIGNERS[sign_type], "utf-8")
    assert diagnose({**good, "total_amount": "1", **more}, _SIGNERS[sign_type]).reason == (
        Reason.ALTERED
    )


@with_vectors("captured-notify", "captured-return", "notify", where=is_valid)
def test_a_captured_payload_that_is_altered_is_called_nothing_else(vector: Vector) -> None:
    signer, chance = signer_of(vector), random.Random(vector["id"])
    good = {**vector["params"], "sign": vector["sign"]}
    for _ in range(4):
        assert diagnose(altered(good, chance), signer).reason == Reason.ALTERED


# What a captured payload can have suffered whatever is in it.
_ANYWHERE = (
    "not decoded, %20",
    "escaped for a page",
    "addslashes",
    "lists",
    "own parameter",
    "three own",
    "sign in quotes",
)


@with_vectors("captured-notify", "captured-return", "notify", where=is_valid)
def test_a_mistake_in_a_captured_payload_is_named(vector: Vector) -> None:
    signer = signer_of(vector)
    good = {**vector["params"], "sign": vector["sign"]}
    for name in _ANYWHERE:
        mistake, reason = MISTAKES[name]
        bad = mistake(good)
        if bad != good:
            assert diagnose(bad, signer).reason == reason, name
