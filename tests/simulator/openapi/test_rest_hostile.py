"""Whatever is sent in the newer dress, or asked of the bills, there is an answer."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .test_hostile import METHODS, NAMES, TEXT, VALUES
from .test_rest import Rest

ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
LATIN = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
PATHS = METHODS.map(lambda method: "/v3/" + method.replace(".", "/"))
BODIES = st.none() | st.dictionaries(NAMES | TEXT, VALUES, max_size=6) | TEXT


@ANY
@given(PATHS, BODIES)
@example("/v3/alipay/fund/auth/order/app/freeze", {})
def test_well_signed_nonsense_is_answered(app, merchant, simulator, path, body):
    response = Rest(app, merchant).send(path, body)
    assert response.is_json
    if response.status_code == 500:  # as Alipay answers a server that calls the payer's method
        assert path == "/v3/alipay/fund/auth/order/app/freeze"
        assert response.get_json()["code"] == "SYSTEM_ERROR"
    else:
        assert response.status_code in (200, 202, 400, 404)


@ANY
@given(
    PATHS | TEXT.map(lambda text: f"/v3/{text}"),
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(
            [
                "Authorization",
                "alipay-root-cert-sn",
                "alipay-app-auth-token",
                "alipay-encrypt-type",
                "Content-Type",
            ]
        ),
        LATIN | LATIN.map(lambda text: f"ALIPAY-SHA256withRSA {text},sign={text}"),
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_unsigned_nonsense_is_rejected(app, simulator, path, body, headers, method):
    response = app.test_client().open(f"/alipay{path}", method=method, data=body, headers=headers)
    # A path with two slashes in a row is led to the one without them.
    assert 400 <= response.status_code < 500 or response.status_code == 308
    assert simulator.trades.all() == ()


@ANY
@given(TEXT, TEXT)
def test_an_unknown_bill_is_not_found(app, token, query):
    response = app.test_client().get(f"/alipay/bill/{quote(token)}", query_string=query)
    assert response.status_code in (301, 308, 404)
