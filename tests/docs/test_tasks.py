"""The how-to pages: their code works in an app with the simulator."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Integer, String

from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.exceptions import GatewayError
from flask_alipay.protocol.conversion import format_china_time
from flask_alipay.protocol.message import Message

from ..doubles.shop import Payment, Shop, db, new_app, new_blueprint
from .reading import code_blocks, page

CHINA = timezone(timedelta(hours=8))
Task = Callable[..., tuple[Shop, dict[str, Any]]]


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    """Execute the code of a page in a new app with the simulator."""
    shops: list[Shop] = []

    def execute(name: str, **settings: Any) -> tuple[Shop, dict[str, Any]]:
        app, alipay = new_app(tmp_path, {"SIMULATOR": True, **settings}), new_blueprint()
        app.register_blueprint(alipay, url_prefix="/alipay")
        names = {"app": app, "alipay": alipay, "db": db, "Payment": Payment}
        for block in code_blocks(page(f"{name}.rst")):
            exec(block, names)
        shops.append(Shop(app, alipay))
        return shops[-1], names

    yield execute
    for shop in shops:
        shop.close()


def numbers(shop: Shop) -> list[str]:
    with shop.app.app_context():
        return list(db.session.scalars(db.select(Payment.out_trade_no).order_by(Payment.id)))


def act(shop: Shop, number: str, action: str) -> None:
    """Perform an action of the simulator's control API on a trade."""
    done = shop.client.post(f"/alipay/simulator/trades/{number}/{action}", json={})
    assert done.status_code == 200, done.text


def open_cashier(shop: Shop, url: str, **options: Any) -> str:
    """Follow a link through the gateway to the cashier page, and return its path."""
    answer = shop.client.get(url, **options)
    while answer.status_code in (302, 303):
        url = answer.location
        answer = shop.client.get(url, **options)
    assert answer.status_code == 200, answer.text
    return urlsplit(url).path


@pytest.mark.parametrize(
    ("name", "route"), [("take-desktop", "/buy"), ("take-phone", "/buy-on-a-phone")]
)
def test_a_payment_in_a_browser(task: Task, name: str, route: str) -> None:
    shop, _ = task(name)
    assert shop.client.post(route).status_code == 303
    (number,) = numbers(shop)
    cashier = open_cashier(shop, shop.url("pay", number))
    assert "/cashier/" in cashier
    assert shop.client.post(f"{cashier}/pay").status_code == 303
    assert shop.called == [("paid", number)]


def test_a_payment_in_an_app(task: Task) -> None:
    shop, _ = task("take-app")
    order = shop.client.post("/app/orders").get_json()
    (number,) = numbers(shop)
    result = shop.client.post("/alipay/simulator/mobile/pay", data=order["order_string"])
    assert result.status_code == 200, result.text
    assert shop.client.post("/app/result", data="anything").status_code == 400
    # The SDK returns resultStatus={9000};memo={};result={…}
    response = shop.client.post("/app/result", data=result.text.partition("result={")[2][:-1])
    assert response.get_json() == {"paid": True}
    assert shop.client.get(order["status_url"]).get_json()["paid"] is True
    assert shop.called == [("paid", number)]


def test_a_payment_by_qr_code(task: Task) -> None:
    shop, _ = task("take-qr")
    shown = shop.client.get(shop.client.post("/scan").location)
    assert "<svg" in shown.text
    (number,) = numbers(shop)
    assert "<svg" in shop.client.get(f"/display/{number}").text
    act(shop, number, "pay")
    assert shop.called == [("paid", number)]


def test_a_barcode_payment(task: Task) -> None:
    shop, _ = task("take-till")
    response = shop.client.post("/barcode", data={"auth_code": "281234567890123456"})
    assert response.get_json() == {"state": "paid"}
    (number,) = numbers(shop)
    assert shop.called == [("paid", number)]


def test_a_refund(task: Task) -> None:
    shop, _ = task("refund")
    number = shop.order(product="qr")
    shop.look("checkout", number)
    act(shop, number, "pay")
    for _ in range(2):
        response = shop.client.post(f"/orders/{number}/refund")
        assert response.get_json() == {"status": "REFUND_SUCCESS"}
    assert shop.payment(number).refunded_fen == 888
    assert shop.called == [("paid", number), ("refunded", number)]


