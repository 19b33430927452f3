"""The example shop, used as a visitor would."""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.cli import ScriptInfo
from sqlalchemy import func, select

from flask_alipay import TradeStatus

from .buyer import Buyer
from .conftest import EXAMPLES, dispose

OpenShop = Callable[..., Flask]

OPEN_PLATFORM = {
    "open platform": {},
    "open platform with certificates": {"ALIPAY_SIMULATOR": "certificates"},
    "open platform with v3": {"ALIPAY_API_VERSION": "v3"},
}
LEGACY = {
    "legacy gateway": {"ALIPAY_PROTOCOL": "mapi"},
    "legacy gateway in GBK": {"ALIPAY_PROTOCOL": "mapi", "ALIPAY_INPUT_CHARSET": "gbk"},
    "legacy gateway with RSA": {"ALIPAY_PROTOCOL": "mapi", "ALIPAY_SIGN_TYPE": "RSA"},
}
MERCHANTS = OPEN_PLATFORM | LEGACY
ESCROW = "alipay-escrow"
QR = "alipay-qr"
REAL = {
    "SERVER_NAME": "shop.example",
    "ALIPAY_PARTNER": "2088123456789012",
    "ALIPAY_KEY": "a key that opens nothing at all.",
    "ALIPAY_SELLER_EMAIL": "shop@example.com",
}


@pytest.fixture(params=MERCHANTS.values(), ids=MERCHANTS.keys())
def merchant(request: pytest.FixtureRequest) -> dict[str, str]:
    settings: dict[str, str] = request.param
    return settings


class Books:
    """Read and change the shop's tables, each time in a new app context."""

    def __init__(self, app: Flask, models: Any) -> None:
        self._app = app
        self._models = models

    def pieces(self, slug: str) -> int:
        with self._app.app_context():
            stock = self._models.db.session.get(self._models.Stock, slug)
            return int(stock.pieces)

    def put(self, slug: str, pieces: int) -> None:
        with self._app.app_context():
            self._models.db.session.get(self._models.Stock, slug).pieces = pieces
            self._models.db.session.commit()

    def count(self, name: str) -> int:
        with self._app.app_context():
            query = select(func.count()).select_from(getattr(self._models, name))
            return int(self._models.db.session.scalar(query))

    def waiting_shipments(self) -> list[bool]:
        with self._app.app_context():
            return list(
                self._models.db.session.scalars(select(self._models.Shipment.waits_for_stock))
            )

    def change(self, order: str, **values: Any) -> None:
        with self._app.app_context():
            self._order(order, **values)
            self._models.db.session.commit()

    def number(self, order: str) -> str:
        with self._app.app_context():
            return str(self._order(order).number)

    def refund(self, order: str, fen: int | None = None) -> None:
        """Record a refund, as from Alipay's console: in full, unless an amount is given."""
        with self._app.app_context():
            sale = self._order(order).sale
            sale.refunded_fen = sale.total_fen if fen is None else fen
            self._models.db.session.commit()

    def wait_for(self, trade_status: str) -> None:
        """Wait for the simulator's notification, half a second after its response."""
        end = time.monotonic() + 10
        while self._trade_status() != trade_status:
            assert time.monotonic() < end, self._trade_status()
            time.sleep(0.05)

    def _trade_status(self) -> str:
        with self._app.app_context():
            query = select(self._models.Payment.trade_status)
            return str(self._models.db.session.scalar(query))

    def let_time_pass(self, order: str) -> None:
        self.change(order, pay_by=self._models.now() - timedelta(minutes=2))

    def _order(self, order: str, **values: Any) -> Any:
        token = order.rsplit("/", 1)[1]
        query = select(self._models.Order).where(self._models.Order.token == token)
        found = self._models.db.session.scalar(query)
        for name, value in values.items():
            setattr(found, name, value)
        return found


@pytest.fixture
def books(app: Flask, shop: ModuleType) -> Books:
    return Books(app, shop.models)


# Starting


