"""Fixtures for shops' tests, in separate runs of pytest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytest_plugins = ["pytester"]

SHOP = """
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_alipay import AlipayBlueprint, InvalidParameter
from flask_alipay import NotificationMixin, PaymentMixin, RefundMixin
from flask_alipay.merchant import Merchant

db = SQLAlchemy()
class Payment(PaymentMixin, db.Model):
    shipped = db.Column(db.Integer, default=0)
    released = db.Column(db.Integer, default=0)
class Refund(RefundMixin, db.Model): ...
class Notification(NotificationMixin, db.Model): ...
alipay = AlipayBlueprint(db, Payment, Refund, Notification)

@alipay.on_paid
def ship(payment):
    payment.shipped += 1

@alipay.on_failed
def release(payment):
    payment.released += 1

def create_app(tmp_path, **settings):
    app = Flask(__name__)
    app.config.update(
        TESTING=True,
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/test.sqlite",
        SQLALCHEMY_ENGINE_OPTIONS={"poolclass": __import__("sqlalchemy").NullPool},
        **settings,
    )
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        db.create_all()
        alipay.create_payment(subject="Tea", total_amount="88.88", out_trade_no="T1")
        db.session.commit()
    return app

@pytest.fixture
def order(app):
    def order():
        with app.app_context():
            return db.session.query(Payment).one()
    return order
"""

EMBEDDED = """
from shop import *

@pytest.fixture
def app(tmp_path):
    return create_app(tmp_path, ALIPAY_SIMULATOR=True)

def test_a_duplicate_notification_ships_once(alipay_simulator, order):
    alipay_simulator.inject_fault("repeat")
    alipay_simulator.pay("T1", "credit")
    assert order().shipped == 1
    (told,) = alipay_simulator.deliveries
    assert len(told.attempts) == 2
    assert alipay_simulator.trade("T1").paid_with == "credit"

def test_an_unknown_fault_or_fund_is_rejected(alipay_simulator, order):
    for wrong in ({"kind": "steal"}, {"kind": "drop", "times": 0}, {"kind": "drop", "often": 2}):
        with pytest.raises(InvalidParameter):
            alipay_simulator.inject_fault(**wrong)
    with pytest.raises(InvalidParameter):
        alipay_simulator.pay("T1", "gold")
    assert not order().paid

def test_paid_tea_is_shipped(alipay_simulator, order):
    alipay_simulator.pay("T1")
    assert order().shipped == 1

def test_a_closed_payment_is_released(alipay_simulator, order):
    alipay_simulator.close("T1")
    assert (order().shipped, order().released) == (0, 1)

def test_a_retried_notification_ships_once(alipay_simulator, order):
    alipay_simulator.pay("T1")
    attempts = alipay_simulator.resend_notification(times=3)
    assert [attempt.response for attempt in attempts] == ["success"] * 3
    assert order().shipped == 1

def test_a_refund_is_counted(alipay_simulator, order):
    alipay_simulator.pay("T1")
    alipay_simulator.refund("T1", "1.00")
    assert order().refunded_fen == 100
    alipay_simulator.refund("T1")
    assert order().trade_status == "TRADE_CLOSED"

def test_a_day_passes(alipay_simulator, order, app, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Merchant, "ledger", lambda merchant: 1 / 0)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        alipay_simulator.pay("T1")
        assert order().shipped == 0
    alipay_simulator.advance(minutes=5)
    assert order().shipped == 1
    (delivery,) = alipay_simulator.deliveries
    assert delivery.acknowledged
    alipay_simulator.advance(hours=25)
    assert order().shipped == 1

def test_a_sale_that_can_no_longer_be_refunded(alipay_simulator, order):
    alipay_simulator.pay("T1")
    alipay_simulator.finish("T1")
    assert order().trade_status == "TRADE_FINISHED"

def test_an_impossible_event_is_rejected(alipay_simulator, order):
    alipay_simulator.close("T1")
    for wrong in (alipay_simulator.pay, alipay_simulator.finish, alipay_simulator.refund):
        with pytest.raises(InvalidParameter):
            wrong("T1")
    with pytest.raises(LookupError):
        alipay_simulator.pay("nobody")
    assert order().shipped == 0
"""

SEVERAL = """
from shop import *

books = AlipayBlueprint(
    db, Payment, Refund, Notification, name="books", config_prefix="BOOKS"
)
settled = []

@books.on_paid
def settle(payment):
    settled.append(payment.out_trade_no)

@pytest.fixture
def app(tmp_path):
    app = create_app(tmp_path, ALIPAY_SIMULATOR=True, BOOKS_SIMULATOR=True)
    app.register_blueprint(books, url_prefix="/books")
    with app.app_context():
        books.create_payment(subject="Book", total_amount="20.00", out_trade_no="B1")
        db.session.commit()
    settled.clear()
    return app

def row(app, number):
    with app.app_context():
        return db.session.query(Payment).filter_by(out_trade_no=number).one()

def test_each_payment_is_settled_for_the_merchant_that_owns_it(alipay_simulator, app):
    alipay_simulator.pay("B1")
    assert (row(app, "B1").paid, row(app, "B1").shipped, settled) == (True, 0, ["B1"])
    assert not row(app, "T1").paid
    alipay_simulator.pay("T1")
    assert (row(app, "T1").shipped, settled) == (1, ["B1"])
    told = [delivery.notice.out_trade_no for delivery in alipay_simulator.deliveries]
    assert told == ["B1", "T1"]
    alipay_simulator.resend_notification("B1", times=2)
    assert settled == ["B1"]
    alipay_simulator.refund("B1", "5.00")
    assert (row(app, "B1").refunded_fen, row(app, "T1").refunded_fen) == (500, 0)

