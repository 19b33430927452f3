"""``verify-notify``: its output and exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_alipay.diagnosis import Reason
from flask_alipay.keys import generate_private_key, key_to_base64, private_pem, public_pem
from flask_alipay.signer import Md5Signer, Rsa2Signer, RsaSigner

from ..conftest import Keys
from ..doubles.app import MERCHANT, Shop, make_shop
from ..vectors import Vector, is_valid, with_vectors
from .conftest import MD5_KEY, Run, body, make_app, notification_params, signed

PACKAGE_ROOT = Path(__file__).parents[2]


def report(result: Result) -> dict[str, Any]:
    """Return the printed JSON object."""
    (line,) = result.stdout.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_valid_payload_is_verified(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    (files / "good.txt").write_bytes(body(signed(notification_params(), alipay)))
    result = alone(
        "verify-notify", str(files / "good.txt"), "--public-key", str(files / "alipay.pem")
    )
    assert result.exit_code == 0
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0].endswith("good.txt: VERIFIED")
    assert "out_trade_no  20260131000000000000000001" in lines
    assert "trade_status  TRADE_SUCCESS" in lines
    assert "amount        88.88 CNY" in lines
    assert any(line.startswith("checked with  RSA2, ") and "2048 bits" in line for line in lines)


def test_an_altered_payload_is_not_verified_and_the_reason_is_printed(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    payload = body({**signed(notification_params(), alipay), "total_amount": "0.01"})
    result = alone("verify-notify", "--public-key", str(files / "alipay.pem"), stdin=payload)
    assert result.exit_code == 1
    assert "standard input: NOT VERIFIED (altered)" in result.stdout
    assert "Content (not verified):" in result.stdout


def test_a_dash_is_standard_input(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    key = str(files / "alipay.pem")
    payload = body(signed(notification_params(), alipay))
    assert alone("verify-notify", "-", "--public-key", key, stdin=payload).exit_code == 0


def test_the_json_report_is_one_object_with_the_keys_of_the_contract(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    key = str(files / "alipay.pem")
    payload = body(signed(notification_params(), alipay))
    result = alone("verify-notify", "--json", "--public-key", key, stdin=payload)
    found = report(result)
    assert list(found) == ["file", "valid", "sign_type", "reason", "hint", "params"]
    assert (found["file"], found["valid"], found["sign_type"]) == ("-", True, "RSA2")
    assert (found["reason"], found["hint"]) == (Reason.OK, "")
    assert found["params"]["subject"] == "茶+tea"


@pytest.mark.parametrize("how", ["--json", "--charset=utf-8"])
def test_buyer_data_and_the_signature_are_masked(
    how: str, alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(), alipay)
    key = str(files / "alipay.pem")
    masked = alone("verify-notify", how, "--public-key", key, stdin=body(params))
    assert "buyer@example.com" not in masked.output
    assert params["sign"] not in masked.output
    shown = alone("verify-notify", how, "--show-params", "--public-key", key, stdin=body(params))
    assert "buyer@example.com" in shown.output


def test_the_command_reads_its_own_output(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    key = str(files / "alipay.pem")
    payload = body(signed(notification_params(), alipay))
    first = alone("verify-notify", "--json", "--show-params", "--public-key", key, stdin=payload)
    again = alone("verify-notify", "--json", "--public-key", key, stdin=first.stdout_bytes)
    assert (again.exit_code, report(again)["valid"]) == (0, True)


def test_several_files_have_a_summary(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    (files / "good.txt").write_bytes(body(signed(notification_params(), alipay)))
    (files / "bad.txt").write_bytes(
        body({**signed(notification_params(), alipay), "total_amount": "0.01"})
    )
    key = ("--public-key", str(files / "alipay.pem"))
    result = alone("verify-notify", str(files / "good.txt"), str(files / "bad.txt"), *key)
    assert result.exit_code == 1
    assert result.stdout.endswith("2 payloads: 1 verified, 1 not verified, 0 unreadable.\n")
    result = alone("verify-notify", str(files / "good.txt"), str(files / "none.txt"), *key)
    assert result.exit_code == 2
    assert "none.txt contains no payload: there is no such file." in result.stderr
    assert "2 payloads: 1 verified, 0 not verified, 1 unreadable." in result.stdout


@pytest.mark.parametrize(
    ("content", "finding"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\0\0\0=\0", "it is binary"),
        (b"a" * 10_000_000, "neither a form body"),
        (b"%FF%FF=%FF", "No parameters"),
    ],
    ids=["empty", "binary", "large", "undecodable"],
)
def test_an_unreadable_file_is_reported_with_exit_status_2(
    content: bytes, finding: str, alone: Run, files: Path
) -> None:
    key = str(files / "alipay.pem")
    result = alone("verify-notify", "--public-key", key, stdin=content)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: standard input contains no payload: ")
    assert finding in result.stderr
    machine = alone("verify-notify", "--json", "--public-key", key, stdin=content)
    assert (report(machine)["reason"], report(machine)["params"]) == (Reason.UNREADABLE, {})


def test_a_missing_signature_is_reported_without_a_key(alone: Run) -> None:
    result = alone("verify-notify", "--json", stdin=body(notification_params()))
    assert (result.exit_code, report(result)["reason"]) == (1, Reason.MISSING_SIGN)
    assert alone("verify-notify", stdin=b"%FF%FF=%FF").stderr.startswith("Error: standard input")


def test_a_directory_is_reported(alone: Run, files: Path) -> None:
    result = alone("verify-notify", str(files), "--public-key", str(files / "alipay.pem"))
    assert result.exit_code == 2
    assert "it is a directory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (("--charset", "klingon"), "charset must be utf-8"),
        (("--sign-type", "DSA"), "DSA"),
        (("--sign-type", "MD5"), "Set FLASK_ALIPAY_KEY"),
        (("--key", ""), "--key"),
        (("--public-key", "{}/none.pem"), "does not exist"),
        (("--public-key", "{}/merchant.pem"), "expected an RSA public key, got an RSA private key"),
        (("--public-key", "{}"), "directory"),
        ((), "with --public-key"),
    ],
)
def test_a_misuse_is_reported_with_exit_status_2(
    arguments: tuple[str, ...], finding: str, alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    words = [word.format(files) for word in arguments]
    result = alone("verify-notify", *words, stdin=body(signed(notification_params(), alipay)))
    assert result.exit_code == 2
    assert finding in result.stderr
    assert "Traceback" not in result.output


def test_any_of_several_keys_verifies(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    (files / "older.pem").write_text(public_pem(generate_private_key().public_key()))
    keys = [f"--public-key={files / name}" for name in ("older.pem", "alipay.pem")]
    result = alone("verify-notify", *keys, stdin=body(signed(notification_params(), alipay)))
    assert result.exit_code == 0
    assert "alipay.pem (2048 bits)" in result.stdout
    assert "older.pem" not in result.stdout


def test_an_md5_key_verifies_a_legacy_payload_in_gbk(alone: Run) -> None:
    params = notification_params()
    del params["charset"], params["app_id"]
    payload = body(signed(params, Md5Signer(MD5_KEY), "gbk"), "gbk")
    result = alone("verify-notify", "--key", MD5_KEY, stdin=payload)
    assert result.exit_code == 0
    assert "charset       gbk" in result.stdout
    assert MD5_KEY not in result.output


def test_a_missing_md5_key_is_prompted_for(alone: Run, tmp_path: Path) -> None:
    payload = tmp_path / "good.txt"
    payload.write_bytes(body(signed(notification_params(), Md5Signer(MD5_KEY))))
    result = alone("verify-notify", str(payload), "--key", stdin=f"{MD5_KEY}\n".encode())
    assert result.exit_code == 0
    assert result.stdout.startswith(str(payload))
    assert MD5_KEY not in result.output


def test_the_environment_provides_the_keys(
    alone: Run, files: Path, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIPAY_PUBLIC_KEY_PATH", str(files / "none.pem"))
    monkeypatch.setenv("FLASK_ALIPAY_PUBLIC_KEY_PATH", str(files / "alipay.pem"))
    result = alone("verify-notify", stdin=body(signed(notification_params(), alipay)))
    assert result.exit_code == 0
    assert "ALIPAY_PUBLIC_KEY_PATH (2048 bits)" in result.stdout


def test_the_environment_provides_several_keys(
    alone: Run, keys: Keys, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [key_to_base64(key.public_key()) for key in (keys.merchant, keys.alipay)]
    monkeypatch.setenv("FLASK_ALIPAY_PUBLIC_KEY", json.dumps(pair))
    assert alone("verify-notify", stdin=body(signed(notification_params(), alipay))).exit_code == 0


def test_an_md5_key_in_the_environment_selects_md5(
    alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_KEY", MD5_KEY)
    params = signed(notification_params(), Md5Signer(MD5_KEY))
    del params["sign_type"]
    assert alone("verify-notify", stdin=body(params)).exit_code == 0
    monkeypatch.setenv("FLASK_ALIPAY_SIGN_TYPE", "DSA")
    result = alone("verify-notify", stdin=body(params))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'ALIPAY_SIGN_TYPE' must be one of MD5, RSA, RSA2" in result.stderr


def test_an_unreadable_key_in_the_environment_is_named(
    alone: Run, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_PUBLIC_KEY", "secret-looking")
    result = alone("verify-notify", stdin=body(signed(notification_params(), alipay)))
    assert result.exit_code == 2
    assert "'ALIPAY_PUBLIC_KEY' is invalid" in result.stderr
    assert "secret-looking" not in result.output


def test_the_merchants_public_key_is_recognised_by_the_environment(
    alone: Run, files: Path, keys: Keys, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_PRIVATE_KEY_PATH", str(files / "merchant.pem"))
    (files / "own.pem").write_text(public_pem(keys.merchant.public_key()))
    result = alone(
        "verify-notify",
        "--json",
        f"--public-key={files / 'own.pem'}",
        stdin=body(signed(notification_params(), alipay)),
    )
    assert (result.exit_code, report(result)["reason"]) == (1, Reason.OWN_PUBLIC_KEY)


def test_without_a_sign_type_the_payloads_own_is_used_and_noted(
    alone: Run, files: Path, keys: Keys
) -> None:
    payload = body(signed(notification_params(), RsaSigner(keys.alipay)))
    key = ("--public-key", str(files / "alipay.pem"))
    lenient = alone("verify-notify", "--json", *key, stdin=payload)
    assert (report(lenient)["valid"], report(lenient)["sign_type"]) == (True, "RSA")
    assert "the payload's own" in report(lenient)["hint"]
    strict = alone("verify-notify", "--json", *key, "--sign-type", "rsa2", stdin=payload)
    assert report(strict)["reason"] == Reason.SIGN_TYPE_MISMATCH


def test_a_return_is_distinguished_from_a_notification(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(method="alipay.trade.page.pay.return"), alipay)
    url = b"https://shop.example/alipay/return?" + body(params)
    result = alone("verify-notify", "--public-key", str(files / "alipay.pem"), stdin=url)
    assert result.exit_code == 0
    assert "proves no payment" in " ".join(result.stdout.split())


def test_control_characters_do_not_reach_the_terminal(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(out_trade_no="\x1b[2J\x07\u202eevil"), alipay)
    result = alone("verify-notify", "--public-key", str(files / "alipay.pem"), stdin=body(params))
    assert "?[2J??evil" in result.stdout
    assert "\x1b" not in result.stdout


def test_in_an_app_its_configuration_verifies(in_app: Run, alipay: Rsa2Signer) -> None:
    result = in_app("verify-notify", stdin=body(signed(notification_params(), alipay)))
    assert result.exit_code == 0
    assert "RSA2, the configured key (2048 bits)" in result.stdout


def test_in_an_app_the_payloads_sign_type_is_not_trusted(in_app: Run, keys: Keys) -> None:
    payload = body(signed(notification_params(), RsaSigner(keys.alipay)))
    result = in_app("verify-notify", "--json", stdin=payload)
    assert (result.exit_code, report(result)["reason"]) == (1, Reason.SIGN_TYPE_MISMATCH)


def test_in_an_app_options_replace_its_keys(in_app: Run, files: Path, keys: Keys) -> None:
    stranger = generate_private_key()
    (files / "other.pem").write_text(public_pem(stranger.public_key()))
    payload = body(signed(notification_params(), Rsa2Signer(stranger)))
    assert in_app("verify-notify", stdin=payload).exit_code == 1
    key = ("--public-key", str(files / "other.pem"))
    assert in_app("verify-notify", *key, stdin=payload).exit_code == 0


def test_in_an_app_the_merchants_public_key_is_recognised(keys: Keys, alipay: Rsa2Signer) -> None:
    app = make_app(
        ALIPAY_APP_ID="2021000000000000",
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.merchant.public_key()),
    )
    payload = body(signed(notification_params(), alipay))
    result = verify_in(app, payload)
    assert report(result)["reason"] == Reason.OWN_PUBLIC_KEY


def test_in_an_app_its_arguments_in_a_return_are_ignored(keys: Keys, alipay: Rsa2Signer) -> None:
    app = make_app(
        ALIPAY_APP_ID="2021000000000000",
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
        ALIPAY_RETURN_URL="https://shop.example/back?shop=1",
    )
    url = b"https://shop.example/back?shop=1&" + body(signed(notification_params(), alipay))
    assert verify_in(app, url).exit_code == 0


def test_in_an_app_on_the_legacy_gateway_a_public_key_selects_rsa(files: Path, keys: Keys) -> None:
    app = make_app(ALIPAY_PARTNER="2088000000000000", ALIPAY_KEY=MD5_KEY)
    payload = body(signed(notification_params(), RsaSigner(keys.alipay)))
    result = verify_in(app, payload, "--public-key", str(files / "alipay.pem"))
    assert report(result)["valid"]


def verify_in(app: Flask, payload: bytes, *options: str) -> Result:
    result: Result = app.test_cli_runner().invoke(
        args=("alipay", "verify-notify", "--json", *options), input=payload
    )
    return result


@pytest.fixture
def shop(keys: Keys) -> Shop:
    """A shop with an open payment and a journal."""
    shop = make_shop(
        ALIPAY_APP_ID=MERCHANT,
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
    )
    shop.add(shop.row("T1"))
    return shop


@pytest.mark.parametrize(
    ("more", "checks"),
    [
        ({}, {"outcome": "settled", "status": "WAIT_BUYER_PAY", "amount": "ok"}),
        ({"trade_status": "WAIT_BUYER_PAY"}, {"outcome": "duplicate", "amount": "ok"}),
        ({"out_trade_no": "T2"}, {"order": "unknown"}),
        ({"app_id": "2021000000000001"}, {"account": "wrong_account"}),
        ({"total_amount": "0.01"}, {"order": "ok"}),
    ],
    ids=["news", "duplicate", "unknown", "foreign", "amount"],
)
def test_in_an_app_a_verified_payload_is_checked_without_changes(
    more: dict[str, str], checks: dict[str, str], shop: Shop, alipay: Rsa2Signer
) -> None:
    params = signed({**notification_params(app_id=MERCHANT, out_trade_no="T1"), **more}, alipay)
    result = verify_in(shop.app, body(params))
    found = report(result)
    assert (result.exit_code, found["valid"]) == (0, True)
    assert found["checks"].items() >= checks.items()
    if "total_amount" in more:
        assert found["checks"]["amount"].startswith("mismatched")
    text = shop.run("verify-notify", stdin=body(params).decode()).stdout
    assert "In this app:" in text
    with shop.app.app_context():
        (payment,) = shop.db.session.query(shop.Payment).all()
        assert (payment.paid, payment.trade_status) == (False, "WAIT_BUYER_PAY")
        assert shop.db.session.query(shop.Notification).count() == 0


def test_a_row_of_the_journal_is_verified(shop: Shop, alipay: Rsa2Signer) -> None:
    good = signed(notification_params(app_id=MERCHANT, out_trade_no="T1"), alipay)
    for payload in (good, {**good, "total_amount": "0.01"}, {"batch_no": "1"}):
        shop.add(
            shop.Notification(
                merchant=MERCHANT,
                out_trade_no="T1",
                trade_status="TRADE_SUCCESS",
                outcome="settled",
                payload=payload,
            )
        )
    assert "journal row 1: VERIFIED" in shop.run("verify-notify", "--id", "1").stdout
    result = shop.run("verify-notify", "--id", "1", "--id", "2")
    assert result.exit_code == 1
    assert "journal row 2: NOT VERIFIED (altered)" in result.stdout
    result = shop.run("verify-notify", "--id", "3", "--id", "4")
    assert result.exit_code == 2
    assert "not the signed form" in result.stderr
    assert "no such row" in result.stderr


def test_a_row_with_a_response_is_explained_with_the_next_step(shop: Shop) -> None:
    for payload in (
        {"method": "alipay.trade.query"},
        {
            "service": "refund_fastpay_by_platform_nopwd",
            "out_request_no": "R1",
            "refund_amount": "10.00",
        },
    ):
        row = {"trade_status": "TRADE_SUCCESS", "outcome": "settled", "payload": payload}
        shop.add(shop.Notification(merchant=MERCHANT, out_trade_no="T1", **row))
    result = shop.run("verify-notify", "--id", "1", "--id", "2")
    assert result.exit_code == 2
    assert "Alipay's response to alipay.trade.query, not a notification" in result.stderr
    assert "query again with 'query T1'" in result.stderr
    assert "retry with 'refund T1 10.00 --out-request-no R1'" in result.stderr


def test_two_mistakes_are_both_in_the_report(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    params = {**signed(notification_params(version="1.0"), alipay), "_config": "x"}
    del params["version"]
    key = ("--public-key", str(files / "alipay.pem"))
    found = report(alone("verify-notify", "--json", *key, stdin=body(params)))
    assert found["reason"] == Reason.EXTRA_PARAMETER
    assert found["also"] == [Reason.MISSING_PARAMETER]


def test_each_of_two_mistakes_has_a_paragraph(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    params = {**signed(notification_params(version="1.0"), alipay), "_config": "x"}
    del params["version"]
    result = alone("verify-notify", f"--public-key={files / 'alipay.pem'}", stdin=body(params))
    assert "NOT VERIFIED (extra_parameter, missing_parameter)" in result.stdout
    assert "\n  Besides: It verifies with version restored" in result.stdout


def test_in_production_a_payload_of_the_sandbox_is_recognised(in_app: Run) -> None:
    stranger = Rsa2Signer(generate_private_key())
    payload = body(signed(notification_params(app_id="9021000122682882"), stranger))
    found = report(in_app("verify-notify", "--json", stdin=payload))
    assert (found["valid"], found["reason"]) == (False, Reason.WRONG_ENVIRONMENT)
    other = body(signed(notification_params(), stranger))
    assert report(in_app("verify-notify", "--json", stdin=other))["reason"] == Reason.WRONG_KEY


def test_buyer_data_is_masked_in_garbled_payloads(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(pay_user_name="Zhang San"), alipay)
    garbled = {f"amp;{name}": value for name, value in params.items()}
    key = ("--public-key", str(files / "alipay.pem"))
    result = alone("verify-notify", "--json", *key, stdin=body(garbled))
    assert report(result)["reason"] == Reason.HTML_ESCAPED
    for private in ("buyer@example.com", "Zhang San", params["sign"]):
        assert private not in result.output


def test_a_pattern_is_expanded_without_a_shell(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    for name in ("a.txt", "b.txt"):
        (files / name).write_bytes(body(signed(notification_params(), alipay)))
    key = ("--public-key", str(files / "alipay.pem"))
    result = alone("verify-notify", str(files / "*.txt"), *key)
    assert result.exit_code == 0
    assert "2 payloads: 2 verified" in result.stdout
    result = alone("verify-notify", str(files / "*.none"), *key)
    assert result.exit_code == 2
    assert "no file matches this pattern" in result.stderr


def test_the_older_wap_gateway_is_verified_in_its_parameter_order(alone: Run) -> None:
    fields = {
        "service": "alipay.wap.trade.create.direct",
        "v": "1.0",
        "sec_id": "MD5",
        "notify_data": "<notify><out_trade_no>1</out_trade_no><buyer_email>a@b.cn</buyer_email>"
        "</notify>",
    }
    words = "&".join(f"{name}={text}" for name, text in fields.items()).encode()
    params = {**fields, "sign": Md5Signer(MD5_KEY).sign(words)}
    result = alone("verify-notify", "--key", MD5_KEY, "--json", stdin=body(params))
    assert report(result)["valid"]
    params["v"] = "2.0"
    result = alone("verify-notify", "--key", MD5_KEY, "--json", stdin=body(params))
    assert report(result)["reason"] == Reason.ALTERED
    assert "a@b.cn" not in result.output


def test_the_module_runs_as_a_program(files: Path, alipay: Rsa2Signer) -> None:
    command = ["verify-notify", "--json", "--public-key", str(files / "alipay.pem")]
    ran = subprocess.run(
        [sys.executable, "-m", "flask_alipay", *command],
        input=body(signed(notification_params(), alipay)),
        capture_output=True,
        cwd=PACKAGE_ROOT,
        env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["params"]["subject"] == "茶+tea"


@with_vectors("captured-notify", "captured-return", "notify")
def test_a_captured_payload_is_verified(vector: Vector, alone: Run, tmp_path: Path) -> None:
    options = ["--sign-type", vector["sign_type"]]
    if vector["sign_type"] == "MD5":
        options += ["--key", vector["md5_key"]]
    else:
        (tmp_path / "key.pem").write_text(vector["public_key"])
        options += ["--public-key", str(tmp_path / "key.pem")]
    result = alone("verify-notify", "--json", *options, stdin=captured(vector))
    # In these two the string that their finder built is wrong; the parameters are good.
    valid = is_valid(vector) or vector["id"] in ("038", "054")
    assert (result.exit_code, report(result)["valid"]) == (0 if valid else 1, valid)


@with_vectors("captured-notify", where=lambda vector: vector["name"].startswith("real-notify-mapi"))
def test_the_key_of_the_legacy_gateway_is_built_in(vector: Vector, alone: Run) -> None:
    result = alone("verify-notify", stdin=captured(vector))
    assert result.exit_code == 0
    assert "Alipay's published key of the legacy gateway (1024 bits)" in result.stdout


def captured(vector: Vector) -> bytes:
    """Return the payload as it was sent, if the vector has that, or its reconstruction."""
    for name in ("raw_body", "raw_query", "url"):
        if name in vector:
            return str(vector[name]).encode()
    params = dict(vector["params"])
    if vector["name"] != "mapi-md5-notify-unsigned":
        params.setdefault("sign", vector["sign"])
    return body(params, vector["charset"])


def test_text_is_chinese_for_chinese_readers_and_json_is_english(
    alone: Run, files: Path, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    params = {**signed(notification_params(version="1.0"), alipay), "_config": "x"}
    del params["version"]
    key = f"--public-key={files / 'alipay.pem'}"
    result = alone("verify-notify", key, stdin=body(params))
    assert "标准输入: 验签失败 (extra_parameter, missing_parameter)" in result.stdout
    assert "去掉 _config 后验签成功" in result.stdout
    assert "此外" in result.stdout
    assert "补回" in result.stdout
    assert "It verifies" not in result.stdout
    found = report(alone("verify-notify", "--json", key, stdin=body(params)))
    assert found["hint"].startswith("It verifies without _config")
