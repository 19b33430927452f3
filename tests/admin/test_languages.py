"""The operator pages in the operator's language."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import flask_alipay

from .shop import Shop

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}
TEMPLATES = Path(flask_alipay.__file__).parent / "templates" / "alipay_admin"


def test_the_menu_and_the_pages_are_in_chinese(shop: Shop) -> None:
    number = shop.sold()
    page = shop.get(f"payments/{number}", headers=CHINESE).text
    for text in ("时间线", "支付成功", "退款", "收款统计", "异步通知", '<html lang="zh-CN">'):
        assert text in page
    assert "History" not in page


def test_the_pages_are_in_english(shop: Shop) -> None:
    page = shop.get("payments/").text
    assert '<html lang="en">' in page
    assert not re.search("[一-鿿]", page)


def test_another_language_gets_english(shop: Shop) -> None:
    assert "Search payments" in shop.get("payments/", headers={"Accept-Language": "fr"}).text


@pytest.mark.parametrize("path", ["payments/", "refunds/", "notifications/", "takings/"])
def test_no_english_text_is_left_in_chinese_pages(shop: Shop, path: str) -> None:
    number = shop.sold()
    shop.refund(number, "1.00")
    shop.get(path)  # shows the message about the refund, in the language of that request
    page = (
        shop.get(path, headers=CHINESE).text.split('<main class="alipay">')[1].split("</main>")[0]
    )
    text = re.sub(r"<[^>]+>", " ", page)
    left = set(re.findall(r"\b[A-Za-z]{3,}\b", text)) - _NAMES
    assert not {word for word in left if not word.isupper()}, left


_NAMES = {
    "page",
    "wap",
    "app",
    "qr",
    "barcode",
    "preauth",
    "tea",
    "alice",
    "done",
    "refund",
    "refunded",
    "alipay",
    "trade",
    "paid",
    "by",
    "precreate",
    "jsapi",
    "flask",
    "reconcile",
    "CSV",
}


def test_a_csv_file_is_in_the_operators_language(shop: Shop) -> None:
    head = shop.get("payments/export.csv", headers=CHINESE).text
    assert "商户订单号" in head


def test_every_text_of_the_templates_is_looked_up() -> None:
    """Texts that are not in _("…") would stay English."""
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}|<style.*?</style>|<[^>]*>", " ", text, flags=re.S)
        assert not re.search("[A-Za-z]{2,}", text), template.name


# Flask-Admin's own texts and ours, where Flask-Babel is not installed.
_WITHOUT_BABEL = """
import sys
sys.modules["flask_babel"] = None
from flask import Flask
from flask_admin import Admin
from flask_sqlalchemy import SQLAlchemy
from flask_alipay import AlipayBlueprint, PaymentMixin
from flask_alipay.admin import add_alipay_views

db = SQLAlchemy()
class Payment(PaymentMixin, db.Model): ...
app = Flask("shop", instance_path=sys.argv[1])
app.config.update(SECRET_KEY="test", TESTING=True, ALIPAY_SIMULATOR=True,
                  SQLALCHEMY_DATABASE_URI="sqlite://")
db.init_app(app)
alipay = AlipayBlueprint(db, Payment)
app.register_blueprint(alipay, url_prefix="/alipay")
with app.app_context():
    db.create_all()
add_alipay_views(Admin(app), alipay, is_accessible=lambda: True)
for language in ("zh-CN", "en"):
    page = app.test_client().get("/admin/alipay/payments/", headers={"Accept-Language": language})
    print(page.status_code, [text in page.text for text in ("搜索订单", "Search payments")])
"""


def test_a_shop_without_flask_babel_follows_the_browser(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT_BABEL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "200 [True, False]\n200 [False, True]\n"


def test_the_texts_in_templates_are_constants() -> None:
    """A text that is put together is found in no catalogue."""
    calls = re.compile(r"\b_\((?!\s*[\"'])([^)]*)\)")
    for template in TEMPLATES.glob("*.html"):
        found = calls.findall(template.read_text(encoding="utf-8"))
        assert set(found) <= {"text"}, template.name