def test_a_fault_of_a_payment_is_its_merchants(alipay_simulator, app):
    alipay_simulator.inject_fault("repeat", out_trade_no="B1")
    alipay_simulator.pay("B1")
    (delivery,) = alipay_simulator.deliveries
    assert len(delivery.attempts) == 2
    alipay_simulator.advance(hours=25)
    assert settled == ["B1"]
"""

DEPLOYED = """
from flask import redirect, request
from shop import *

@pytest.fixture(params=[
    {"APPLICATION_ROOT": "/shop"},
    {"TRUSTED_HOSTS": ["shop.example.com", "www.example.com"]},
    {"TRUSTED_HOSTS": [".example.com"]},
    {"SERVER_NAME": "shop.example.com"},
    {"PREFERRED_URL_SCHEME": "https"},
    {"HTTPS_ONLY": True},
    {"HTTPS_ONLY": True, "APPLICATION_ROOT": "/shop", "TRUSTED_HOSTS": ["shop.example.com"]},
    {"URL_PROCESSORS": True},
])
def app(tmp_path, request):
    app = create_app(tmp_path, ALIPAY_SIMULATOR=True, **request.param)
    if request.param.get("HTTPS_ONLY"):
        app.before_request(to_https)
    if request.param.get("URL_PROCESSORS"):
        app.url_defaults(lambda endpoint, values: values.setdefault("lang", "en"))
        app.url_value_preprocessor(lambda endpoint, values: values and values.pop("lang", None))
    return app

def to_https():
    if not request.is_secure:
        return redirect(request.url.replace("http://", "https://", 1))

def test_paid_tea_is_shipped(alipay_simulator, order):
    alipay_simulator.pay("T1")
    assert order().shipped == 1
    alipay_simulator.refund("T1")
    assert order().trade_status == "TRADE_CLOSED"

def test_the_shop_refunds_at_the_simulator(alipay_simulator, app, order):
    alipay_simulator.pay("T1")
    with app.app_context():
        payment = db.session.query(Payment).one()
        alipay.refund(payment, "0.10")
        assert alipay.query(payment).trade_status == "TRADE_SUCCESS"
    assert order().refunded_fen == 10
"""

BLOCKED = """
from flask import redirect
from flask_alipay.exceptions import OutcomeUnknown
from shop import *

@pytest.fixture
def app(tmp_path):
    app = create_app(tmp_path, ALIPAY_SIMULATOR=True)
    app.before_request(lambda: redirect("/login?next=x"))
    return app

def test_the_cause_of_a_failed_visit_is_named(alipay_simulator, order):
    with pytest.raises(LookupError) as error:
        alipay_simulator.pay("T1")
    assert "/alipay/simulator/gateway.do responded with status 302" in str(error.value)
    assert "Location /login?next=x" in str(error.value)
    assert not order().paid

def test_the_cause_of_a_failed_query_is_named(app, alipay_simulator):
    with app.app_context(), pytest.raises(OutcomeUnknown) as error:
        alipay.query(db.session.query(Payment).one())
    assert "status 302 and Location /login?next=x" in str(error.value)
"""

ALONE = """
import threading
from shop import *
from werkzeug.serving import make_server

@pytest.fixture
def app(tmp_path, alipay_server):
    app = create_app(tmp_path, **{f"ALIPAY_{k}": v for k, v in alipay_server.settings.items()})
    server = make_server("127.0.0.1", 0, app, threaded=True)
    app.config["SERVER"] = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield app
    server.shutdown()
    thread.join()

def test_paid_tea_is_shipped(alipay_simulator, app, order):
    import urllib.request
    with app.test_request_context(base_url=f"http://{app.config['SERVER']}"):
        url = alipay.gateway_url(db.session.query(Payment).one())
    with urllib.request.urlopen(url) as cashier:
        assert "Simulator" in cashier.read().decode()
    alipay_simulator.pay("T1")
    assert order().shipped == 1

def test_a_buyer_who_has_not_visited_alipay_cannot_pay(alipay_server, order):
    with pytest.raises(LookupError):
        alipay_server.simulator.pay("T2")
    assert order().shipped == 0

def test_the_keys_are_there_as_files(alipay_server):
    assert (alipay_server.folder / "app_private_key.pem").is_file()
    assert (alipay_server.folder / "merchant.json").is_file()
"""


#: Each module of a shop's tests, and how many there are.
MODULES = {
    "embedded": (EMBEDDED, 9),
    "several_merchants": (SEVERAL, 2),
    "deployed": (DEPLOYED, 16),
    "login_before_everything": (BLOCKED, 2),
    "beside_a_simulator": (ALONE, 3),
}


def test_shops_test_themselves_with_the_fixtures(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one run: each would start for a second."""
    monkeypatch.setenv("PYTHONPATH", f"{pytester.path}:{ROOT}")
    modules = {f"test_{name}": source for name, (source, _) in MODULES.items()}
    pytester.makepyfile(shop=SHOP, **modules)
    ran = pytester.runpytest_subprocess(
        *("-p", "pytest_flask_alipay", "-p", "no:cacheprovider", "-W", "error", "-rA")
    )
    lines = "\n".join(ran.outlines)
    passed = {name: len(re.findall(rf"PASSED test_{name}\.py::", lines)) for name in MODULES}
    assert passed == {name: count for name, (_, count) in MODULES.items()}
    ran.assert_outcomes(passed=sum(passed.values()))


def test_a_run_without_the_fixtures_loads_nothing() -> None:
    program = (
        "import sys, pytest_flask_alipay as _;"
        "print([name for name in ('flask', 'flask_alipay', 'sqlalchemy') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
