"""``async def`` callbacks run inside the transaction; what can never run is rejected."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as SQLAlchemyLite
from sqlalchemy import String, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

from flask_alipay import AlipayBlueprint, payment_paid
from flask_alipay.exceptions import CallbackFailed, ConfigurationError

from ..doubles.merchant import Merchant
from ..doubles.models import declare_models
from ..doubles.shop import FORM, Shipment, Shop, db, new_app, new_blueprint
from ..services import KeptDatabases
from .conftest import OpenShop


async def ship(payment: Any) -> None:
    await asyncio.sleep(0)
    db.session.add(Shipment(out_trade_no=payment.out_trade_no))


class Shipper:
    async def __call__(self, payment: Any) -> None:
        await ship(payment)

    async def ship(self, payment: Any, note: str = "") -> None:
        await ship(payment)


def notify(shop: Shop, merchant: Merchant) -> tuple[str, bytes]:
    number = shop.order()
    return number, shop.notify(merchant.notification(number)).data


ASYNC: dict[str, Any] = {
    "function": ship,
    "object": Shipper(),
    "method": Shipper().ship,
    "partial": partial(Shipper().ship, note="fragile"),
    "partial of an object": partial(Shipper()),
    "mock": AsyncMock(side_effect=ship),
}


@pytest.mark.parametrize("kind", ASYNC)
def test_an_async_callback_runs_to_completion_inside_the_transaction(
    shop: Shop, merchant: Merchant, kind: str
) -> None:
    shop.alipay.on_paid(ASYNC[kind])
    number, answer = notify(shop, merchant)
    assert answer == b"success"
    assert shop.shipments() == [number]
    assert shop.payment(number).paid


async def add_and_raise(payment: Any) -> None:
    await ship(payment)
    db.session.flush()
    raise RuntimeError("no boxes left")


async def be_cancelled(payment: Any) -> None:
    await ship(payment)
    raise asyncio.CancelledError


async def commit(payment: Any) -> None:
    await ship(payment)
    db.session.commit()


def return_coroutine(payment: Any) -> Awaitable[None]:
    return ship(payment)


def return_generator(payment: Any) -> Iterator[None]:
    return (db.session.add(Shipment(out_trade_no=one)) for one in [payment.out_trade_no])


@wraps(ship)
def return_wrapped(payment: Any) -> Awaitable[None]:
    return ship(payment)


async def forget_await(payment: Any) -> Awaitable[None]:
    return ship(payment)


async def return_task(payment: Any) -> Awaitable[None]:
    return asyncio.create_task(ship(payment))


@contextmanager
def enter(payment: Any) -> Iterator[None]:
    yield db.session.add(Shipment(out_trade_no=payment.out_trade_no))


@asynccontextmanager
async def enter_async(payment: Any) -> AsyncIterator[None]:
    yield await ship(payment)


@pytest.mark.parametrize(
    "callback",
    [
        add_and_raise,
        be_cancelled,
        commit,
        return_coroutine,
        return_generator,
        return_wrapped,
        forget_await,
        return_task,
        enter,
        enter_async,
    ],
)
def test_an_incomplete_coroutine_is_a_failed_callback(
    shop: Shop, merchant: Merchant, callback: Any
) -> None:
    number = shop.order()
    before = shop.ledger()
    shop.alipay.on_paid(callback)
    answer = shop.notify(merchant.notification(number))
    assert (answer.data, answer.status_code) == (b"fail", 503)
    assert shop.ledger() == before
    assert shop.shipments() == []
    assert shop.journal() == ["callback_failed"]


def generate(payment: Any) -> Iterator[None]:
    yield


async def generate_async(payment: Any) -> AsyncIterator[None]:
    yield


class Generator:
    def __call__(self, payment: Any) -> Iterator[None]:
        yield

    async def ship(self, payment: Any) -> AsyncIterator[None]:
        yield


GENERATORS: dict[str, Any] = {
    "sync": generate,
    "async": generate_async,
    "object": Generator(),
    "method": Generator().ship,
    "partial": partial(generate),
    "partial of an object": partial(Generator()),
    "no callable": "ship",
}


@pytest.mark.parametrize("event", ["on_paid", "on_failed", "on_refunded", "on_finished"])
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_is_rejected_where_it_is_given(kind: str, event: str) -> None:
    with pytest.raises(TypeError, match=r"generator|callable"):
        getattr(new_blueprint(), event)(GENERATORS[kind])


@pytest.mark.parametrize("option", ["on_paid", "on_failed"])
def test_so_is_one_that_is_given_to_the_constructor(option: str) -> None:
    with pytest.raises(TypeError, match="generator"):
        new_blueprint(**{option: generate})


@pytest.mark.parametrize("module", ["asgiref", "asgiref.sync"])
def test_without_the_extra_registration_names_the_callback_and_the_remedy(
    tmp_path: Path, merchant: Merchant, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    alipay = new_blueprint(on_paid=ship)
    app = new_app(tmp_path, merchant.settings)
    with pytest.raises(ConfigurationError, match=r"\.ship is async.*\[async\]") as caught:
        app.register_blueprint(alipay)
    assert caught.value.key == "on_paid"


def test_without_the_extra_an_async_callback_after_registration_is_rejected_at_once(
    shop: Shop, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asgiref", None)
    with pytest.raises(ConfigurationError, match="async"):
        shop.alipay.on_refunded(ship)


def test_without_the_extra_sync_callbacks_work(
    open_shop: OpenShop, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asgiref", None)
    assert notify(open_shop(merchant), merchant)[1] == b"success"


# Whose session it is


class Base(DeclarativeBase):
    pass


def models(base: Any) -> tuple[Any, Any, Any, Any]:
    """Return the ledger's classes and one of the shop."""

    class Parcel(base):
        __tablename__ = "parcel"
        id: Mapped[int] = mapped_column(primary_key=True)
        out_trade_no: Mapped[str] = mapped_column(String(64))

    return (*declare_models(base), Parcel)


