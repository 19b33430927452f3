"""A shop's own gateway object, with the simulator inside the app: asked and told in process."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint
from flask_alipay.exceptions import GatewayError

from ..doubles.models import declare_payment


@pytest.fixture(params=["utf-8", "gbk"])
def charset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def alipay(charset: str) -> tuple[Flask, AlipayBlueprint]:
    db = SQLAlchemy()

    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="Change this!",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        ALIPAY_SIMULATOR=True,
        ALIPAY_SIMULATOR_WITHOUT_DEBUG=True,
        ALIPAY_PROTOCOL="mapi",
        ALIPAY_INPUT_CHARSET=charset,
    )
    db.init_app(app)
    blueprint = AlipayBlueprint(db, declare_payment(db.Model))
    app.register_blueprint(blueprint, url_prefix="/alipay")
    return app, blueprint


def test_an_embedded_gateway_queries_and_notifies_within_the_process(
    alipay: tuple[Flask, AlipayBlueprint],
) -> None:
    app, blueprint = alipay
    with app.app_context():
        gateway = blueprint.gateway
    with pytest.raises(GatewayError) as queried:
        gateway.single_trade_query(out_trade_no="A1")
    assert queried.value.code == "TRADE_NOT_EXIST"
    with pytest.raises(GatewayError) as caught:
        gateway.close_trade(out_order_no="A1")
    assert caught.value.code == "TRADE_NOT_EXIST"
    now = datetime.now(timezone.utc)
    assert (
        gateway.account_page_query(gmt_start_time=now - timedelta(hours=1), gmt_end_time=now).rows
        == ()
    )


def test_the_older_wap_gateway_is_there_as_well(alipay: tuple[Flask, AlipayBlueprint]) -> None:
    app, blueprint = alipay
    with app.app_context():
        gateway = blueprint.gateway
    token = gateway.alipay_wap_trade_create_direct(
        subject="龙井茶 & more",
        out_trade_no="A1",
        total_fee="88.88",
        call_back_url="https://shop.example/return",
    )
    request = gateway.alipay_wap_auth_authAndExecute(token)
    assert app.test_client().get(request.url).status_code == 303
