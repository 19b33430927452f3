"""The example shop in Chinese and English."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from .buyer import Buyer

HAN = re.compile("[\u4e00-\u9fff]")
#: Words that are the same in both languages, or that only Chinese pages have.
SAME = re.compile(r"Cloud & Leaf|Flask-Alipay|Alipay|keeper|flask --app \S+ \S+|English|T\d+")


def chinese(buyer: Buyer) -> Buyer:
    buyer.look("/language/zh?next=/")
    return buyer


def words(html: str) -> str:
    """The words of a page that a reader sees."""
    body = re.sub(r"<(script|style|svg|title)\b.*?</\1>", " ", html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("&amp;", "&").split())


@pytest.mark.parametrize(
    ("accepted", "heading", "language"),
    [("zh-CN", "茶农直供的好茶", "zh-CN"), ("fr", "Tea from the people who grow it", "en")],
)
def test_the_browser_chooses_the_language(
    app: Flask, accepted: str, heading: str, language: str
) -> None:
    page = app.test_client().get("/", headers={"Accept-Language": accepted}).text
    assert heading in page
    assert f'<html lang="{language}">' in page


def test_the_switch_changes_the_language_and_returns_to_the_page(buyer: Buyer) -> None:
    page = buyer.look("/tea/keemun").text
    (switch,) = re.findall(r'href="(/language/zh[^"]*)"', page)
    response = buyer.look(switch)
    assert response.location == "/tea/keemun"
    assert "祁门红茶" in buyer.look("/tea/keemun").text
    assert "Keemun" not in words(buyer.look("/tea/keemun").text)


def test_the_switch_back_takes_precedence_over_the_browser(app: Flask) -> None:
    client = app.test_client()
    client.get("/language/en")
    assert "Tea from" in client.get("/", headers={"Accept-Language": "zh"}).text


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_the_switch_leads_to_no_other_site(buyer: Buyer, wanted: str) -> None:
    assert buyer.look(f"/language/zh?next={wanted}").location == "/"


def test_an_unknown_language_is_not_found(buyer: Buyer) -> None:
    assert buyer.look("/language/fr").status_code == 404


def test_pages_of_flask_alipay_follow_the_switch(buyer: Buyer) -> None:
    order = chinese(buyer).order(keemun=1)
    assert '<html lang="zh' in buyer.look(buyer.checkout(order)).text


def test_the_subject_at_alipay_is_in_the_buyers_language(app: Flask, buyer: Buyer) -> None:
    chinese(buyer).order(gaiwan=2, keemun=1)
    from shop.models import Payment, db

    with app.app_context():
        assert db.session.query(Payment).one().subject == "祁门红茶 × 1 等，另有 1 种商品"


@pytest.mark.parametrize("path", ["/", "/tea/gaiwan", "/orders", "/login", "/nothing"])
def test_a_chinese_page_has_no_english_sentence(buyer: Buyer, path: str) -> None:
    english = re.findall(r"[A-Za-z]{2,}", SAME.sub("", words(chinese(buyer).look(path).text)))
    assert english == []


@pytest.mark.parametrize("end", ["pay", "close", None])
def test_a_chinese_order_has_no_english_sentence(buyer: Buyer, end: str | None) -> None:
    order = chinese(buyer).order(keemun=1)
    if end:
        buyer.end(order, end, way="支付宝")
    english = re.findall(r"[A-Za-z]{2,}", SAME.sub("", words(buyer.look(order).text)))
    assert english == []


def test_an_english_page_has_chinese_for_names_only(buyer: Buyer) -> None:
    page = re.sub(r'<(\w+)[^>]* lang="zh"[^>]*>.*?</\1>', "", buyer.look("/").text, flags=re.S)
    assert HAN.findall(words(page)) == []


def test_the_operators_page_is_in_the_chosen_language(buyer: Buyer) -> None:
    order = chinese(buyer).order(keemun=1)
    buyer.end(order, "pay", way="支付宝")
    buyer.log_in()
    assert "立即发货" in buyer.look("/admin/parcels/").text