class Plain:
    """The application's ``scoped_session``, one session per thread."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        self.session = scoped_session(sessionmaker(self.engine))


class Property:
    """Object whose ``session`` belongs to the thread, without a visible registry."""

    def __init__(self, url: str) -> None:
        self._plain = Plain(url)
        self.engine = self._plain.engine

    @property
    def session(self) -> Any:
        return self._plain.session()


class Registry:
    """App with one kind of sessions."""

    def __init__(self, kind: str, place: Path, merchant: Merchant, url: str) -> None:
        self.app: Flask = new_app(place, merchant.settings, SQLALCHEMY_DATABASE_URI=url)
        if kind == "Flask-SQLAlchemy":
            self.db: Any = SQLAlchemy(model_class=type("Base", (DeclarativeBase,), {}))
            self.db.init_app(self.app)
            base = self.db.Model
        else:
            base = type("Base", (DeclarativeBase,), {})
            if kind == "Flask-SQLAlchemy-Lite":
                self.app.config["SQLALCHEMY_ENGINES"] = {"default": url}
                self.db = SQLAlchemyLite(self.app)
            else:
                self.db = {"scoped_session": Plain, "property": Property}[kind](url)
        *ledger, self.parcel = models(base)
        self.payment = ledger[0]
        self.alipay = AlipayBlueprint(self.db, *ledger)
        self.app.register_blueprint(self.alipay, url_prefix="/alipay")
        with self.app.app_context():
            base.metadata.create_all(self.db.engine)

    def order(self) -> str:
        with self.app.app_context():
            payment = self.alipay.create_payment(subject="茶", total_amount="88.88")
            self.db.session.commit()
            number: str = payment.out_trade_no
        return number

    def count(self, model: Any, **of: Any) -> int:
        with self.app.app_context():
            self.db.session.rollback()
            found = self.db.session.scalar(select(func.count()).select_from(model).filter_by(**of))
        return int(found)

    def close(self) -> None:
        with self.app.app_context():
            getattr(self.db.session, "remove", self.db.session.close)()
            self.db.engine.dispose()


@pytest.fixture
def postgresql_url(kept_databases: KeptDatabases) -> Iterator[str]:
    yield from kept_databases.url("postgresql", __name__)


@pytest.fixture
def mariadb_url(kept_databases: KeptDatabases) -> Iterator[str]:
    yield from kept_databases.url("mariadb", __name__)


@pytest.fixture(params=["Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite", "scoped_session", "property"])
def registry(
    request: pytest.FixtureRequest, tmp_path: Path, merchant: Merchant, database_url: str
) -> Iterator[Registry]:
    opened = Registry(request.param, tmp_path, merchant, database_url)
    yield opened
    opened.close()


def add_parcel(registry: Registry, claimed: list[Any]) -> Callable[[Any], Any]:
    async def callback(payment: Any) -> None:
        assert current_app.name == "shop"
        await asyncio.sleep(0)
        session = registry.db.session
        session = session() if isinstance(session, scoped_session) else session
        claimed.append((payment in session, payment.paid))
        session.add(registry.parcel(out_trade_no=payment.out_trade_no))

    return callback


def test_an_async_callback_writes_through_the_claiming_session(
    registry: Registry, merchant: Merchant
) -> None:
    claimed: list[Any] = []
    registry.alipay.on_paid(add_parcel(registry, claimed))
    number = registry.order()
    body = merchant.notification(number)
    answer = registry.app.test_client().post("/alipay/notify", data=body, content_type=FORM)
    assert answer.data == b"success"
    assert claimed == [(True, True)]
    assert registry.count(registry.parcel) == registry.count(registry.payment, paid=True) == 1


def test_an_async_callback_that_raises_rolls_back_its_rows(
    registry: Registry, merchant: Merchant
) -> None:
    add = add_parcel(registry, [])

    @registry.alipay.on_paid
    async def fail(payment: Any) -> None:
        await add(payment)
        raise RuntimeError("no boxes left")

    body = merchant.notification(registry.order())
    answer = registry.app.test_client().post("/alipay/notify", data=body, content_type=FORM)
    assert answer.status_code == 503
    assert registry.count(registry.parcel) == registry.count(registry.payment, paid=True) == 0


def test_inside_an_async_view_it_uses_the_claiming_session_or_is_refused(
    registry: Registry, merchant: Merchant
) -> None:
    claimed: list[Any] = []
    registry.alipay.on_paid(add_parcel(registry, claimed))
    body = merchant.notification(registry.order())

    @registry.app.get("/replay")
    async def view() -> str:
        await asyncio.sleep(0)
        try:
            return str(registry.alipay.replay(body).outcome)
        except CallbackFailed as error:
            return str(error.__cause__)
        finally:
            if not hasattr(registry.db, "init_app"):
                registry.db.session.close()

    answer = registry.app.test_client().get("/replay").text
    by_thread = not hasattr(registry.db, "init_app")
    assert ("call the blueprint from a sync function" in answer) == by_thread
    assert (answer == "settled") != by_thread
    assert claimed == ([] if by_thread else [(True, True)])
    paid = registry.count(registry.payment, paid=True)
    assert registry.count(registry.parcel) == paid == (0 if by_thread else 1)


# Signals


def test_an_async_receiver_runs_to_completion_after_the_commit(
    shop: Shop, merchant: Merchant
) -> None:
    thanked: list[str] = []

    async def thank(app: Flask, *, payment: Any, **rest: Any) -> None:
        await asyncio.sleep(0)
        db.session.rollback()  # nothing is left to undo
        thanked.append(payment.out_trade_no)

    with payment_paid.connected_to(thank):
        number, answer = notify(shop, merchant)
    assert answer == b"success"
    assert thanked == [number]
    assert shop.payment(number).paid


def thank_in_vain(app: Flask, **rest: Any) -> Iterator[None]:
    yield


async def thank_and_raise(app: Flask, **rest: Any) -> None:
    raise RuntimeError("no stamps left")


async def thank_in_vain_async(app: Flask, **rest: Any) -> AsyncIterator[None]:
    yield


async def forget_await_to_thank(app: Flask, **rest: Any) -> Awaitable[None]:
    return thank_and_raise(app)


@pytest.mark.parametrize(
    ("receiver", "logged"),
    [
        (forget_await_to_thank, "it returned an awaitable"),
        (thank_in_vain, "it returned a generator"),
        (thank_in_vain_async, "it returned a generator"),
        (thank_and_raise, "no stamps left"),
    ],
)
def test_a_receiver_that_fails_or_never_runs_is_logged_and_the_sale_remains(
    shop: Shop, merchant: Merchant, caplog: pytest.LogCaptureFixture, receiver: Any, logged: str
) -> None:
    with payment_paid.connected_to(receiver):
        number, answer = notify(shop, merchant)
    assert answer == b"success"
    assert shop.payment(number).paid
    assert "a receiver of the signal payment-paid raised" in caplog.text
    assert logged in caplog.text


def test_context_variables_of_the_request_reach_an_async_callback(
    shop: Shop, merchant: Merchant
) -> None:
    seen: list[Any] = []
    shop.app.before_request(lambda: setattr(g, "worker", "w1"))

    @shop.alipay.on_paid
    async def remember(payment: Any) -> None:
        await asyncio.sleep(0)
        seen.append(g.worker)

    notify(shop, merchant)
    assert seen == ["w1"]
