"""Registration of the blueprint in apps: once, several times, nested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask

from flask_alipay import ConfigurationError
from flask_alipay.keys import private_pem, public_pem

from ..conftest import Keys
from ..doubles.merchant import MD5_KEY, Merchant
from ..doubles.shop import Shop, db, new_app, new_blueprint
from .conftest import OpenShop, Refusals

# Values that an error must not repeat are marked.
SECRET = "s3cret-value-of-the-shop"
LEGACY = {"PARTNER": "2088000000000001", "KEY": MD5_KEY}


def register(place: Path, settings: dict[str, Any], **config: Any) -> Flask:
    app = new_app(place, settings, **config)
    app.register_blueprint(new_blueprint(), url_prefix="/alipay")
    return app


def refused(place: Path, settings: dict[str, Any], **config: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        register(place, settings, **config)
    return caught.value


# Bad configuration


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "APP_ID"),
        ({"PARTNER": "2088000000000001"}, "KEY"),
        ({"PARTNER": "2088000000000001", "KEY": ""}, "KEY"),
        ({"PARTNER": SECRET, "KEY": MD5_KEY}, "PARTNER"),
        (LEGACY | {"SELLER_ID": SECRET}, "SELLER_ID"),
        (LEGACY | {"SIGN_TYPE": SECRET}, "SIGN_TYPE"),
        (LEGACY | {"SIGN_TYPE": "DSA"}, "SIGN_TYPE"),
        (LEGACY | {"SIGN_TYPE": "RSA"}, "PRIVATE_KEY"),
        (LEGACY | {"INPUT_CHARSET": SECRET}, "INPUT_CHARSET"),
        (LEGACY | {"PROTOCOL": SECRET}, "PROTOCOL"),
        (LEGACY | {"APP_ID": "9021000000000001"}, "PROTOCOL"),
        (LEGACY | {"TIMEOUT": SECRET}, "TIMEOUT"),
        (LEGACY | {"TIMEOUT": 0}, "TIMEOUT"),
        (LEGACY | {"RESULT_MAX_AGE": -1}, "RESULT_MAX_AGE"),
        (LEGACY | {"NOTIFY_VERIFY": SECRET}, "NOTIFY_VERIFY"),
        (LEGACY | {"NOTIFY_URL": SECRET}, "NOTIFY_URL"),
        (LEGACY | {"NOTIFY_URL": "ftp://shop.example/notify"}, "NOTIFY_URL"),
        (LEGACY | {"NOTIFY_URL": "https://shop.example/notify?a=b"}, "NOTIFY_URL"),
        (LEGACY | {"RETURN_URL": "https://shop.example/return?a=b"}, "RETURN_URL"),
        (LEGACY | {"RETURN_URL": "/return"}, "RETURN_URL"),
        (LEGACY | {"GATEWAY_URL": SECRET}, "GATEWAY_URL"),
        (LEGACY | {"KEY": ["a", "b"]}, "KEY"),
        ({"APP_ID": "9021000000000001"}, "PRIVATE_KEY"),
        (
            {"APP_ID": "9021000000000001", "PRIVATE_KEY": SECRET, "PUBLIC_KEY": SECRET},
            "PRIVATE_KEY",
        ),
        ({"APP_ID": "9021000000000001", "PRIVATE_KEY_PATH": f"/{SECRET}"}, "PRIVATE_KEY_PATH"),
        ({"SIMULATOR": SECRET}, "SIMULATOR"),
        ({"SIMULATOR": f"certificates,{SECRET}"}, "SIMULATOR"),
        ({"SIMULATOR": "certificates", "PROTOCOL": "mapi"}, "SIMULATOR"),
        ({"SIMULATOR": "encrypted", "PROTOCOL": "mapi"}, "SIMULATOR"),
        ({"SIMULATOR": "certificates", "SIGN_TYPE": "RSA"}, "SIGN_TYPE"),
        ({"SIMULATOR": True, "SIGN_TYPE": "DSA"}, "SIGN_TYPE"),
        ({"SIMULATOR": True, "PROTOCOL": "mapi", "SIGN_TYPE": SECRET}, "SIGN_TYPE"),
        ({"SIMULATOR": True, "INPUT_CHARSET": SECRET}, "INPUT_CHARSET"),
    ],
)
def test_a_bad_setting_is_named_and_its_value_is_not(
    tmp_path: Path, settings: dict[str, Any], key: str
) -> None:
    error = refused(tmp_path, settings)
    assert error.key == f"ALIPAY_{key}"
    assert f"'ALIPAY_{key}'" in str(error)
    assert SECRET not in f"{error} {error!r}"
    assert MD5_KEY not in f"{error} {error!r}"
    assert error.__cause__ is None


def test_alipays_key_is_missed(tmp_path: Path, keys: Keys) -> None:
    settings = {"APP_ID": "9021000000000001", "PRIVATE_KEY": private_pem(keys.merchant)}
    assert refused(tmp_path, settings).key == "ALIPAY_PUBLIC_KEY"


def test_a_public_key_as_private_key_is_reported(tmp_path: Path, keys: Keys) -> None:
    public = public_pem(keys.alipay.public_key())
    settings = {"APP_ID": "9021000000000001", "PRIVATE_KEY": public, "PUBLIC_KEY": public}
    error = refused(tmp_path, settings)
    assert error.key == "ALIPAY_PRIVATE_KEY"
    assert "public key" in str(error)
    assert public.splitlines()[1] not in str(error)


def test_a_private_key_is_no_public_one_and_does_not_appear(tmp_path: Path, keys: Keys) -> None:
    private = private_pem(keys.merchant)
    settings = {"APP_ID": "9021000000000001", "PRIVATE_KEY": private, "PUBLIC_KEY": private}
    error = refused(tmp_path, settings)
    assert error.key == "ALIPAY_PUBLIC_KEY"
    assert private.splitlines()[1] not in str(error)


@pytest.mark.parametrize("secret_key", [None, "", b""])
def test_an_app_without_a_secret_key_is_refused(tmp_path: Path, secret_key: object) -> None:
    assert refused(tmp_path, LEGACY, SECRET_KEY=secret_key).key == "SECRET_KEY"


def test_one_old_secret_key_is_no_list_of_letters(tmp_path: Path) -> None:
    error = refused(tmp_path, LEGACY, SECRET_KEY_FALLBACKS=SECRET)
    assert error.key == "SECRET_KEY_FALLBACKS"
    assert SECRET not in str(error)


def test_another_prefix_is_named_completely(tmp_path: Path) -> None:
    app = new_app(tmp_path)
    with pytest.raises(ConfigurationError, match="'SECOND_APP_ID'"):
        app.register_blueprint(new_blueprint(config_prefix="SECOND"))


def test_later_changes_of_the_configuration_are_ignored(shop: Shop, merchant: Merchant) -> None:
    shop.app.config["ALIPAY_APP_ID"] = "9021000000000666"
    assert shop.notify(merchant.notification(shop.order())).data == b"success"


def test_the_stored_state_shows_no_secret(open_shop: OpenShop) -> None:
    shop = open_shop(LEGACY | {"SELLER_EMAIL": SECRET})
    with shop.app.app_context():
        shown = repr(shop.app.extensions["alipay"]) + repr(shop.alipay.config)
    assert MD5_KEY not in shown
    assert SECRET not in shown


# Several apps, several merchants


@pytest.fixture
def merchants(keys: Keys) -> tuple[Merchant, Merchant]:
    """Two on the open platform whose keys are each other's, and one is the other's stranger."""
    swapped = Keys(merchant=keys.alipay, alipay=keys.merchant)
    return (
        Merchant("openapi", "RSA2", "utf-8", keys),
        Merchant("openapi", "RSA2", "utf-8", swapped, number="9021000000000002"),
    )


def test_one_object_serves_each_app_with_its_merchant(
    open_shop: OpenShop, merchants: tuple[Merchant, Merchant]
) -> None:
    alipay = new_blueprint()
    shops = [open_shop(merchant, alipay=alipay) for merchant in merchants]
    for shop, merchant in zip(shops, merchants, strict=True):
        number = shop.order()
        params = merchant.request_at(shop.look("pay", number).location)
        assert params["app_id"] == merchant.settings["APP_ID"]
        assert shop.notify(merchant.notification(number)).data == b"success"
        assert shop.payment(number).paid


def test_each_app_of_one_object_has_its_database(
    open_shop: OpenShop, merchants: tuple[Merchant, Merchant]
) -> None:
    alipay = new_blueprint()
    first, second = (open_shop(merchant, alipay=alipay) for merchant in merchants)
    first.order()
    assert len(first.ledger()) == 1
    assert second.ledger() == []


def test_one_app_rejects_notifications_for_the_other(
    open_shop: OpenShop, merchants: tuple[Merchant, Merchant], log: Any
) -> None:
    alipay = new_blueprint()
    first, second = (open_shop(merchant, alipay=alipay) for merchant in merchants)
    Refusals(first, log).of(merchants[1].notification(first.order()))
    Refusals(second, log).of(merchants[0].notification(second.order()))


def test_nothing_of_an_app_is_kept_on_the_object(
    open_shop: OpenShop, merchants: tuple[Merchant, Merchant]
) -> None:
    alipay = new_blueprint()
    before = everything_on(alipay)
    for merchant in merchants:
        shop = open_shop(merchant, alipay=alipay)
        shop.look("checkout", shop.order())
    after = everything_on(alipay)
    assert {name for name in after if after[name] != before.get(name)} <= {
        "_got_registered_once",  # Flask's
        "jinja_loader",  # likewise
        "_callbacks",  # the shops' of this test
    }


def everything_on(alipay: Any) -> dict[str, str]:
    return {name: repr(value) for name, value in vars(alipay).items()}


@pytest.fixture
def shared(tmp_path: Path, merchants: tuple[Merchant, Merchant]) -> Iterator[tuple[Shop, Shop]]:
    """Two merchants in one app."""
    app = new_app(tmp_path, merchants[0].settings)
    app.config.update({f"SECOND_{name}": value for name, value in merchants[1].settings.items()})
    first, second = new_blueprint(), new_blueprint(name="second", config_prefix="SECOND")
    app.register_blueprint(first, url_prefix="/alipay")
    app.register_blueprint(second, url_prefix="/second")
    shops = Shop(app, first), Shop(app, second)
    yield shops
    shops[0].close()


def test_two_objects_serve_two_merchants_in_one_app(
    shared: tuple[Shop, Shop], merchants: tuple[Merchant, Merchant]
) -> None:
    for shop, merchant in zip(shared, merchants, strict=True):
        number = shop.order()
        merchant.request_at(shop.look("pay", number).location)
        assert shop.notify(merchant.notification(number)).data == b"success"
        assert shop.called == [("paid", number)]


def test_a_merchant_cannot_settle_the_payment_of_the_other(
    shared: tuple[Shop, Shop], merchants: tuple[Merchant, Merchant], log: Any
) -> None:
    first, second = shared
    number = first.order()
    Refusals(second, log).of(merchants[1].notification(number))
    Refusals(first, log).of(merchants[1].notification(number))
    assert not first.payment(number).paid


def test_a_link_of_one_merchant_opens_nothing_of_the_other(shared: tuple[Shop, Shop]) -> None:
    first, second = shared
    url = first.url("result", first.order()).replace("/alipay/", "/second/")
    assert second.client.get(url).status_code == 404


def test_each_object_has_a_separate_notify_route(
    shared: tuple[Shop, Shop], merchants: tuple[Merchant, Merchant]
) -> None:
    second = shared[1]
    params = merchants[1].request_at(second.look("pay", second.order()).location)
    assert params["notify_url"] == "http://localhost/second/notify"


# Here and there


@pytest.mark.parametrize(
    ("prefix", "notify"),
    [
        ("/alipay", "/alipay/notify"),
        ("/", "/notify"),
        (None, "/notify"),
        ("/shop/pay/", "/shop/pay/notify"),
    ],
)
def test_it_works_below_any_prefix(
    open_shop: OpenShop, merchant: Merchant, prefix: str | None, notify: str
) -> None:
    shop = open_shop(merchant, url_prefix=prefix)
    number = shop.order()
    params = merchant.request_at(shop.look("pay", number).location)
    assert params["notify_url"] == f"http://localhost{notify}"
    answer = shop.client.post(
        notify,
        data=merchant.notification(number),
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.data == b"success"


@pytest.fixture
def nested(tmp_path: Path, merchant: Merchant) -> Iterator[Shop]:
    """Two floors up."""
    app, alipay = new_app(tmp_path, merchant.settings), new_blueprint()
    inner, outer = Blueprint("inner", __name__), Blueprint("outer", __name__, url_prefix="/outer")
    inner.register_blueprint(alipay, url_prefix="/alipay")
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer)
    shop = Shop(app, alipay)
    yield shop
    shop.close()


def test_it_works_nested_in_other_blueprints(nested: Shop, merchant: Merchant) -> None:
    number = nested.order()
    params = merchant.request_at(nested.look("pay", number).location)
    assert params["notify_url"] == "http://localhost/outer/inner/alipay/notify"
    assert nested.notify(merchant.notification(number)).data == b"success"
    assert nested.come_back(merchant.come_back(number)).status_code == 303
    assert nested.look("result", number).status_code == 200


def test_a_name_given_at_registration_counts(tmp_path: Path, merchant: Merchant) -> None:
    app, alipay = new_app(tmp_path, merchant.settings), new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay", name="checkout")
    shop = Shop(app, alipay)
    assert shop.look("checkout", shop.order()).status_code == 200
    shop.close()


def test_using_it_in_an_unregistered_app_is_reported(tmp_path: Path, shop: Shop) -> None:
    other = new_app(tmp_path / "shop0")
    with other.app_context(), pytest.raises(RuntimeError, match="register_blueprint"):
        shop.alipay.create_payment(subject="Tea", total_amount="88.88")


def test_outside_of_any_app_there_is_nothing_to_be_had(shop: Shop) -> None:
    with pytest.raises(RuntimeError):
        shop.alipay.gateway  # noqa: B018 - asking is the point


# The simulator


def test_the_simulator_is_off_by_default(open_shop: OpenShop, merchant: Merchant) -> None:
    for off in (None, False, "false", "0", ""):
        shop = open_shop(merchant.settings | {"SIMULATOR": off})
        assert [rule for rule in shop.app.url_map.iter_rules() if "simulator" in str(rule)] == []
        assert shop.client.get("/alipay/simulator/gateway.do").status_code == 404


@pytest.mark.parametrize("on", [True, "true", "1", 1])
def test_the_simulator_is_mounted_if_configured(open_shop: OpenShop, on: object) -> None:
    shop = open_shop({"SIMULATOR": on})
    assert shop.look("pay", shop.order()).location.startswith(
        "http://localhost/alipay/simulator/gateway.do?"
    )


@pytest.mark.parametrize(
    "credential",
    [
        "PARTNER",
        "KEY",
        "SELLER_EMAIL",
        "SELLER_ID",
        "APP_ID",
        "PRIVATE_KEY",
        "PRIVATE_KEY_PATH",
        "PUBLIC_KEY",
        "PUBLIC_KEY_PATH",
        "APP_CERT_PATH",
        "PUBLIC_CERT_PATH",
        "ROOT_CERT_PATH",
        "AES_KEY",
    ],
)
@pytest.mark.parametrize("on", [True, "certificates"])
def test_the_simulator_does_not_stand_beside_a_real_credential(
    tmp_path: Path, credential: str, on: object
) -> None:
    error = refused(tmp_path, {"SIMULATOR": on, credential: SECRET})
    assert error.key == "ALIPAY_SIMULATOR"
    assert f"'ALIPAY_{credential}'" in str(error)
    assert SECRET not in str(error)


def test_a_real_gateway_cannot_be_given_to_the_simulators_merchant(open_shop: OpenShop) -> None:
    shop = open_shop({"SIMULATOR": True, "GATEWAY_URL": "https://mapi.alipay.com/gateway.do"})
    assert shop.look("pay", shop.order()).location.startswith("http://localhost/alipay/simulator/")


def test_the_simulators_signature_is_not_valid_in_other_apps(
    open_shop: OpenShop, merchant: Merchant, log: Any
) -> None:
    from flask_alipay.simulator.merchant.merchant import get_merchant

    signer = get_merchant().alipay_signers()["RSA2"]
    shop = open_shop(merchant)
    forged = merchant.encoded(merchant.signed(merchant.notification_params(shop.order()), signer))
    Refusals(shop, log).of(forged)


def test_each_app_with_a_simulator_has_separate_trades(open_shop: OpenShop) -> None:
    alipay = new_blueprint()
    first, second = (open_shop({"SIMULATOR": True}, alipay=alipay) for _ in range(2))
    first.order(out_trade_no="T1")
    second.order(out_trade_no="T1", total_amount="1")
    for shop in (first, second):
        gateway = shop.look("pay", "T1").location
        assert shop.client.get(gateway).status_code == 303


def test_the_extension_is_found_in_the_app(shop: Shop) -> None:
    assert list(shop.app.extensions["alipay"]) == [shop.alipay]


def test_db_may_be_anything_with_a_session(tmp_path: Path, merchant: Merchant) -> None:
    from types import SimpleNamespace

    from flask_alipay import AlipayBlueprint

    from ..doubles.shop import Notification, Payment, Refund

    app = new_app(tmp_path, merchant.settings)
    alipay = AlipayBlueprint(SimpleNamespace(session=db.session), Payment, Refund, Notification)
    app.register_blueprint(alipay, url_prefix="/alipay")
    shop = Shop(app, alipay)
    assert shop.notify(merchant.notification(shop.order())).data == b"success"
    shop.close()
