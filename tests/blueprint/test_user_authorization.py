"""Authorisations in the browser: the state is signed, expires, and belongs to one session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import redirect, request
from werkzeug.test import Client, TestResponse

from flask_alipay.blueprint import states, tokens
from flask_alipay.exceptions import BadToken, ConfigurationError, GatewayError, InvalidParameter
from flask_alipay.models import utc_now
from flask_alipay.simulator.simulator import SIMULATORS

from ..doubles.merchant import APP_ID, Merchant
from ..doubles.shop import Shop

OpenShop = Callable[..., Shop]

BACK = "http://localhost/back"
KINDS = {"user": "auth_code", "app": "app_auth_code"}


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return with_views(open_shop({"SIMULATOR": "open_id"}))


def with_views(shop: Shop) -> Shop:
    """A shop that begins and ends authorisations; a rejection is its name and a 400."""

    def begin(kind: str) -> Any:
        options: dict[str, Any] = dict(request.args)
        url = getattr(shop.alipay, f"{kind}_authorization_url")
        return redirect(url(BACK, reference={"cart": 7}, **options))

    def back(kind: str) -> Any:
        try:
            found = getattr(shop.alipay, f"{kind}_authorization_code")()
        except BadToken as error:
            return {"error": type(error).__name__, "message": str(error)}, 400
        return {"code": found.code, "reference": found.reference}

    shop.app.add_url_rule("/begin/<kind>", "begin", begin)
    shop.app.add_url_rule("/back", "back_user", lambda: back("user"))
    shop.app.add_url_rule("/back-app", "back_app", lambda: back("app"))
    return shop


def params(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def begun(shop: Shop, kind: str = "user", client: Client | None = None, **args: str) -> str:
    """The URL at Alipay to which the shop redirects."""
    response = (client or shop.client).get(f"/begin/{kind}", query_string=args)
    assert response.status_code == 302, response.text
    found: str = response.location
    return found


def come_back(shop: Shop, client: Client | None = None, **args: str) -> TestResponse:
    return (client or shop.client).get("/back", query_string=args)


def refused(shop: Shop, client: Client | None = None, **args: str) -> str:
    """The name of a rejection; the ledger does not change, no callback is called."""
    before = shop.ledger()
    response = come_back(shop, client, **args)
    assert response.status_code == 400
    assert shop.ledger() == before
    assert shop.called == []
    name: str = response.get_json()["error"]
    return name


# With the simulator


def test_a_user_is_identified_without_a_question(shop: Shop) -> None:
    url = begun(shop)
    assert urlsplit(url).path == "/alipay/simulator/oauth2/publicAppAuthorize.htm"
    assert params(url)["scope"] == "auth_base"
    location = shop.client.get(url).location
    assert location.startswith(f"{BACK}?")
    assert params(location)["source"] == "alipay_wallet"
    found = shop.client.get(location).get_json()
    assert found["reference"] == {"cart": 7}
    with shop.app.app_context():
        gateway: Any = shop.alipay.gateway
        token = gateway.system_oauth_token(code=found["code"])
        (simulator,) = shop.app.extensions[SIMULATORS].values()
        assert token.open_id == simulator.merchant.buyer_open_id
        with pytest.raises(GatewayError) as caught:  # the user was not asked
            gateway.user_info_share(auth_token=token.access_token)
    assert caught.value.sub_code == "aop.invalid-auth-token"


def test_a_user_is_asked_for_more(shop: Shop) -> None:
    url = begun(shop, scope="auth_user")
    page = shop.client.get(url)
    assert page.status_code == 200
    assert "Log in with Alipay" in page.text
    location = shop.client.post(url, data={"decision": "allow"}).location
    code = shop.client.get(location).get_json()["code"]
    with shop.app.app_context():
        gateway: Any = shop.alipay.gateway
        token = gateway.system_oauth_token(code=code)
        info = gateway.user_info_share(auth_token=token.access_token)
    assert (info.open_id, info.nick_name, info.gender) == (token.open_id, "测试买家", "f")


def test_a_user_who_refuses_does_not_come_back(shop: Shop) -> None:
    url = begun(shop, scope="auth_user")
    page = shop.client.post(url, data={"decision": "refuse"})
    assert (page.status_code, page.location) == (200, None)


def test_a_code_is_exchanged_once_and_tokens_are_refreshed(shop: Shop) -> None:
    code = shop.client.get(shop.client.get(begun(shop)).location).get_json()["code"]
    with shop.app.app_context():
        gateway: Any = shop.alipay.gateway
        first = gateway.system_oauth_token(code=code)
        with pytest.raises(GatewayError) as caught:
            gateway.system_oauth_token(code=code)
        assert (caught.value.code, caught.value.sub_code) == ("40002", "isv.code-invalid")
        second = gateway.system_oauth_token(refresh_token=first.refresh_token)
        assert second.access_token != first.access_token
        assert second.open_id == first.open_id
        with pytest.raises(GatewayError) as caught:
            gateway.system_oauth_token(refresh_token=first.refresh_token)
    assert caught.value.sub_code == "isv.refresh-token-invalid"


# The state


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_has_only_characters_that_alipay_returns(shop: Shop, kind: str) -> None:
    states_of = {params(begun(shop, kind))["state"] for _ in range(3)}
    assert len(states_of) == 3
    for state in states_of:
        assert len(state) <= 100
        assert state.isalnum()
        assert state.isascii()


def test_a_state_is_used_once(shop: Shop) -> None:
    state = params(begun(shop))["state"]
    assert come_back(shop, state=state, auth_code="c1").status_code == 200
    assert refused(shop, state=state, auth_code="c1") == "BadToken"


def test_a_state_belongs_to_one_browser(shop: Shop) -> None:
    state = params(begun(shop))["state"]
    victim = shop.app.test_client()
    assert refused(shop, victim, state=state, auth_code="attacker") == "BadToken"
    begun(shop, client=victim)
    assert refused(shop, victim, state=state, auth_code="attacker") == "BadToken"
    assert come_back(shop, state=state, auth_code="c1").status_code == 200


def test_a_browser_may_begin_several_authorisations(shop: Shop) -> None:
    pending = [params(begun(shop))["state"] for _ in range(7)]
    assert refused(shop, state=pending[0], auth_code="c1") == "BadToken"  # forgotten
    for state in pending[2:]:
        assert come_back(shop, state=state, auth_code="c1").status_code == 200


def test_a_state_expires(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    state = params(begun(shop))["state"]
    later = utc_now() + states.STATE_LIFETIME + timedelta(minutes=1)
    monkeypatch.setattr(states, "utc_now", lambda: later)
    assert refused(shop, state=state, auth_code="c1") == "ExpiredToken"
    assert refused(shop, state=state, auth_code="c1") == "BadToken"  # and does not come to life


def test_a_state_does_not_outlive_the_sites_links(open_shop: OpenShop) -> None:
    shop = with_views(open_shop({"SIMULATOR": "open_id", "RESULT_MAX_AGE": 60}))
    state = params(begun(shop))["state"]
    clock = tokens._Signer.get_timestamp
    try:
        tokens._Signer.get_timestamp = lambda self: clock(self) + 61  # type: ignore[method-assign]
        assert refused(shop, state=state, auth_code="c1") == "ExpiredToken"
    finally:
        tokens._Signer.get_timestamp = clock  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: "",
        lambda state: "x",
        lambda state: state[:-1],
        lambda state: state.lower(),
        lambda state: f"{state}=",
        lambda state: f"{state}A",
        lambda state: ("B" if state[0] == "A" else "A") + state[1:],
        lambda state: "茶" * 40,
        lambda state: "A" * 100_000,
    ],
)
def test_an_altered_state_is_rejected(shop: Shop, change: Callable[[str], str]) -> None:
    state = params(begun(shop))["state"]
    assert refused(shop, state=change(state), auth_code="c1") == "BadToken"


def test_a_state_is_for_one_kind_of_authorisation(shop: Shop) -> None:
    state = params(begun(shop, "app"))["state"]
    assert refused(shop, state=state, auth_code="c1") == "BadToken"


def test_a_state_of_another_merchant_is_rejected(open_shop: OpenShop) -> None:
    shops = [with_views(open_shop({"SIMULATOR": True})) for _ in range(2)]
    other: Any = shops[1].app.extensions["alipay"][shops[1].alipay].tokens
    other._merchant = "another"
    state = params(begun(shops[0]))["state"]
    assert refused(shops[1], state=state, auth_code="c1") == "BadToken"


@pytest.mark.parametrize("code", ["", "c" * 129])
def test_a_return_without_a_code_is_rejected(shop: Shop, code: str) -> None:
    state = params(begun(shop))["state"]
    assert refused(shop, state=state, auth_code=code) == "BadToken"


def test_a_return_for_another_application_is_rejected(shop: Shop) -> None:
    state = params(begun(shop))["state"]
    other = "2021000000000999"
    assert refused(shop, state=state, auth_code="c1", app_id=other) == "BadToken"


def test_a_third_party_application_names_the_merchants(shop: Shop) -> None:
    (simulator,) = shop.app.extensions[SIMULATORS].values()
    app_id, _ = simulator.merchant.authorizers[0]
    url = begun(shop, app_id=app_id)
    assert params(url)["app_id"] == app_id
    assert shop.client.get(shop.client.get(url).location).status_code == 200


# The URL


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "https://openauth.alipay.com"),
        ({"SANDBOX": True}, "https://openauth-sandbox.dl.alipaydev.com"),
        ({"GATEWAY_URL": "http://127.0.0.1:8090/gateway.do"}, "http://127.0.0.1:8090"),
        (
            {"GATEWAY_URL": "https://proxy.example/gateway.do", "OAUTH_URL": "https://o.example/"},
            "https://o.example",
        ),
    ],
)
def test_the_page_is_on_alipays_host(
    open_shop: OpenShop, merchant: Merchant, settings: dict[str, Any], host: str
) -> None:
    shop = with_views(open_shop({**merchant.settings, **settings}))
    url = begun(shop)
    assert url.startswith(f"{host}/oauth2/publicAppAuthorize.htm?app_id={APP_ID}&scope=auth_base&")
    assert params(url)["redirect_uri"] == BACK
    url = begun(shop, "app")
    assert url.startswith(f"{host}/oauth2/appToAppAuth.htm?app_id={APP_ID}&redirect_uri=")


@pytest.mark.parametrize(
    ("kind", "options", "parameter"),
    [
        ("user", {"redirect_uri": "/back"}, "redirect_uri"),
        ("user", {"redirect_uri": BACK, "scope": "auth_all"}, "scope"),
        ("user", {"redirect_uri": BACK, "scope": ""}, "scope"),
        ("user", {"redirect_uri": BACK, "reference": {1, 2}}, "reference"),
        ("app", {"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ("app", {"redirect_uri": BACK, "application_types": "WEBAPP"}, "application_types"),
        ("app", {"redirect_uri": BACK, "application_types": ["FAX"]}, "application_types"),
    ],
)
def test_an_invalid_parameter_is_named_and_leaves_the_session_alone(
    shop: Shop, kind: str, options: dict[str, Any], parameter: str
) -> None:
    from flask import session

    with shop.app.test_request_context():
        with pytest.raises(InvalidParameter) as caught:
            getattr(shop.alipay, f"{kind}_authorization_url")(**options)
        assert not session
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("kind", KINDS)
def test_the_legacy_gateway_has_no_authorisations(open_shop: OpenShop, kind: str) -> None:
    shop = open_shop({"SIMULATOR": True, "PROTOCOL": "mapi"})
    with shop.app.test_request_context(), pytest.raises(ConfigurationError) as caught:
        getattr(shop.alipay, f"{kind}_authorization_url")(BACK)
    assert caught.value.key == "ALIPAY_PROTOCOL"
