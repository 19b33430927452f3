"""Messages on the command line: replayed after a failure, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flask_alipay import Message

from .test_operator import Tea
from .test_operator import make_tea as make_tea

KIND = "alipay.fund.trans.order.changed"
CHECK = "alipay.service.check"


@pytest.fixture
def tea(make_tea: Callable[..., Tea]) -> Tea:
    """A shop whose callback for messages fails."""
    tea = make_tea()
    tea.broken = True

    @tea.alipay.on_message(KIND)
    def handle(message: Message) -> None:
        if tea.broken:
            raise RuntimeError
        tea.done.append(message.content["out_biz_no"])

    return tea


def send(tea: Tea, kind: str = KIND) -> dict[str, Any]:
    answer = tea.app.test_client().post("/alipay/simulator/messages", json={"kind": kind})
    sent: dict[str, Any] = answer.get_json()
    return sent


def outcomes(tea: Tea) -> list[str]:
    with tea.app.app_context():
        rows = tea.db.session.query(tea.Notification).order_by(tea.Notification.id)
        return [row.outcome for row in rows]


def test_a_failed_message_is_replayed_from_the_journal(tea: Tea) -> None:
    sent = send(tea)
    assert not sent["heard"]
    tea.broken = False
    result = tea.run("replay", "--notify-id", sent["notify_id"], "--yes")
    assert result.exit_code == 0, result.stderr
    assert f"{sent['notify_id']}: {KIND}. The outcome would be: settled." in result.stdout
    assert "Outcome: settled." in result.stdout
    assert tea.done == ["T2001"]
    again = tea.run("replay", "--notify-id", sent["notify_id"], "--yes", "--json")
    assert json.loads(again.stdout) == {
        "notify_id": sent["notify_id"],
        "kind": KIND,
        "outcome": "duplicate",
        "events": [],
        "dry_run": False,
    }
    assert tea.done == ["T2001"]


def test_a_callback_that_fails_again_is_reported(tea: Tea) -> None:
    sent = send(tea)
    result = tea.run("replay", "--notify-id", sent["notify_id"], "--yes")
    assert result.exit_code == 1
    assert outcomes(tea) == ["callback_failed"] * 2
    assert tea.done == []


def test_a_dry_run_changes_nothing(tea: Tea) -> None:
    sent = send(tea)
    tea.broken = False
    result = tea.run("replay", "--notify-id", sent["notify_id"], "--dry-run")
    assert "The outcome would be: settled." in result.stdout
    assert (tea.done, outcomes(tea)) == ([], ["callback_failed"])


def test_an_unknown_number_is_reported(tea: Tea) -> None:
    result = tea.run("replay", "--notify-id", "1", "--yes")
    assert result.exit_code == 1
    assert "The journal has no notification 1." in result.stderr


def test_a_row_is_selected_in_one_way(tea: Tea) -> None:
    result = tea.run("replay", "--notify-id", "1", "--id", "1")
    assert result.exit_code == 2


@pytest.mark.parametrize("kind", [KIND, "dut_user_sign", "servicemarket_order_notify"])
def test_a_captured_message_is_verified_and_compared_with_the_ledger(
    tea: Tea, tmp_path: Path, kind: str
) -> None:
    tea.broken = False
    sent = send(tea, kind)
    (tmp_path / "captured.txt").write_text(sent["attempts"][0]["body"])
    result = tea.run("verify-notify", str(tmp_path / "captured.txt"))
    assert result.exit_code == 0, result.stdout
    assert f"This is a message from Alipay ({kind})" in " ".join(result.stdout.split())
    assert "duplicate" in result.stdout or "recorded it already" in result.stdout
    printed = tea.run("verify-notify", str(tmp_path / "captured.txt"), "--json")
    assert json.loads(printed.stdout)["checks"] == {"account": "ok", "outcome": "duplicate"}


def test_a_forged_message_is_not_verified(tea: Tea, tmp_path: Path) -> None:
    sent = send(tea)
    body = sent["attempts"][0]["body"].replace("8.88", "9.99")
    (tmp_path / "captured.txt").write_text(body)
    assert tea.run("verify-notify", str(tmp_path / "captured.txt")).exit_code == 1
    result = tea.run("replay", str(tmp_path / "captured.txt"), "--yes")
    assert result.exit_code == 1
    assert (tea.done, outcomes(tea)) == ([], ["callback_failed"])


def test_the_probe_of_an_application_gateway_is_named(tea: Tea, tmp_path: Path) -> None:
    received: list[bytes] = []

    @tea.app.before_request
    def keep() -> None:
        from flask import request

        if request.endpoint == "alipay.notify":
            received.append(request.get_data())

    tea.app.test_client().post("/alipay/simulator/messages/activate", json={})
    (tmp_path / "captured.txt").write_bytes(received[0])
    result = tea.run("verify-notify", str(tmp_path / "captured.txt"))
    assert result.exit_code == 0
    assert "activates the address of an application gateway" in " ".join(result.stdout.split())
    replayed = tea.run("replay", str(tmp_path / "captured.txt"), "--yes")
    assert replayed.exit_code == 1


def test_a_message_for_another_application_is_not_replayed(tea: Tea, tmp_path: Path) -> None:
    payload = urlencode({"msg_method": KIND, "app_id": "1", "sign": "AAAA"})
    (tmp_path / "captured.txt").write_text(payload)
    assert tea.run("replay", str(tmp_path / "captured.txt"), "--yes").exit_code == 1
    assert (tea.done, outcomes(tea)) == ([], [])
