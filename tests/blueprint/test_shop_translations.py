"""Texts and languages that a shop adds to the buyers' pages by ``ALIPAY_TRANSLATIONS_PATH``."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from flask_alipay.exceptions import ConfigurationError

from ..doubles.merchant import Merchant
from ..doubles.shop import Shop
from .conftest import OpenShop


def compile_catalogue(folder: Path, language: str, texts: dict[str, str]) -> None:
    catalogue = Catalog(locale=language, charset="utf-8")
    for english, translated in texts.items():
        catalogue.add(english, translated)
    path = folder / language / "LC_MESSAGES" / "flask_alipay.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, catalogue)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Japanese, other words in English, and one other text in Chinese."""
    folder = tmp_path / "translations"
    compile_catalogue(folder, "ja", {"Checkout": "ご注文"})
    compile_catalogue(folder, "en", {"Checkout": "Your tea"})
    compile_catalogue(folder, "zh_CN", {"Checkout": "确认订单"})
    return folder


@pytest.fixture
def translated(open_shop: OpenShop, merchant: Merchant, folder: Path) -> Shop:
    return open_shop(merchant, ALIPAY_TRANSLATIONS_PATH=str(folder))


def checkout(shop: Shop, accepted: str) -> str:
    return shop.look("checkout", shop.order(), headers={"Accept-Language": accepted}).text


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("ja,en;q=0.5", "ja", "ご注文"),
        ("en-GB", "en", "Your tea"),
        ("zh", "zh-CN", "确认订单"),
        ("zh-CN", "zh-CN", "确认订单"),
        ("de", "en", "Your tea"),
    ],
)
def test_the_shops_text_takes_precedence(
    translated: Shop, accepted: str, language: str, title: str
) -> None:
    page = checkout(translated, accepted)
    assert f'<html lang="{language}">' in page
    assert f"<title>{title}</title>" in page


def test_a_text_that_the_shop_does_not_have_is_the_packages(translated: Shop) -> None:
    assert "已完成付款？" in checkout(translated, "zh-CN")


def test_a_text_that_no_catalogue_has_is_english(translated: Shop) -> None:
    assert "Already paid?" in checkout(translated, "ja")


def test_another_shop_keeps_the_packages_texts(
    translated: Shop, open_shop: OpenShop, merchant: Merchant
) -> None:
    assert "<title>Checkout</title>" in checkout(open_shop(merchant), "ja,en;q=0.5")


@pytest.mark.parametrize("name", ["", "missing", "relative"])
def test_a_folder_without_catalogues_is_rejected_at_registration(
    open_shop: OpenShop, merchant: Merchant, tmp_path: Path, name: str
) -> None:
    path = name if name == "relative" else str(tmp_path / name)
    with pytest.raises(ConfigurationError, match="'ALIPAY_TRANSLATIONS_PATH' must be"):
        open_shop(merchant, ALIPAY_TRANSLATIONS_PATH=path)
