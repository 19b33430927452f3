"""Access to the operator pages: permissions to see them and to act."""

from __future__ import annotations

import pytest
from flask import redirect, request
from flask_admin import Admin
from flask_login import LoginManager, UserMixin, login_user

from flask_alipay.admin import add_alipay_views

from .conftest import OpenShop
from .shop import form_of

PAGES = ("payments/", "refunds/", "notifications/", "takings/", "payments/export.csv")
ACTIONS = ("query", "close", "refund")


@pytest.mark.parametrize("path", PAGES)
def test_without_a_rule_the_pages_are_shown_in_debug_mode_only(
    open_shop: OpenShop, path: str
) -> None:
    shop = open_shop(is_accessible=None)
    assert shop.get(path).status_code == 403
    shop.app.debug = True
    assert shop.get(path).status_code == 200


def test_a_user_without_permission_sees_no_page(open_shop: OpenShop) -> None:
    shop = open_shop(is_accessible=lambda: request.headers.get("Staff"))
    number = shop.sold()
    before, called = shop.ledger(), list(shop.called)
    form = form_of(shop.get(f"payments/{number}/refund", headers={"Staff": "yes"}).text)
    rules = [
        rule for rule in shop.app.url_map.iter_rules() if rule.endpoint.startswith("alipay_admin")
    ]
    assert len(rules) >= 14
    for rule in rules:
        url = str(rule).replace("<out_trade_no>", number).replace("<int:row_id>", "1")
        assert shop.client.get(url).status_code == 403, url
        if "POST" in (rule.methods or ()):
            assert shop.client.post(url, data={**form, "confirmed": "yes"}).status_code == 403
    assert "/admin/alipay/" not in shop.client.get("/admin/").text
    assert (shop.ledger(), shop.called) == (before, called)


def test_the_shop_decides_where_to_redirect_a_user_without_permission(
    open_shop: OpenShop,
) -> None:
    shop = open_shop(is_accessible=lambda: False, inaccessible=lambda: redirect("/login"))
    assert shop.get("payments/").location == "/login"


def test_without_permission_to_act_everything_is_read_only(open_shop: OpenShop) -> None:
    shop = open_shop(can_edit=False)
    number = shop.sold()
    before, called = shop.ledger(), list(shop.called)
    page = shop.get(f"payments/{number}").text
    for action in (*ACTIONS, "replay/1"):
        assert f"/payments/{number}/{action}" not in page
        for method in (shop.client.get, shop.client.post):
            assert method(f"/admin/alipay/payments/{number}/{action}").status_code == 403
    assert "takings/reconcile" not in shop.get("takings/").text
    assert shop.client.post("/admin/alipay/takings/reconcile").status_code == 403
    assert (shop.ledger(), shop.called) == (before, called)
    assert shop.actions() == []


def test_permission_to_act_may_depend_on_the_user(open_shop: OpenShop) -> None:
    shop = open_shop(can_edit=lambda: request.headers.get("Role") == "manager")
    number = shop.order()
    assert shop.get(f"payments/{number}/query").status_code == 403
    assert shop.get(f"payments/{number}/query", headers={"Role": "manager"}).status_code == 200


def test_no_page_edits_creates_or_deletes_rows(open_shop: OpenShop) -> None:
    shop = open_shop()
    number = shop.sold()
    before = shop.ledger()
    for path in ("payments", "refunds", "notifications", "takings"):
        for route in ("new/", "edit/", "delete/", "action/", "ajax/update/"):
            url = f"/admin/alipay/{path}/{route}"
            assert shop.client.post(url, data={"id": "1"}).status_code in (404, 405), url
    for path in (f"payments/{number}", "notifications/1", "payments/"):
        assert shop.client.post(f"/admin/alipay/{path}").status_code == 405
        assert shop.client.delete(f"/admin/alipay/{path}").status_code == 405
    assert shop.ledger() == before


def test_the_operator_is_flask_logins_user(open_shop: OpenShop) -> None:
    shop = open_shop(operator=None)
    manager = LoginManager(shop.app)

    class User(UserMixin):
        id = "bob"

    manager.user_loader(lambda _id: User())

    @shop.app.get("/login")
    def login() -> str:
        login_user(User())
        return ""

    number = shop.order()
    shop.client.get("/login")
    shop.act(f"payments/{number}/query")
    assert shop.actions()[0] == "query by bob"


def test_the_operator_is_the_user_of_http_authentication(open_shop: OpenShop) -> None:
    shop = open_shop(operator=None)
    number = shop.order()
    url = f"/admin/alipay/payments/{number}/query"
    form = form_of(shop.client.get(url).text)
    shop.client.post(url, data=form, auth=("carol", "secret"))
    assert shop.actions()[0] == "query by carol"
    shop.client.post(url, data=form)
    assert shop.actions()[-1] == "query by -: done"


def test_the_views_may_be_added_before_the_app_is_known(open_shop: OpenShop) -> None:
    admin = Admin()
    shop = open_shop(admin=lambda app: admin)
    admin.init_app(shop.app)
    assert shop.get("payments/").status_code == 200


def test_several_merchants_have_pages_side_by_side(open_shop: OpenShop) -> None:
    from flask_alipay import AlipayBlueprint

    shop = open_shop(category="China")
    second = AlipayBlueprint(
        shop.db, shop.Payment, shop.Refund, shop.Notification, name="hk", config_prefix="ALIPAY_HK"
    )
    shop.app.config["ALIPAY_HK_SIMULATOR"] = True
    shop.app._got_first_request = False
    shop.app.register_blueprint(second, url_prefix="/hk")
    (admin,) = shop.app.extensions["admin"]
    add_alipay_views(admin, second, is_accessible=lambda: True, category="Hong Kong")
    assert shop.client.get("/admin/hk/payments/").status_code == 200
    page = shop.client.get("/admin/").text
    assert "China" in page
    assert "Hong Kong" in page
