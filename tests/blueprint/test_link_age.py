"""Links on our pages are as old as the link that opened the page, and are spelled in one way."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from werkzeug.test import TestResponse

from flask_alipay.models import utc_now
from flask_alipay.protocol.conversion import format_china_time

from ..doubles.merchant import Merchant, on_the_legacy_gateway
from ..doubles.shop import Shop

DAY = 24 * 60 * 60
#: Our own addresses in a page, with their tokens.
LINK = re.compile(r"/alipay/(?:checkout|pay|result|status)/[^\"'\s&?<]+")

Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Advance the tokens' clock by a number of seconds from the start."""
    begin = time.time()

    def move(seconds: float) -> None:
        monkeypatch.setattr("itsdangerous.timed.time.time", lambda: begin + seconds)

    move(0)
    return move


def links(answer: TestResponse) -> set[str]:
    found = {unescape(link) for link in LINK.findall(answer.text)}
    if answer.location:
        found.add(answer.location)
    return found


def reachable(shop: Shop, url: str, later: Later) -> set[str]:
    """Follows the links of pages, half an hour after each other, as far as they lead."""
    seen: set[str] = set()
    waiting, seconds = {url}, 0.0
    while waiting:
        seconds += 1800
        later(min(seconds, DAY - 60))
        link = waiting.pop()
        seen.add(link)
        answer = shop.client.get(link)
        assert answer.status_code in (200, 303), (link, answer.status_code)
        waiting |= {found for found in links(answer) if found.startswith("/alipay/")} - seen
    return seen


@pytest.mark.parametrize("kind", ["checkout", "pay", "result", "status"])
@pytest.mark.parametrize("paid", [False, True])
def test_whatever_is_followed_from_a_link_has_expired_a_day_after_it_was_made(
    shop: Shop, merchant: Merchant, later: Later, kind: str, paid: bool
) -> None:
    number = shop.order()
    if paid:
        shop.notify(merchant.notification(number))
    found = reachable(shop, shop.url(kind, number), later)
    later(DAY + 1)
    assert {shop.client.get(link).status_code for link in found} == {410}


@on_the_legacy_gateway
def test_the_links_to_banks_age_as_well(shop: Shop, merchant: Merchant, later: Later) -> None:
    found = reachable(shop, shop.url("checkout", shop.order()), later)
    assert len(found) > 3
    later(DAY + 1)
    assert {shop.client.get(link).status_code for link in found} == {410}


def test_the_result_page_that_a_return_opens_ages_from_the_return(
    shop: Shop, merchant: Merchant, later: Later
) -> None:
    returned_at = format_china_time(utc_now() - timedelta(hours=23))
    answer = shop.come_back(merchant.come_back(shop.order(), timestamp=returned_at))
    assert answer.status_code == 303
    assert shop.client.get(answer.location).status_code == 200
    later(3600 + 5)
    assert shop.client.get(answer.location).status_code == 410


def test_a_return_from_a_clock_that_is_ahead_opens_the_result(
    shop: Shop, merchant: Merchant
) -> None:
    ahead = format_china_time(utc_now() + timedelta(minutes=3))
    answer = shop.come_back(merchant.come_back(shop.order(), timestamp=ahead))
    assert shop.client.get(answer.location).status_code == 200


def test_the_application_makes_new_links_at_any_time(shop: Shop, later: Later) -> None:
    number = shop.order()
    later(3 * DAY)
    assert shop.look("result", number).status_code == 200


@pytest.mark.parametrize("other", ["checkout", "pay", "result"])
def test_a_status_token_opens_no_page(shop: Shop, other: str) -> None:
    url = shop.url("status", shop.order())
    assert shop.client.get(url).status_code == 200
    assert shop.client.get(url.replace("/status/", f"/{other}/")).status_code == 404


def test_a_result_token_opens_no_status(shop: Shop) -> None:
    url = shop.url("result", shop.order())
    assert shop.client.get(url.replace("/result/", "/status/")).status_code == 404


def last_bits_changed(token: str) -> str:
    """Return an equivalent signature: base64 of 20 bytes leaves two unused bits."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) ^ 1]


@pytest.mark.parametrize(
    "spell",
    [
        lambda token: f"{token}=",
        lambda token: f"{token}==",
        lambda token: f"{token}====",
        lambda token: token.replace(".", "=.", 1),
        lambda token: f"{token[:-3]}%21{token[-3:]}",
        lambda token: f"{token}%0A",
        lambda token: f"{token}%20",
        lambda token: f"{token}%C3%A9",
        last_bits_changed,
    ],
    ids=["=", "==", "====", "within", "foreign", "line break", "space", "not ASCII", "spare bits"],
)
@pytest.mark.parametrize("kind", ["checkout", "pay", "result", "status"])
def test_a_token_that_is_spelled_differently_opens_nothing(
    shop: Shop, kind: str, spell: Callable[[str], str]
) -> None:
    url = shop.url(kind, shop.order())
    head, _, token = url.rpartition("/")
    assert shop.client.get(f"{head}/{token}").status_code in (200, 303)
    assert shop.client.get(f"{head}/{spell(token)}").status_code == 404


def test_a_token_of_an_earlier_key_still_opens_its_page(shop: Shop, open_shop, merchant) -> None:
    number = shop.order()
    url = shop.url("result", number)
    settings = {"SECRET_KEY": "newer", "SECRET_KEY_FALLBACKS": ["not a secret"]}
    database = shop.app.config["SQLALCHEMY_DATABASE_URI"]
    rotated = open_shop(merchant, SQLALCHEMY_DATABASE_URI=database, **settings)
    assert rotated.client.get(url).status_code == 200
