"""The merchant's configuration, never a request, decides where Alipay sends notifications."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_alipay import ConfigurationError

from ..conftest import Keys
from ..doubles.merchant import MAPI_MD5, OPENAPI, Merchant
from ..doubles.shop import Shop, new_app, new_blueprint
from .conftest import OpenShop

# Neither of them decides anything.
ATTACKER = {
    "Host": "attacker.example:8443",
    "X-Forwarded-Host": "attacker.example",
    "X-Forwarded-Port": "8443",
    "Forwarded": "host=attacker.example",
}


def sent_to_alipay(shop: Shop, base_url: str = "http://localhost", **options: Any) -> Any:
    """Return the parameters of the payment that a request starts."""
    url = shop.url("pay", shop.order())
    response = shop.client.get(url, base_url=base_url, **options)
    assert response.status_code == 303
    return dict(parse_qsl(urlsplit(response.location).query))


def rejected(place: Path, merchant: Merchant, settings: Any = (), **config: Any) -> Any:
    app = new_app(place, {**merchant.settings, **dict(settings)})
    app.config.update({"TRUSTED_HOSTS": None, **config})
    with pytest.raises(ConfigurationError) as caught:
        app.register_blueprint(new_blueprint(), url_prefix="/alipay")
    return caught.value


# What is configured


@pytest.mark.parametrize("merchant", [OPENAPI, MAPI_MD5], indirect=True)
@pytest.mark.parametrize(
    ("config", "root"),
    [
        ({"SERVER_NAME": "shop.example"}, "http://shop.example"),
        ({"SERVER_NAME": "shop.example:8080"}, "http://shop.example:8080"),
        ({"SERVER_NAME": "shop.example:443"}, "https://shop.example"),
        ({"SERVER_NAME": "Shop.Example:80"}, "http://shop.example"),
        ({"SERVER_NAME": "茶.example"}, "http://xn--cl1a.example"),
        ({"SERVER_NAME": "Straße.example:8080"}, "http://xn--strae-oqa.example:8080"),
        ({"SERVER_NAME": "[::1]:5000"}, "http://[::1]:5000"),
        ({"SERVER_NAME": "shop.example", "TRUSTED_HOSTS": [".example"]}, "http://shop.example"),
        ({"TRUSTED_HOSTS": ["shop.example"]}, "http://shop.example"),
        ({"TRUSTED_HOSTS": ["shop.example:8443"]}, "http://shop.example:8443"),
        ({"TRUSTED_HOSTS": "shop.example"}, "http://shop.example"),
    ],
)
def test_the_addresses_are_on_the_configured_host(
    open_shop: OpenShop, merchant: Merchant, config: dict[str, Any], root: str
) -> None:
    shop = open_shop(merchant, **{"TRUSTED_HOSTS": None, **config})
    with shop.app.test_request_context(headers=ATTACKER):
        assert shop.alipay.notify_url == f"{root}/alipay/notify"
        assert shop.alipay.return_url == f"{root}/alipay/return"
    with shop.app.app_context():
        assert shop.alipay.notify_url == f"{root}/alipay/notify"


def test_a_host_sent_by_the_buyer_changes_nothing(open_shop: OpenShop, merchant: Merchant) -> None:
    shop = open_shop(merchant, SERVER_NAME="shop.example", TRUSTED_HOSTS=None)
    params = sent_to_alipay(shop, "https://attacker.example", headers=ATTACKER)
    assert params["notify_url"] == "https://shop.example/alipay/notify"
    assert params["return_url"] == "https://shop.example/alipay/return"


def test_the_port_of_a_request_to_the_trusted_host_changes_nothing(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, TRUSTED_HOSTS=["shop.example"])
    with shop.app.test_request_context(base_url="http://shop.example:8443"):
        assert shop.alipay.notify_url == "http://shop.example/alipay/notify"


def test_a_forwarded_host_changes_nothing_where_proxies_are_trusted(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, SERVER_NAME="shop.example", TRUSTED_HOSTS=None)
    proxied(shop, x_proto=1, x_host=1, x_port=1)
    params = sent_to_alipay(shop, headers={**ATTACKER, "X-Forwarded-Proto": "https"})
    assert params["notify_url"] == "https://shop.example/alipay/notify"


def test_a_configured_notify_url_serves_the_buyers_return_as_well(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    settings = {**merchant.settings, "NOTIFY_URL": "https://shop.example/tea/alipay/notify"}
    shop = open_shop(settings, TRUSTED_HOSTS=None)
    params = sent_to_alipay(shop, "http://attacker.example")
    assert params["notify_url"] == "https://shop.example/tea/alipay/notify"
    assert params["return_url"] == "https://shop.example/tea/alipay/return"


# Scheme and path


@pytest.mark.parametrize(
    ("preferred", "request_root", "scheme"),
    [
        ("https", "http://attacker.example", "https"),
        ("http", "https://shop.example", "https"),
        ("http", "http://shop.example", "http"),
    ],
)
def test_a_request_cannot_take_https_away(
    open_shop: OpenShop, merchant: Merchant, preferred: str, request_root: str, scheme: str
) -> None:
    hosts = {"SERVER_NAME": "shop.example", "TRUSTED_HOSTS": None}
    shop = open_shop(merchant, PREFERRED_URL_SCHEME=preferred, **hosts)
    params = sent_to_alipay(shop, request_root)
    assert params["notify_url"] == f"{scheme}://shop.example/alipay/notify"


def test_without_a_request_the_preferred_scheme_counts(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, TRUSTED_HOSTS=["shop.example"], PREFERRED_URL_SCHEME="https")
    with shop.app.app_context():
        assert shop.alipay.notify_url == "https://shop.example/alipay/notify"


def test_the_configured_path_of_the_app_counts_with_and_without_a_request(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant, SERVER_NAME="shop.example", APPLICATION_ROOT="/tea")
    with shop.app.app_context():
        assert shop.alipay.notify_url == "http://shop.example/tea/alipay/notify"
    with shop.app.test_request_context(base_url="http://localhost/elsewhere"):
        assert shop.alipay.notify_url == "http://shop.example/tea/alipay/notify"


def test_a_path_that_the_server_alone_knows_is_kept(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant)
    with shop.app.test_request_context(base_url="http://localhost/tea"):
        assert shop.alipay.notify_url == "http://localhost/tea/alipay/notify"


def proxied(shop: Shop, **trusted: int) -> None:
    """Trust the headers of a proxy, as Flask's documentation shows it."""
    fix = ProxyFix(shop.app.wsgi_app, **trusted)
    shop.app.wsgi_app = fix  # type: ignore[method-assign]


