"""``trigger``: messages, genuine and invalid, to the app and over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flask_alipay import Message
from flask_alipay.cli.trigger import MESSAGES
from flask_alipay.simulator.notifications import triggers

from .conftest import Run
from .test_operator import Tea
from .test_operator import make_tea as make_tea

KIND = "alipay.fund.trans.order.changed"


@pytest.fixture
def tea(make_tea: Callable[..., Tea]) -> Tea:
    tea = make_tea()

    @tea.alipay.on_message()
    def handle(message: Message) -> None:
        tea.done.append(str(message.content.get("out_biz_no")))

    return tea


def test_the_events_are_those_of_the_simulator() -> None:
    assert tuple(triggers.MESSAGES) == MESSAGES


def test_a_message_is_delivered_to_the_app(tea: Tea) -> None:
    result = tea.run("trigger", "message", "--kind", KIND)
    assert result.exit_code == 0, result.output
    assert "200 success" in result.stdout
    assert tea.done == ["T2001"]


def test_a_message_has_the_given_content(tea: Tea) -> None:
    content = '{"out_biz_no": "P1"}'
    result = tea.run("trigger", "message", "--kind", "dut_user_sign", "--content", content)
    assert result.exit_code == 0, result.output
    assert tea.done == ["P1"]


@pytest.mark.parametrize("event", MESSAGES[1:])
def test_an_invalid_message_is_rejected_by_the_app(tea: Tea, event: str) -> None:
    result = tea.run("trigger", event, "--kind", KIND)
    assert result.exit_code == 0, result.output
    assert "fail" in result.stdout
    assert tea.done == []


@pytest.mark.parametrize(
    "arguments", [(), ("--kind", KIND, "--content", "[]"), ("--kind", KIND, "--content", "{")]
)
def test_a_misuse_is_reported(tea: Tea, arguments: tuple[str, ...]) -> None:
    assert tea.run("trigger", "message", *arguments).exit_code == 2
    assert tea.done == []


def test_an_invalid_kind_is_reported(tea: Tea) -> None:
    result = tea.run("trigger", "message", "--kind", "a b")
    assert result.exit_code == 2
    assert "kind" in result.stderr
    assert tea.done == []


def test_the_legacy_gateway_sends_no_messages(make_tea: Callable[..., Tea]) -> None:
    result = make_tea(ALIPAY_PROTOCOL="mapi").run("trigger", "message", "--kind", KIND)
    assert result.exit_code == 1
    assert "Only the open platform sends messages." in result.stderr


def test_a_message_needs_no_order_over_http(alone: Run, tmp_path: Path) -> None:
    result = alone("trigger", "message", "--url", "http://127.0.0.1:9/", "--keys", str(tmp_path))
    assert result.exit_code == 2
    assert "--kind" in result.stderr
    result = alone("trigger", "paid", "--url", "http://127.0.0.1:9/", "--keys", str(tmp_path))
    assert result.exit_code == 2
    assert "--out-trade-no" in result.stderr