def test_it_starts_with_the_command_in_its_docstring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", f"sqlite:///{tmp_path / 'shop.db'}")
    monkeypatch.setenv("FLASK_SECRET_KEY", "not a secret")
    app = ScriptInfo(app_import_path=str(EXAMPLES / "shop")).load_app()
    assert app.test_client().get("/").status_code == 200
    dispose(app)


def test_it_can_start_twice_with_one_database(open_shop: OpenShop) -> None:
    open_shop()
    assert open_shop().test_client().get("/").status_code == 200


def test_the_simulator_is_on_by_default(app: Flask) -> None:
    assert app.config["ALIPAY_SIMULATOR"] is True


def test_real_credentials_turn_the_simulator_off(open_shop: OpenShop) -> None:
    assert open_shop(REAL).config["ALIPAY_SIMULATOR"] is False


@pytest.mark.parametrize("name", ["ALIPAY_PROTOCOL", "FLASK_ALIPAY_PROTOCOL"])
def test_the_environment_configures_it(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "mapi")
    assert open_shop().config["ALIPAY_PROTOCOL"] == "mapi"


def test_the_callers_configuration_takes_precedence(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "from the environment")
    assert open_shop({"SECRET_KEY": "from the caller"}).config["SECRET_KEY"] == "from the caller"


def test_the_secret_key_survives_a_restart(open_shop: OpenShop) -> None:
    first, second = open_shop(), open_shop()
    assert first.config["SECRET_KEY"] == second.config["SECRET_KEY"]
    assert len(first.config["SECRET_KEY"]) == 64


def test_the_secret_key_is_readable_by_its_owner_only(app: Flask) -> None:
    place = Path(app.instance_path) / "secret_key"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in place.parent.glob("tmp*")] == []


# Ordering


def test_the_catalogue_shows_every_product(buyer: Buyer, shop: ModuleType) -> None:
    page = buyer.look("/").text
    assert all(
        product.title.split(" (")[0] in page for product in shop.catalogue.CATALOGUE.values()
    )


def test_an_order_reserves_its_products(buyer: Buyer, books: Books) -> None:
    before = books.pieces("dragon-well")
    buyer.order(dragon_well=2, gaiwan=1)
    assert books.pieces("dragon-well") == before - 2


def test_the_last_piece_is_sold_once(buyer: Buyer, books: Books) -> None:
    books.put("gaiwan", 1)
    buyer.order(gaiwan=1)
    assert buyer.try_to_order(gaiwan=1).status_code == 409


def test_an_order_that_cannot_be_filled_reserves_nothing(buyer: Buyer, books: Books) -> None:
    books.put("gaiwan", 1)
    before = books.pieces("dragon-well")
    assert buyer.try_to_order(dragon_well=3, gaiwan=2).status_code == 409
    assert books.pieces("dragon-well") == before
    assert books.count("Order") == 0


def test_simultaneous_buyers_get_no_more_than_the_stock(
    open_shop: OpenShop, shop: ModuleType, database_url: str
) -> None:
    app = open_shop({"SQLALCHEMY_DATABASE_URI": database_url})
    books = Books(app, shop.models)
    books.put("gaiwan", 3)
    buyers = [Buyer(app) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda buyer: buyer.try_to_order(gaiwan=1), buyers))
    assert sorted(response.status_code for response in responses) == [303] * 3 + [409] * 5
    assert books.pieces("gaiwan") == 0


@pytest.mark.parametrize("quantity", ["0", "-1", "21", "two", "1.5", "", "9" * 5000])
def test_an_order_with_an_invalid_quantity_is_rejected(buyer: Buyer, quantity: str) -> None:
    assert buyer.try_to_order(dragon_well=quantity).status_code == 400


def test_the_browser_cannot_set_a_price(buyer: Buyer) -> None:
    order = buyer.order(dragon_well=1, price_fen=1, total_fen=1)
    assert "¥88.00" in buyer.look(order).text


def test_a_form_without_a_token_is_rejected(buyer: Buyer) -> None:
    assert buyer.send("/orders", {"method": "alipay", "dragon-well": "1"}).status_code == 400