def test_a_transfer(tmp_path: Path) -> None:
    store: Any = SQLAlchemy()
    names: dict[str, Any] = {"db": store}
    for mixin in (PaymentMixin, RefundMixin, NotificationMixin):
        name = mixin.__name__.removesuffix("Mixin")
        names[name] = type(name, (mixin, store.Model), {})
    columns = ("amount", "account", "winner", "number", "state")
    texts = {name: store.mapped_column(String(64)) for name in columns}
    key = store.mapped_column(Integer, primary_key=True)
    prizes: Any = type("Prize", (store.Model,), {"id": key, **texts})
    names["Prize"] = prizes
    for block in code_blocks(page("transfer.rst")):
        exec(block, names)
    app = new_app(tmp_path, {"SIMULATOR": "certificates"})
    store.init_app(app)
    app.register_blueprint(names["alipay"], url_prefix="/alipay")
    with app.test_request_context():
        store.create_all()
        account = "buyer@simulator.invalid"
        prize = prizes(amount="12.50", account=account, winner="黄龙", number="X1", state="won")
        lost = prizes(amount="1", account="nobody@simulator.invalid", winner="某", number="X2")
        store.session.add_all([prize, lost])
        assert [names["pay_out"](prize).status for _ in range(2)] == ["SUCCESS", "SUCCESS"]
        assert prize.state == "paid"
        with pytest.raises(GatewayError):
            names["pay_out"](lost)
        assert lost.state == "failed: PAYEE_NOT_EXIST"
        assert names["payouts_of_today"]() == (99_998_750, ["X1"])
        file = io.BytesIO()
        done = store.session.scalar(store.select(names["Transfer"]).filter_by(status="SUCCESS"))
        assert names["receipt"](done, file) == "SUCCESS"
        assert file.getvalue().startswith(b"%PDF")
        card = {"payee": "6222", "identity_type": "BANKCARD_ACCOUNT", "name": "黄龙"}
        bank = {"bankcard_ext_info": {"account_type": "2", "inst_name": "招商银行"}}
        prize = prizes(amount="3", account="6222", winner="黄龙", number="X3")
        store.session.add(prize)
        transfer = names["alipay"].transfer("3", **card, **bank, title="Prize", out_biz_no="X3")
        assert transfer.status == "DEALING"
        store.session.remove()
    # The bank confirms, later returns the money, and the messages settle both.
    client = app.test_client()
    for event, state in (("succeed", "paid"), ("return", "failed: BANK_RETURNED")):
        done = client.post(f"/alipay/simulator/transfers/X3/{event}", json={})
        assert done.status_code == 200, done.text
        with app.test_request_context():
            assert store.session.scalar(store.select(prizes).filter_by(number="X3")).state == state
            store.session.remove()
    with app.app_context():
        store.engine.dispose()


def test_the_bill(task: Task) -> None:
    shop, names = task("bill")
    number = shop.order(product="qr")
    shop.look("checkout", number)
    act(shop, number, "pay")
    day = format_china_time(datetime.now(timezone.utc))[:10]
    now = datetime.now(CHINA)
    # A second past midnight in China, and no further from now than a request's timestamp may be.
    seconds = 24 * 3600 - (now.hour * 3600 + now.minute * 60 + now.second) + 1
    advanced = shop.client.post("/alipay/simulator/clock", json={"advance": seconds})
    assert advanced.status_code == 200, advanced.text
    with shop.app.test_request_context():
        tables = names["bill_of"](day)
        assert any(number in line for lines in tables.values() for line in lines)
        with pytest.raises(GatewayError) as caught:
            names["bill_of"]("2020-01-31")
    assert caught.value.sub_code == "BILL_NOT_EXIST"


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_any_method(task: Task, version: str) -> None:
    shop, names = task("any-method", API_VERSION=version)
    signed = urlsplit(shop.client.get("/subscribe").location)
    assert signed.path == "/alipay/simulator/gateway.do"
    sent = dict(parse_qsl(signed.query, strict_parsing=True))
    assert sent["method"] == "alipay.user.agreement.page.sign"
    opened = shop.client.get(f"{signed.path}?{signed.query}")
    shop.client.post(opened.location, data={"decision": "sign"})
    (agreement,) = shop.client.get("/alipay/simulator/agreements").get_json()
    with shop.app.test_request_context():
        frozen = {"out_order_no": "F1", "out_request_no": "FR1", "order_title": "Deposit"}
        frozen |= {"amount": "88.88", "product_code": "PREAUTH_PAY"}
        code = {"auth_code": "289123456789012345", "auth_code_type": "bar_code"}
        gateway = names["alipay"].gateway
        auth_no = gateway.call("alipay.fund.auth.order.freeze", {**frozen, **code})["auth_no"]
        agreement_no = agreement["agreement_no"]
        assert names["capture"]("C1", auth_no, "2088000000000002").total_fen == 1200
        assert names["deduct"]("D1", agreement_no).total_fen == 3000
        assert names["status_at_alipay"]("D1") == "TRADE_SUCCESS"
    image = (BytesIO(b"\x89PNG\r\n\x1a\n"), "tea.png")
    assert shop.client.post("/images", data={"image": image}).get_json()["image_id"]


def test_profit_sharing(task: Task) -> None:
    shop, names = task("profit-sharing")
    seller = SimpleNamespace(id=1, account="anna@example.org", name="安娜")
    with shop.app.test_request_context():
        names["add_seller"](seller)
        payment = names["sell"](SimpleNamespace(total="88.88", number="S1"))
        db.session.commit()
    open_cashier(shop, shop.url("pay", "S1"))
    act(shop, "S1", "pay")
    with shop.app.test_request_context():
        payment = db.session.scalar(db.select(Payment))
        settle_no = names["share"](payment, seller, "20.00")
        assert names["states"](settle_no) == [(2000, "SUCCESS")]
        assert names["unsettled"](payment) == 6888
        merchant = names["alipay"].merchant
        content = {"msg_type": "ASYNC_SETTLE_RESULT", "settle_no": settle_no}
        message = Message("alipay.trade.order.settle.notify", "n1", content)
        assert merchant.messages().receive(message).outcome == "settled"
    assert names["finished"] == [("ASYNC_SETTLE_RESULT", settle_no, 0)]