PREFIXES = [
    "@attacker.example",
    ".attacker.example",
    ":1@attacker.example",
    "-attacker.example",
    "/customers/attacker",
    "/go?to=https://attacker.example",
    '"@attacker.example"',
    "/tea, @attacker.example",
]


@pytest.mark.parametrize("merchant", [OPENAPI, MAPI_MD5], indirect=True)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_forwarded_by_the_buyer_is_rejected(
    open_shop: OpenShop, merchant: Merchant, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop(merchant, SERVER_NAME="shop.example", TRUSTED_HOSTS=None)
    proxied(shop, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    number = shop.order()
    url, before = shop.url("pay", number), shop.ledger()
    response = shop.client.get(url, headers={"X-Forwarded-Prefix": prefix})
    assert response.status_code == 400
    assert b"attacker" not in response.data.replace(prefix.encode(), b"")
    assert (shop.ledger(), shop.called) == (before, [])
    assert "'APPLICATION_ROOT'" in caplog.text


def test_with_a_configured_path_a_forwarded_prefix_changes_nothing(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    config = {"SERVER_NAME": "shop.example", "APPLICATION_ROOT": "/tea", "TRUSTED_HOSTS": None}
    shop = open_shop(merchant, **config)
    prefix = "@attacker.example"
    environ = {"SCRIPT_NAME": prefix, "HTTP_X_FORWARDED_PREFIX": prefix}
    with shop.app.test_request_context(environ_overrides=environ):
        assert shop.alipay.notify_url == "http://shop.example/tea/alipay/notify"
        assert shop.alipay.return_url == "http://shop.example/tea/alipay/return"


@pytest.mark.parametrize("prefix", ["/", "//", ""])
def test_a_forwarded_prefix_that_is_the_root_is_none(
    open_shop: OpenShop, merchant: Merchant, prefix: str
) -> None:
    shop = open_shop(merchant)
    proxied(shop, x_prefix=1)
    params = sent_to_alipay(shop, headers={"X-Forwarded-Prefix": prefix})
    assert params["notify_url"] == "http://localhost/alipay/notify"


def test_an_untrusted_forwarded_prefix_changes_nothing(
    open_shop: OpenShop, merchant: Merchant
) -> None:
    shop = open_shop(merchant)
    headers = {"X-Forwarded-Prefix": "@attacker.example"}
    params = sent_to_alipay(shop, "http://localhost/tea", headers=headers)
    assert params["notify_url"] == "http://localhost/tea/alipay/notify"


@pytest.mark.parametrize("path", ["@attacker.example", ".attacker.example", "/a?b", "/a/..", "//a"])
def test_a_middleware_that_passes_on_any_path_is_no_way_to_another_host(
    open_shop: OpenShop, merchant: Merchant, path: str
) -> None:
    shop = open_shop(merchant)
    url = shop.url("pay", shop.order())
    response = shop.client.get(url, environ_overrides={"SCRIPT_NAME": path})
    assert response.status_code == 400


def test_a_prefix_with_a_variable_is_filled_in(open_shop: OpenShop, merchant: Merchant) -> None:
    alipay = new_blueprint()

    @alipay.url_value_preprocessor
    def take(endpoint: str | None, values: dict[str, Any] | None) -> None:
        (values or {}).pop("language", None)

    @alipay.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", "zh")

    shop = open_shop(merchant, url_prefix="/<language>/alipay", alipay=alipay)
    with shop.app.app_context():
        assert shop.alipay.notify_url == "http://localhost/zh/alipay/notify"


def test_a_subdomain_of_the_blueprint_is_kept(tmp_path: Path, merchant: Merchant) -> None:
    app = new_app(tmp_path, merchant.settings, SERVER_NAME="shop.example")
    app.subdomain_matching = True
    alipay = new_blueprint()
    app.register_blueprint(alipay, url_prefix="/alipay", subdomain="pay")
    with app.test_request_context(headers=ATTACKER):
        assert alipay.notify_url == "http://pay.shop.example/alipay/notify"


# What is not


@pytest.mark.parametrize(
    "trusted",
    [
        None,
        [],
        [".shop.example"],
        ["*.shop.example"],
        ["*"],
        ["shop.example", "www.shop.example"],
        ["shop.example", ".shop.example"],
        [""],
        ["shop.example/path"],
    ],
)
def test_real_credentials_without_a_configured_host_are_rejected(
    tmp_path: Path, merchant: Merchant, trusted: Any
) -> None:
    error = rejected(tmp_path, merchant, TRUSTED_HOSTS=trusted)
    assert error.key == "ALIPAY_NOTIFY_URL"
    for name in ("'ALIPAY_NOTIFY_URL'", "'SERVER_NAME'", "'TRUSTED_HOSTS'", "Host header"):
        assert name in str(error)


@pytest.mark.parametrize("merchant", [MAPI_MD5], indirect=True)
def test_the_legacy_gateway_is_no_exception(tmp_path: Path, merchant: Merchant) -> None:
    assert rejected(tmp_path, merchant).key == "ALIPAY_NOTIFY_URL"


def test_a_subdomain_that_the_request_names_is_no_configured_host(
    tmp_path: Path, merchant: Merchant
) -> None:
    app = new_app(tmp_path, merchant.settings, SERVER_NAME="shop.example", TRUSTED_HOSTS=None)
    app.subdomain_matching = True
    with pytest.raises(ConfigurationError, match="subdomain without variable") as caught:
        app.register_blueprint(new_blueprint(), url_prefix="/alipay", subdomain="<tenant>")
    assert caught.value.key == "ALIPAY_NOTIFY_URL"


def test_a_proxy_that_is_trusted_is_no_configured_host(tmp_path: Path, merchant: Merchant) -> None:
    app = new_app(tmp_path, merchant.settings, TRUSTED_HOSTS=None)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="ALIPAY_NOTIFY_URL"):
        app.register_blueprint(new_blueprint(), url_prefix="/alipay")


def test_a_notify_url_on_another_site_does_not_set_the_return_url(
    tmp_path: Path, merchant: Merchant
) -> None:
    other_site = {"NOTIFY_URL": "https://gateway.example/from-alipay"}
    error = rejected(tmp_path, merchant, other_site)
    assert error.key == "ALIPAY_RETURN_URL"


def test_both_urls_are_enough(open_shop: OpenShop, merchant: Merchant) -> None:
    urls = {
        "NOTIFY_URL": "https://gateway.example/from-alipay",
        "RETURN_URL": "https://shop.example/thanks",
    }
    shop = open_shop({**merchant.settings, **urls}, TRUSTED_HOSTS=None)
    params = sent_to_alipay(shop, "http://attacker.example")
    assert params["notify_url"] == urls["NOTIFY_URL"]
    assert params["return_url"] == urls["RETURN_URL"]


@pytest.mark.parametrize("name", ["https://shop.example", "shop.example/tea", "*.example", "a b"])
def test_a_server_name_that_is_no_host_is_rejected(
    tmp_path: Path, merchant: Merchant, name: str
) -> None:
    assert rejected(tmp_path, merchant, SERVER_NAME=name).key == "SERVER_NAME"


def test_another_merchants_error_names_its_key(tmp_path: Path, keys: Keys) -> None:
    merchant = Merchant("openapi", "RSA2", "utf-8", keys)
    app = new_app(tmp_path, {})
    app.config.update({f"SECOND_{name}": value for name, value in merchant.settings.items()})
    with pytest.raises(ConfigurationError) as caught:
        app.register_blueprint(new_blueprint(config_prefix="SECOND"), url_prefix="/second")
    assert caught.value.key == "SECOND_NOTIFY_URL"


SANDBOX = "https://openapi-sandbox.dl.alipaydev.com/gateway.do"


@pytest.mark.parametrize(
    ("settings", "config"),
    [
        ({}, {"DEBUG": True}),
        ({}, {"TESTING": True}),
        ({"SANDBOX": True}, {}),
        ({"GATEWAY_URL": SANDBOX}, {}),
        ({"GATEWAY_URL": "http://127.0.0.1:8090/gateway.do"}, {}),
    ],
)
def test_in_development_the_request_decides_with_a_warning(
    open_shop: OpenShop,
    merchant: Merchant,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    config: dict[str, Any],
) -> None:
    shop = open_shop({**merchant.settings, **settings}, TRUSTED_HOSTS=None, **config)
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "'ALIPAY_NOTIFY_URL' must be set" in warning.getMessage()
    params = sent_to_alipay(shop, "http://tea.test:5000")
    assert params["notify_url"] == "http://tea.test:5000/alipay/notify"


def test_with_the_simulator_the_request_decides_with_a_warning(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    open_shop({"SIMULATOR": True})
    assert any("'ALIPAY_NOTIFY_URL' must be set" in one.getMessage() for one in caplog.records)


def test_the_sandbox_setting_beside_the_real_gateway_is_no_sandbox(
    tmp_path: Path, merchant: Merchant
) -> None:
    real = {"SANDBOX": True, "GATEWAY_URL": "https://openapi.alipay.com/gateway.do"}
    assert rejected(tmp_path, merchant, real).key == "ALIPAY_NOTIFY_URL"


@pytest.mark.parametrize(
    "url", ["https://proxy.internal/gateway.do", "https://evil.example/.alipaydev.com/gateway.do"]
)
def test_another_gateway_is_taken_for_a_real_one(
    tmp_path: Path, merchant: Merchant, url: str
) -> None:
    assert rejected(tmp_path, merchant, {"GATEWAY_URL": url}).key == "ALIPAY_NOTIFY_URL"
