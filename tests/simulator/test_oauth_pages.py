"""Alipay's pages for authorisations: what they accept, and where they lead."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from flask_alipay.simulator import Simulator

BACK = "https://shop.example/back?a=1"
USER, APP, BATCH = "publicAppAuthorize.htm", "appToAppAuth.htm", "appToAppBatchAuth.htm"


@pytest.fixture
def client(app):
    return app.test_client()


def address(merchant, page, **changes):
    given = {"app_id": merchant.account.app_id, "redirect_uri": BACK, "state": "S1"}
    given |= {USER: {"scope": "auth_user"}, BATCH: {"application_type": "WEBAPP,TINYAPP"}}.get(
        page, {}
    )
    given = {name: value for name, value in (given | changes).items() if value is not None}
    return f"/alipay/oauth2/{page}?{urlencode(given)}"


def query(location):
    return dict(parse_qsl(urlsplit(location).query))


def merchant_app_id(merchant, number=0):
    return merchant.account.authorizers[number][0]


def test_a_user_returns_with_a_code(client, merchant):
    response = client.post(address(merchant, USER), data={"decision": "allow"})
    assert response.status_code == 303
    assert response.location.startswith(f"{BACK}&")
    found = query(response.location)
    assert len(found.pop("auth_code")) == 32
    assert found == {
        "a": "1",
        "app_id": merchant.account.app_id,
        "source": "alipay_wallet",
        "scope": "auth_user",
        "state": "S1",
    }


@pytest.mark.parametrize(("page", "types"), [(APP, None), (BATCH, "WEBAPP,TINYAPP")])
def test_a_merchant_returns_with_a_code(client, merchant, page, types):
    requested = client.get(address(merchant, page))
    assert requested.status_code == 200
    assert all(app_id in requested.text for app_id, _ in merchant.account.authorizers)
    chosen = {"decision": "allow", "auth_app_id": merchant_app_id(merchant, 1)}
    found = query(client.post(address(merchant, page), data=chosen).location)
    assert found["app_auth_code"].startswith("P")
    assert (found["source"], found["app_id"]) == ("alipay_app_auth", merchant.account.app_id)
    assert found.get("application_type") == types


def test_a_state_that_was_not_given_is_not_returned(client, merchant):
    location = client.get(address(merchant, USER, scope="auth_base", state=None)).location
    assert "state" not in query(location)


@pytest.mark.parametrize(
    ("page", "changes", "named"),
    [
        (USER, {"app_id": None}, "app_id"),
        (USER, {"app_id": "2021000000000999"}, "app_id"),
        (APP, {"app_id": "2021000000000999"}, "app_id"),
        (USER, {"redirect_uri": None}, "redirect_uri"),
        (USER, {"redirect_uri": "/back"}, "redirect_uri"),
        (USER, {"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        (USER, {"state": "S" * 101}, "state"),
        (USER, {"state": "茶"}, "state"),
        (USER, {"state": "a.b"}, "state"),
        (USER, {"scope": None}, "scope"),
        (USER, {"scope": "auth_all"}, "scope"),
        (BATCH, {"application_type": None}, "application_type"),
        (BATCH, {"application_type": "FAX"}, "application_type"),
    ],
)
def test_what_alipay_would_reject_is_named_and_leads_nowhere(
    client, merchant, page, changes, named
):
    for open_page in (client.get, client.post):
        response = open_page(address(merchant, page, **changes))
        assert response.status_code == 400
        assert response.text.startswith(f"{named} ")
        assert response.location is None


def test_a_merchant_that_there_is_not_cannot_authorise(client, merchant):
    chosen = {"decision": "allow", "auth_app_id": "2021000000000999"}
    response = client.post(address(merchant, APP), data=chosen)
    assert response.status_code == 400
    assert client.get("/alipay/authorizations").get_json() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"scopes": 5}', b'{"scopes": "auth_all"}'])
def test_a_mini_program_gets_a_code_for_a_scope_that_there_is(client, body):
    response = client.post("/alipay/mini-program/auth-code", data=body)
    assert response.status_code == (400 if b"scopes" in body else 200)


def test_an_authorisation_is_withdrawn_by_the_control(client, merchant, simulator, clock):
    app_id = merchant_app_id(merchant)
    withdraw = f"/alipay/authorizations/{app_id}/withdraw"
    assert client.post(withdraw).status_code == 409
    known = simulator.dialects.openapi.authorizations
    token = known.exchange_app(known.app_code(app_id, clock.now()), clock.now())
    (shown,) = client.get("/alipay/authorizations").get_json()
    assert (shown["auth_app_id"], shown["valid"]) == (app_id, True)
    assert token.app_auth_token not in client.get("/alipay/live").text
    (shown,) = client.post(withdraw).get_json()
    assert shown["valid"] is False
    assert client.post(withdraw).status_code == 409


def test_codes_and_tokens_survive_a_restart(tmp_path, clock, shop, merchant):
    state = tmp_path / "state.db"
    app_id = merchant_app_id(merchant)
    first = Simulator(post=shop.post, clock=clock, state=state)
    known = first.dialects.openapi.authorizations
    user_code, app_code = (
        known.user_code("auth_base", clock.now()),
        known.app_code(app_id, clock.now()),
    )
    token = known.exchange_app(known.app_code(app_id, clock.now()), clock.now())
    first.close()
    second = Simulator(post=shop.post, clock=clock, state=state)
    known = second.dialects.openapi.authorizations
    assert known.app_token(token.app_auth_token) == token
    assert known.exchange_user(user_code, clock.now()).scope == "auth_base"
    assert known.exchange_app(app_code, clock.now()).auth_app_id == app_id
    assert known.exchange_user(user_code, clock.now()) is None
    second.close()
