"""The page about the operator pages: its code runs, and its statements are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_babel import Babel
from flask_login import LoginManager, UserMixin, login_user

from flask_alipay import PaymentMixin
from flask_alipay.admin import add_alipay_views

from ..doubles.shop import Payment, Shop, db, new_app, new_blueprint
from .reading import ROOT, code_blocks, page, rows, section


class User(UserMixin):
    """A user with or without a role."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.is_staff = name == "staff"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app, alipay = new_app(tmp_path, {"SIMULATOR": True}, TESTING=True), new_blueprint()
    second = new_blueprint(name="second", config_prefix="ALIPAY_SECOND")
    app.config["ALIPAY_SECOND_SIMULATOR"] = True
    app.register_blueprint(alipay, url_prefix="/alipay")
    app.register_blueprint(second, url_prefix="/second")
    shop = Shop(app, alipay)
    Babel(app)
    LoginManager(app).user_loader(User)

    @app.get("/login/<name>")
    def login(name: str) -> str:
        login_user(User(name))
        return ""

    names: dict[str, Any] = {
        "app": app,
        "alipay": alipay,
        "second_merchant": second,
        "db": db,
        "PaymentMixin": PaymentMixin,
    }
    blocks = code_blocks(page("admin.rst"))
    assert len(blocks) == 3
    for block in blocks[:2]:
        exec(block, names)
    yield app
    shop.close()


@pytest.mark.parametrize(
    ("name", "admin", "support"), [("", 403, 403), ("buyer", 403, 200), ("staff", 200, 200)]
)
def test_the_pages_are_accessible_to_the_users_whom_the_code_admits(
    app: Flask, name: str, admin: int, support: int
) -> None:
    client = app.test_client()
    client.get(f"/login/{name}")
    assert client.get("/admin/alipay/payments/").status_code == admin
    assert client.get("/support/second/payments/").status_code == support
    if name == "buyer":
        assert client.get("/support/second/takings/reconcile").status_code == 403
    if name == "staff":
        assert client.get("/support/second/takings/reconcile").status_code == 200


def test_the_class_with_a_reference_is_a_class_of_payments() -> None:
    block = code_blocks(page("admin.rst"))[2]
    assert "reference = db.Column" in block
    assert issubclass(Payment, PaymentMixin)


def test_every_option_is_explained() -> None:
    documented = {row[0].strip("`") for row in rows(section(page("admin.rst"), "Adding the pages"))}
    assert documented == set(signature(add_alipay_views).parameters) - {"admin", "alipay"}


@pytest.mark.parametrize("name", ["admin.rst", "missing-order.rst"])
def test_every_image_exists_in_both_languages_and_is_small(name: str) -> None:
    for image in re.findall(r"image:: (\S+)", page(name)):
        for suffix in (".png", ".zh_CN.png"):
            file = ROOT / "docs" / image.replace(".png", suffix)
            assert file.is_file(), file
            assert file.stat().st_size <= 150_000, file


def test_every_picture_is_shown_at_both_sizes() -> None:
    shown = set(re.findall(r"image:: _static/(\S+)[.]png", page("missing-order.rst")))
    taken = {file.name.partition(".")[0] for file in (ROOT / "docs/_static").glob("admin-*.png")}
    assert shown == taken
    assert {name.replace("phone", "desktop") for name in shown} == {
        name for name in shown if "desktop" in name
    }
