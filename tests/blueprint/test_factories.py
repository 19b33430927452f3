"""Callbacks that a factory (``create_app``) defines again for each app."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import ConfigurationError

from ..doubles.merchant import Merchant
from ..doubles.shop import Shop, new_app, new_blueprint

Open = Callable[..., Shop]


@pytest.fixture
def opened(tmp_path: Path, merchant: Merchant) -> Iterator[Open]:
    """Open a shop in a new app; ``define`` runs before its registration, ``later`` after."""
    shops: list[Shop] = []

    def open_shop(
        alipay: AlipayBlueprint,
        define: Callable[[], None] = lambda: None,
        later: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> Shop:
        place = tmp_path / f"shop{len(shops)}"
        place.mkdir(exist_ok=True)
        app: Flask = new_app(place, {**merchant.settings, **settings})
        define()
        app.register_blueprint(alipay, url_prefix="/alipay")
        later()
        shops.append(Shop(app, alipay))
        return shops[-1]

    yield open_shop
    for shop in shops:
        shop.close()


@pytest.fixture
def pay(merchant: Merchant) -> Callable[[Shop], None]:
    def notify(shop: Shop) -> None:
        assert shop.notify(merchant.notification(shop.order())).data == b"success"

    return notify


def define_ship(alipay: AlipayBlueprint, calls: list[str], app: str) -> None:
    """Define a callback as a factory does for its app."""

    @alipay.on_paid
    def ship(payment: Any) -> None:
        calls.append(app)


@pytest.mark.parametrize("place", ["define", "later"])
def test_each_app_runs_the_definition_of_its_factory_once(
    opened: Open, pay: Callable[[Shop], None], place: str
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    shops = [opened(alipay, **{place: partial(define_ship, alipay, calls, app)}) for app in "abc"]
    for shop in (*shops, *reversed(shops)):
        pay(shop)
    assert calls == ["a", "b", "c", "c", "b", "a"]


def test_one_function_given_again_by_each_factory_runs_once(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, seen = new_blueprint(), list[Any]()

    def ship(payment: Any) -> None:
        seen.append(payment)

    first, second = (opened(alipay, lambda: alipay.on_paid(ship)) for _ in range(2))
    pay(first)
    pay(second)
    assert len(seen) == 2


def test_equal_definitions_before_one_registration_are_all_kept(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()

    def define(app: str) -> None:
        for number in "123":
            define_ship(alipay, calls, app + number)

    first, second = (opened(alipay, partial(define, app)) for app in "ab")
    pay(second)
    pay(first)
    assert calls == ["b1", "b2", "b3", "a1", "a2", "a3"]


def test_a_definition_at_module_level_applies_to_every_app(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    alipay.on_paid(lambda payment: calls.append("module"))
    first, second = (
        opened(alipay, partial(define_ship, alipay, calls, app)) for app in ("first", "second")
    )
    pay(first)
    pay(second)
    assert calls == ["module", "first", "module", "second"]


def test_a_new_definition_after_registration_applies_to_every_app(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    first, second = (opened(alipay, partial(define_ship, alipay, calls, app)) for app in "ab")
    alipay.on_paid(lambda payment: calls.append("late"))
    third = opened(alipay, partial(define_ship, alipay, calls, "c"))
    for shop in (first, second, third):
        pay(shop)
    assert calls == ["a", "late", "b", "late", "late", "c"]


def test_a_definition_that_only_one_factory_makes_is_not_lost(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    opened(alipay, partial(define_ship, alipay, calls, "a"))
    pay(opened(alipay))
    assert calls == ["a"]


def test_a_failed_registration_leaves_no_second_definition(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    with pytest.raises(ConfigurationError):
        opened(alipay, partial(define_ship, alipay, calls, "failed"), TIMEOUT="never")
    pay(opened(alipay, partial(define_ship, alipay, calls, "second")))
    assert calls == ["second"]


def test_functions_behind_one_decorator_are_different_definitions(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()

    def careless(callback: Callable[[Any], None]) -> Callable[[Any], None]:
        def wrapper(payment: Any) -> None:
            callback(payment)

        return wrapper

    def careful(callback: Callable[[Any], None]) -> Callable[[Any], None]:
        return wraps(callback)(careless(callback))

    def define(app: str, decorate: Any) -> None:
        @alipay.on_paid
        @decorate
        def ship(payment: Any) -> None:
            calls.append(f"{app} ships")

    def extra(decorate: Any) -> None:
        @alipay.on_paid
        @decorate
        def thank(payment: Any) -> None:
            calls.append("thanks")

    for decorate in (careless, careful, lambda callback: partial(callback)):
        alipay = new_blueprint()
        first = opened(alipay, partial(define, "a", decorate), partial(extra, decorate))
        second = opened(alipay, partial(define, "b", decorate))
        pay(first)
        pay(second)
        assert calls == ["a ships", "thanks", "thanks", "b ships"]
        calls.clear()


def test_methods_of_several_objects_are_different_definitions(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    calls: list[str] = []

    class Task:
        def __init__(self, name: str) -> None:
            self.name = name

        def delay(self, payment: Any) -> None:
            calls.append(self.name)

    alipay, tasks = new_blueprint(), [Task("mail"), Task("print")]
    alipay.on_paid(tasks[0].delay)
    shop = opened(alipay, later=lambda: alipay.on_paid(tasks[1].delay))
    pay(shop)
    pay(opened(alipay, lambda: alipay.on_paid(tasks[0].delay)))
    assert calls == ["mail", "print", "print", "mail"]


def test_a_function_that_encloses_itself_is_a_definition_like_any(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()

    def define(app: str) -> None:
        def ship(payment: Any, parcels: int = 2) -> None:
            if parcels:
                calls.append(app)
                ship(payment, parcels - 1)

        alipay.on_paid(ship)

    opened(alipay, partial(define, "a"))
    pay(opened(alipay, partial(define, "b")))
    assert calls == ["b", "b"]


def test_the_constructors_callback_is_replaced_by_the_same_function(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    seen: list[Any] = []

    def ship(payment: Any) -> None:
        seen.append(payment)

    alipay = new_blueprint(on_paid=ship)
    pay(opened(alipay))
    assert len(seen) == 1
    pay(opened(alipay, lambda: alipay.on_paid(ship)))
    assert len(seen) == 2


def test_factories_in_several_threads_define_for_the_respective_app(
    opened: Open, pay: Callable[[Shop], None], tmp_path: Path, merchant: Merchant
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    alipay.on_paid(lambda payment: calls.append("module"))
    defined, registered = Barrier(4), Barrier(4)

    def factory(name: str) -> Shop:
        place = tmp_path / name
        place.mkdir()
        app = new_app(place, merchant.settings)
        define_ship(alipay, calls, name)
        defined.wait(10)
        app.register_blueprint(alipay, url_prefix="/alipay")
        registered.wait(10)
        return Shop(app, alipay)

    with ThreadPoolExecutor(4) as pool:
        shops = list(pool.map(factory, "abcd"))
    for shop in shops:
        pay(shop)
        shop.close()
    assert calls == [call for name in "abcd" for call in ("module", name)]


def test_a_definition_of_another_thread_is_not_lost(
    opened: Open, pay: Callable[[Shop], None]
) -> None:
    alipay, calls = new_blueprint(), list[str]()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(define_ship, alipay, calls, "imported elsewhere").result()
    pay(opened(alipay))
    assert calls == ["imported elsewhere"]