def test_a_form_with_the_token_of_another_visitor_is_rejected(app: Flask, buyer: Buyer) -> None:
    stolen = Buyer(app).token()
    buyer.token()
    form = {"token": stolen, "method": "alipay", "dragon-well": "1"}
    assert buyer.send("/orders", form).status_code == 400


def test_an_order_is_listed_only_in_the_session_that_placed_it(app: Flask, buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    assert order in buyer.look("/orders").text
    assert order not in Buyer(app).look("/orders").text


def test_the_link_gives_access_to_the_order(app: Flask, buyer: Buyer) -> None:
    assert Buyer(app).look(buyer.order(keemun=1)).status_code == 200


def test_an_order_that_does_not_exist_is_not_found(buyer: Buyer) -> None:
    assert buyer.look("/order/T1001").status_code == 404


# Paying


def test_a_paid_order_is_paid_and_shipped(
    open_shop: OpenShop, shop: ModuleType, merchant: dict[str, str]
) -> None:
    app = open_shop(merchant)
    buyer, books = Buyer(app), Books(app, shop.models)
    order = buyer.order(big_red_robe=2)
    buyer.end(order, "pay")
    assert buyer.state(order) == "paid"
    assert books.waiting_shipments() == [False]


def test_a_failed_and_a_paid_payment_work_on_every_database(
    open_shop: OpenShop, shop: ModuleType, database_url: str
) -> None:
    app = open_shop({"SQLALCHEMY_DATABASE_URI": database_url})
    buyer, books = Buyer(app), Books(app, shop.models)
    order = buyer.order(big_red_robe=2, gaiwan=1)
    buyer.end(order, "close")
    assert buyer.state(order) == "failed"
    buyer.end(order, "pay")
    assert buyer.state(order) == "paid"
    assert books.count("Shipment") == 1


@pytest.fixture(params=OPEN_PLATFORM.values(), ids=OPEN_PLATFORM.keys())
def modern_app(open_shop: OpenShop, request: pytest.FixtureRequest) -> Flask:
    """A shop on the open platform."""
    return open_shop(request.param)


def test_a_phone_that_scans_the_code_pays_the_order(modern_app: Flask, shop: ModuleType) -> None:
    buyer, books = Buyer(modern_app), Books(modern_app, shop.models)
    order = buyer.order(method=QR, keemun=2)
    page = buyer.look(buyer.checkout(order)).text
    assert "<svg" in page
    code = re.search(r'href="([^"]+/simulator/cashier/[^"]+)"', page)
    assert code is not None
    phone = Buyer(modern_app)
    assert "¥" in phone.look(unescape(code[1])).text
    phone.send(f"{unescape(code[1])}/pay", {})
    assert buyer.state(order) == "paid"
    assert books.waiting_shipments() == [False]


def test_the_legacy_gateway_offers_no_qr_code(open_shop: OpenShop) -> None:
    buyer = Buyer(open_shop({"ALIPAY_PROTOCOL": "mapi"}))
    assert "扫码支付" not in buyer.look("/tea/keemun").text
    assert buyer.try_to_order(method=QR, keemun=1).status_code == 409


def test_an_order_stays_open_until_it_is_paid(buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    buyer.cashier(order)
    assert buyer.state(order) == "open"


@pytest.mark.parametrize(("ending", "state"), [("close", "failed"), ("expire", "expired")])
def test_an_order_whose_trade_was_closed_releases_its_products(
    open_shop: OpenShop, shop: ModuleType, merchant: dict[str, str], ending: str, state: str
) -> None:
    app = open_shop(merchant)
    buyer, books = Buyer(app), Books(app, shop.models)
    before = books.pieces("keemun")
    order = buyer.order(keemun=4)
    buyer.end(order, ending)
    if merchant in LEGACY.values():  # Alipay sends no notification: reconcile
        with app.test_request_context():
            shop.paying.alipay.reconcile(timedelta(0))
    assert buyer.state(order) == state
    assert books.pieces("keemun") == before
    assert books.count("Shipment") == 0


def test_the_result_page_links_to_the_orders(buyer: Buyer) -> None:
    checkout = buyer.checkout(buyer.order(keemun=1))
    result = re.search(r'href="([^"]+/result/[^"]+)"', buyer.look(checkout).text)
    assert result is not None
    assert 'href="/orders"' in buyer.look(result[1]).text


def test_a_second_attempt_creates_a_second_payment(buyer: Buyer, books: Books) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "close")
    buyer.end(order, "pay")
    assert buyer.state(order) == "paid"
    assert books.count("Payment") == 2


def test_pressing_pay_twice_creates_one_payment(buyer: Buyer, books: Books) -> None:
    order = buyer.order(keemun=1)
    buyer.checkout(order)
    buyer.checkout(order)
    assert books.count("Payment") == 1


def test_a_second_attempt_fails_if_the_product_is_sold_out(buyer: Buyer, books: Books) -> None:
    order = buyer.order(gaiwan=1)
    buyer.end(order, "close")
    books.put("gaiwan", 0)
    response = buyer.send(f"{order}/pay", {"token": buyer.token()})
    assert response.status_code == 409
    assert "Gaiwan" in response.text
    assert buyer.state(order) == "failed"


def test_an_order_that_is_never_paid_releases_its_products(buyer: Buyer, books: Books) -> None:
    before = books.pieces("keemun")
    order = buyer.order(keemun=4)
    books.let_time_pass(order)
    assert "The time to pay is over" in buyer.look(order).text
    assert books.pieces("keemun") == before


def test_an_expired_order_cannot_be_paid_before_it_is_closed(
    buyer: Buyer, books: Books, shop: ModuleType
) -> None:
    order = buyer.order(keemun=1)
    books.change(order, pay_by=shop.models.now() - timedelta(seconds=1))
    response = buyer.send(f"{order}/pay", {"token": buyer.token()})
    assert response.location.endswith(order)
    assert buyer.state(order) == "expired"


def test_a_late_payment_is_a_sale(buyer: Buyer, books: Books) -> None:
    before = books.pieces("keemun")
    order = buyer.order(keemun=1)
    cashier = buyer.cashier(order)
    books.let_time_pass(order)
    buyer.look("/")
    buyer.send(f"{cashier}/pay", {})
    assert buyer.state(order) == "paid"
    assert books.pieces("keemun") == before - 1


def test_a_late_payment_of_a_sold_out_product_waits_for_the_next_delivery(
    buyer: Buyer, books: Books
) -> None:
    order = buyer.order(keemun=1, gaiwan=1)
    cashier = buyer.cashier(order)
    books.let_time_pass(order)
    buyer.look("/")
    books.put("keemun", 0)
    left = books.pieces("gaiwan")
    buyer.send(f"{cashier}/pay", {})
    assert books.waiting_shipments() == [True]
    assert books.pieces("gaiwan") == left
    assert "next delivery" in buyer.look(order).text


def test_an_order_paid_twice_is_shipped_once(
    buyer: Buyer, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    order = buyer.order(keemun=1)
    first = buyer.cashier(order)
    books.let_time_pass(order)
    buyer.look("/")
    buyer.end(order, "pay")
    buyer.send(f"{first}/pay", {})
    assert books.count("Shipment") == 1
    assert "paid twice" in caplog.text


def test_closing_the_first_payment_late_does_not_close_the_second(
    buyer: Buyer, books: Books
) -> None:
    order = buyer.order(keemun=1)
    first = buyer.cashier(order)
    books.let_time_pass(order)
    buyer.look("/")
    buyer.checkout(order)
    buyer.send(f"{first}/close", {})
    assert buyer.state(order) == "open"


def test_a_merchant_on_the_legacy_gateway_offers_banks(open_shop: OpenShop) -> None:
    buyer = Buyer(open_shop({"ALIPAY_PROTOCOL": "mapi"}))
    order = buyer.order(keemun=1)
    buyer.end(order, "pay", way="China Merchants Bank")
    assert buyer.state(order) == "paid"


def test_the_open_platform_offers_no_banks(buyer: Buyer) -> None:
    assert len(buyer.ways_to_pay(buyer.checkout(buyer.order(keemun=1)))) == 1


# Escrow and operators


@pytest.fixture(params=LEGACY.values(), ids=LEGACY.keys())
def escrow_app(open_shop: OpenShop, request: pytest.FixtureRequest) -> Flask:
    """A shop with escrow."""
    return open_shop(request.param)


@pytest.fixture
def legacy_app(open_shop: OpenShop) -> Flask:
    return open_shop({"ALIPAY_PROTOCOL": "mapi"})


def test_an_escrow_order_is_paid_shipped_and_confirmed(escrow_app: Flask, shop: ModuleType) -> None:
    buyer, books = Buyer(escrow_app), Books(escrow_app, shop.models)
    order = buyer.order(method=ESCROW, keemun=2)
    cashier = buyer.cashier(order)
    assert buyer.state(order) == "open"
    buyer.send(f"{cashier}/deposit", {})
    assert buyer.state(order) == "paid"
    assert books.waiting_shipments() == [False]
    assert buyer.ship(order).location == "/admin/parcels/"
    assert buyer.state(order) == "sent"
    books.wait_for(TradeStatus.WAIT_BUYER_CONFIRM_GOODS)
    buyer.send(f"{cashier}/confirm", {})
    assert buyer.state(order) == "completed"


def test_a_shipped_order_links_to_its_confirmation(legacy_app: Flask, shop: ModuleType) -> None:
    buyer, books = Buyer(legacy_app), Books(legacy_app, shop.models)
    order = buyer.order(method=ESCROW, keemun=1)
    cashier = buyer.cashier(order)
    buyer.send(f"{cashier}/deposit", {})
    buyer.ship(order)
    books.wait_for(TradeStatus.WAIT_BUYER_CONFIRM_GOODS)
    link = re.search(r'href="([^"]+)">Confirm at', buyer.look(order).text)
    assert link is not None
    assert buyer.look(unescape(link[1])).location == cashier


def test_a_legacy_merchant_offers_escrow(legacy_app: Flask) -> None:
    assert "担保交易" in Buyer(legacy_app).look("/tea/keemun").text


def test_the_open_platform_has_no_escrow(buyer: Buyer, books: Books) -> None:
    assert "担保交易" not in buyer.look("/tea/keemun").text
    response = buyer.try_to_order(method=ESCROW, keemun=1)
    assert response.status_code == 409
    assert books.count("Order") == 0


def test_escrow_offers_no_banks(legacy_app: Flask) -> None:
    buyer = Buyer(legacy_app)
    checkout = buyer.checkout(buyer.order(method=ESCROW, keemun=1))
    assert len(buyer.ways_to_pay(checkout)) == 1


@pytest.mark.parametrize("ending", ["close", "expire"])
def test_unpaid_escrow_releases_its_products(
    legacy_app: Flask, shop: ModuleType, ending: str
) -> None:
    buyer, books = Buyer(legacy_app), Books(legacy_app, shop.models)
    before = books.pieces("keemun")
    buyer.end(buyer.order(method=ESCROW, keemun=3), ending)
    assert books.pieces("keemun") == before


def test_pressing_the_button_twice_ships_an_order_once(legacy_app: Flask, shop: ModuleType) -> None:
    buyer, books = Buyer(legacy_app), Books(legacy_app, shop.models)
    order = buyer.order(method=ESCROW, keemun=1)
    buyer.end(order, "deposit")
    assert [buyer.ship(order).status_code for _ in range(2)] == [303, 303]
    books.wait_for(TradeStatus.WAIT_BUYER_CONFIRM_GOODS)


def test_a_shipment_confirmed_at_alipay_but_not_recorded_is_recorded_by_a_retry(
    legacy_app: Flask, shop: ModuleType
) -> None:
    buyer, books = Buyer(legacy_app), Books(legacy_app, shop.models)
    order = buyer.order(method=ESCROW, keemun=1)
    buyer.end(order, "deposit")
    buyer.ship(order)
    books.wait_for(TradeStatus.WAIT_BUYER_CONFIRM_GOODS)
    books.change(order, state="paid")
    buyer.ship(order)
    assert buyer.state(order) == "sent"


def test_an_order_is_not_shipped_if_alipay_rejects_the_confirmation(legacy_app: Flask) -> None:
    buyer = Buyer(legacy_app)
    order = buyer.order(method=ESCROW, keemun=1)
    buyer.end(order, "deposit")
    response = buyer.ship(order, carrier="")
    assert response.status_code == 303
    assert "logistics_name" in buyer.look(response.location).text
    assert buyer.state(order) == "paid"


def test_a_refunded_order_is_not_shipped(buyer: Buyer, books: Books) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    books.refund(order, 1)
    response = buyer.ship(order)
    assert "was refunded" in buyer.look(response.location).text
    assert buyer.state(order) == "partly_refunded"


@pytest.mark.parametrize(
    ("fen", "state", "words"),
    [
        (None, "refunded", "Your payment was refunded"),
        (1, "partly_refunded", "Your payment was refunded in part"),
    ],
)
def test_a_refunded_order_is_neither_packed_nor_offered_for_shipping(
    buyer: Buyer, books: Books, fen: int | None, state: str, words: str
) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    books.refund(order, fen)
    page = buyer.look(order).text
    assert words in page
    assert "is being packed" not in page
    assert buyer.state(order) == state
    assert "Refunded" in buyer.look("/orders").text


def test_an_order_without_escrow_is_shipped_without_a_request_to_alipay(buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    buyer.ship(order)
    assert buyer.state(order) == "sent"
    assert "data-status" not in buyer.look(order).text


def test_an_unpaid_order_is_not_shipped(buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    buyer.ship(order)
    assert buyer.state(order) == "open"


def test_shipping_needs_a_form_with_a_token(buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    buyer.log_in()
    url = f"/admin/parcels/{order.rsplit('/', 1)[1]}/ship"
    assert buyer.send(url, {}).status_code == 400
    assert buyer.state(order) == "paid"


def test_the_operators_page_lists_paid_orders(buyer: Buyer, books: Books) -> None:
    sold, open_ = buyer.order(keemun=1), buyer.order(gaiwan=1)
    buyer.end(sold, "pay")
    buyer.log_in()
    page = buyer.look("/admin/parcels/").text
    assert sold in page
    assert open_ not in page


ADMIN = ("/admin/", "/admin/parcels/", "/admin/alipay/payments/", "/admin/alipay/takings/")


@pytest.mark.parametrize("config", [None, REAL], ids=["simulator", "real credentials"])
def test_operator_pages_are_behind_a_login(
    open_shop: OpenShop, config: dict[str, str] | None
) -> None:
    buyer = Buyer(open_shop(config))
    for url in ADMIN:
        response = buyer.look(url)
        assert (response.status_code, response.location.partition("?")[0]) == (303, "/login")
    assert buyer.log_in("guessed").status_code == 403
    assert buyer.look("/admin/parcels/").status_code == 303
    assert buyer.log_in().location == "/admin/"
    for url in ADMIN[1:]:
        assert buyer.look(url).status_code == 200
    assert buyer.look("/admin/").location == "/admin/alipay/takings/"
    buyer.send("/logout", {"token": buyer.token()})
    assert buyer.look("/admin/parcels/").status_code == 303


def test_shipping_needs_a_login(buyer: Buyer) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    url = f"/admin/parcels/{order.rsplit('/', 1)[1]}/ship"
    response = buyer.send(url, {"token": buyer.token(), "carrier": "EMS"})
    assert response.location.startswith("/login")
    assert buyer.state(order) == "paid"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/admin/\\evil", "/\\evil.example", "/"]
)
def test_a_login_redirects_to_no_other_site(app: Flask, buyer: Buyer, wanted: str) -> None:
    form = {
        "token": buyer.token(),
        "name": "keeper",
        "password": app.config["SHOP_ADMIN_PASSWORD"],
        "next": wanted,
    }
    assert buyer.send("/login", form).location == "/admin/"


def test_a_login_without_a_token_is_rejected(app: Flask, buyer: Buyer) -> None:
    form = {"name": "keeper", "password": app.config["SHOP_ADMIN_PASSWORD"]}
    assert buyer.send("/login", form).status_code == 400
    assert buyer.look("/admin/parcels/").status_code == 303


def test_a_new_password_ends_all_sessions(app: Flask, buyer: Buyer) -> None:
    buyer.log_in()
    app.config["SHOP_ADMIN_PASSWORD"] = "another"
    assert buyer.look("/admin/parcels/").status_code == 303


def test_the_password_is_stored_and_printed(app: Flask, open_shop: OpenShop) -> None:
    password = app.config["SHOP_ADMIN_PASSWORD"]
    again = open_shop()
    result = again.test_cli_runner().invoke(args=["admin-password"])
    assert result.output == f"keeper: {password}\n"
    assert len(password) >= 32
    place = Path(app.instance_path) / "admin_password"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_an_operator_finds_a_payment_by_the_shops_number(buyer: Buyer, books: Books) -> None:
    order, other = buyer.order(keemun=1), buyer.order(gaiwan=1)
    buyer.end(order, "pay")
    buyer.log_in()
    page = buyer.look(f"/admin/alipay/payments/?q={books.number(order)}").text
    assert books.number(order) in page
    assert books.number(other) not in page


def test_the_command_ships_an_order(app: Flask, buyer: Buyer, books: Books) -> None:
    order = buyer.order(keemun=1)
    buyer.end(order, "pay")
    number = books.number(order)
    result = app.test_cli_runner().invoke(args=["ship", number, "--carrier", "EMS"])
    assert (result.exit_code, result.output) == (0, f"{number} is on its way.\n")
    assert buyer.state(order) == "sent"


@pytest.mark.parametrize("number", ["T1001", "T9999", "1001", "nothing", "T" + "9" * 5000])
def test_the_command_rejects_orders_that_cannot_be_shipped(
    app: Flask, buyer: Buyer, number: str
) -> None:
    order = buyer.order(keemun=1)
    result = app.test_cli_runner().invoke(args=["ship", number])
    assert result.exit_code == 1
    assert "is not an order that can be shipped" in result.output
    assert buyer.state(order) == "open"


def test_the_command_cannot_reach_the_simulator_inside_the_shop(
    legacy_app: Flask, shop: ModuleType
) -> None:
    buyer, books = Buyer(legacy_app), Books(legacy_app, shop.models)
    order = buyer.order(method=ESCROW, keemun=1)
    buyer.end(order, "deposit")
    result = legacy_app.test_cli_runner().invoke(args=["ship", books.number(order)])
    assert result.exit_code == 1
    assert "/admin" in result.output
    assert buyer.state(order) == "paid"


# Payment methods that are no longer offered


def test_the_page_of_an_order_explains_that_its_method_is_no_longer_offered(
    buyer: Buyer, books: Books
) -> None:
    order = buyer.order(keemun=1)
    books.change(order, method="wechat")
    page = buyer.look(order)
    assert page.status_code == 200
    assert "WeChat Pay" in page.text


@pytest.mark.parametrize("method", ["wechat", "unknown method"])
def test_paying_with_a_method_that_is_no_longer_offered_is_rejected(
    buyer: Buyer, books: Books, method: str
) -> None:
    order = buyer.order(keemun=1)
    books.change(order, method=method[:20])
    response = buyer.send(f"{order}/pay", {"token": buyer.token()})
    assert response.status_code == 409
    assert "The shop does not accept" in response.text


def test_ordering_with_a_method_that_is_no_longer_offered_is_rejected(
    buyer: Buyer, books: Books
) -> None:
    response = buyer.try_to_order(method="wechat", keemun=1)
    assert response.status_code == 409
    assert books.count("Order") == 0
