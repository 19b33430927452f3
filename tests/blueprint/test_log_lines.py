"""The log line of each notification, and the file of those that were rejected."""

from __future__ import annotations

import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flask_alipay import ConfigurationError
from flask_alipay.blueprint.rejected import MAX_FILE, keep, kept
from flask_alipay.exceptions import BadSignature

from ..doubles.merchant import APP_ID, Merchant
from ..doubles.shop import Shop, new_app, new_blueprint
from .conftest import OpenShop, Refusals, assert_discreet


@contextmanager
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging as a fresh process has it: pytest's own handlers stand aside."""
    root = logging.getLogger()
    with monkeypatch.context() as patch:
        patch.setattr(root, "handlers", [])
        yield


def test_with_flasks_default_logging_a_settled_notification_leaves_a_line(
    shop: Shop, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, errors = shop.order(), io.StringIO()
    body = merchant.notification(number)
    with no_handlers(monkeypatch):
        shop.notify(body, environ_overrides={"wsgi.errors": errors})
    (line,) = errors.getvalue().splitlines()
    assert f"INFO in flask_alipay: notification settled: {number} is TRADE_SUCCESS" in line
    assert_discreet(line, body)


def test_a_logger_at_level_warning_omits_settled_notifications(
    shop: Shop, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, errors = merchant.notification(shop.order()), io.StringIO()
    monkeypatch.setattr(logging.getLogger("flask_alipay"), "level", logging.WARNING)
    with no_handlers(monkeypatch):
        shop.notify(body, environ_overrides={"wsgi.errors": errors})
        shop.notify(b"forged=1", environ_overrides={"wsgi.errors": errors})
    (line,) = errors.getvalue().splitlines()
    assert "WARNING in flask_alipay: notification refused (bad_signature)" in line


def test_the_fields_of_a_settled_notification_are_attributes_of_the_record(
    shop: Shop, merchant: Merchant, log: Any
) -> None:
    number = shop.order()
    shop.notify(merchant.notification(number))
    (record,) = [record for record in log() if record.levelno == logging.INFO]
    assert (record.outcome, record.out_trade_no) == ("settled", number)
    assert (record.trade_no, record.trade_status) == (f"trade-{number}", "TRADE_SUCCESS")
    assert (record.merchant, record.remote_addr) == (APP_ID, "127.0.0.1")


def test_a_rejected_notification_names_the_trade_and_the_address(
    shop: Shop, merchant: Merchant, refusals: Refusals, log: Any
) -> None:
    number = shop.order()
    body = merchant.notification(number) + b"&added=1"
    refusals.of(body, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    record = log()[-1]
    assert record.getMessage().endswith(
        f"out_trade_no={number} trade_no=trade-{number} trade_status=TRADE_SUCCESS "
        "notify_id=None remote_addr=203.0.113.9"
    )
    assert (record.reason, record.trade_no) == ("bad_signature", f"trade-{number}")


@pytest.mark.parametrize(
    "name", ["trans_currency", "total_freeze_amount", "sign_time", "status", "amount", "msg_uid"]
)
def test_a_name_that_notifications_of_alipays_have_is_not_called_foreign(
    name: str, refusals: Refusals, log: Any
) -> None:
    refusals.of(urlencode({name: "1", "added": "1", "sign": "bm8="}).encode())
    assert "notifications do not have: added;" in log()[-1].getMessage()


def test_the_values_of_a_forgery_cannot_forge_a_log_line(
    shop: Shop, refusals: Refusals, log: Any
) -> None:
    evil = "TRADE\n2026 INFO settled \x1b[2J\u202e" + "x" * 500
    body = urlencode(dict.fromkeys(("trade_no", "trade_status", "notify_id"), evil)).encode()
    refusals.of(body, environ_overrides={"REMOTE_ADDR": "10.0.0.1\r\nINFO settled"})
    record = log()[-1]
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 500
    assert record.remote_addr == "10.0.0.1??INFO?settled"


def test_without_the_setting_no_rejected_body_is_kept(
    shop: Shop, refusals: Refusals, tmp_path: Path
) -> None:
    before = set(tmp_path.rglob("*"))
    refusals.of(b"forged=1")
    assert set(tmp_path.rglob("*")) == before


@pytest.fixture
def keeping(open_shop: OpenShop, merchant: Merchant, tmp_path: Path) -> Shop:
    return open_shop({**merchant.settings, "REJECTED_PATH": str(tmp_path / "rejected")})


def test_a_rejected_body_is_kept_for_its_owner_alone_and_diagnosed(
    keeping: Shop, merchant: Merchant, tmp_path: Path
) -> None:
    path, number = tmp_path / "rejected", keeping.order()
    path.touch(0o644)
    body = merchant.notification(number) + b"&added=1"
    assert keeping.notify(body).data == b"fail"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(entry.reason, entry.body) for entry in kept(path)] == [("bad_signature", body)]
    assert keeping.journal() == []
    runner = keeping.app.test_cli_runner()
    result = runner.invoke(args=("alipay", "verify-notify", "--rejected"))
    assert result.exit_code == 1
    assert "NOT VERIFIED (extra_parameter)" in result.stdout
    assert "(bad_signature)" in result.stdout


def test_a_settled_notification_is_not_kept(
    keeping: Shop, merchant: Merchant, tmp_path: Path
) -> None:
    keeping.notify(merchant.notification(keeping.order()))
    assert not (tmp_path / "rejected").exists()
    runner = keeping.app.test_cli_runner()
    result = runner.invoke(args=("alipay", "verify-notify", "--rejected"))
    assert (result.exit_code, result.stderr) == (0, "There are no rejected notifications.\n")


def test_the_file_stays_below_its_limit_and_keeps_the_newest(tmp_path: Path) -> None:
    path, error = tmp_path / "rejected", BadSignature("x")
    for number in range(60):
        keep(path, error, b"%d=" % number + b"x" * 50_000)
        assert path.stat().st_size <= MAX_FILE
    numbers = [int(entry.body.partition(b"=")[0]) for entry in kept(path)]
    assert numbers[-1] == 59
    assert numbers == list(range(numbers[0], 60))
    assert len(numbers) > 5


def test_a_line_that_is_cut_off_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rejected"
    path.write_bytes(b'{"received_at": "x", "bo\n[]\n5\n')
    keep(path, BadSignature("x"), b"a=1")
    assert [entry.body for entry in kept(path)] == [b"a=1"]


def test_a_file_that_cannot_be_written_changes_no_response(
    keeping: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "rejected").symlink_to(tmp_path / "elsewhere")
    response = keeping.notify(b"forged=1")
    assert (response.status_code, response.data) == (400, b"fail")
    assert "could not be kept (OSError)" in caplog.text
    assert (tmp_path / "elsewhere").read_bytes() == b""


@pytest.mark.parametrize("path", ["rejected", "{}", "{}/none/rejected"])
def test_a_path_that_cannot_be_is_rejected_at_start(
    path: str, open_shop: OpenShop, merchant: Merchant, tmp_path: Path
) -> None:
    settings = {**merchant.settings, "REJECTED_PATH": path.format(tmp_path)}
    with pytest.raises(ConfigurationError, match="ALIPAY_REJECTED_PATH"):
        open_shop(settings)


@pytest.mark.parametrize("content", [b"SQLite format 3\0", b"-----BEGIN PRIVATE KEY-----", b"{}"])
def test_a_file_with_other_content_is_rejected_at_start_and_stays_as_it_is(
    content: bytes, open_shop: OpenShop, merchant: Merchant, tmp_path: Path
) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"ALIPAY_REJECTED_PATH.*other content"):
        open_shop({**merchant.settings, "REJECTED_PATH": str(path)})
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (content, 0o644)


def test_a_file_that_the_app_has_written_is_taken_again(
    open_shop: OpenShop, merchant: Merchant, tmp_path: Path
) -> None:
    path = tmp_path / "rejected"
    keep(path, BadSignature("no"), b"a=1")
    shop = open_shop({**merchant.settings, "REJECTED_PATH": str(path)})
    shop.notify(b"b=2")
    assert [entry.body for entry in kept(path)] == [b"a=1", b"b=2"]


def test_a_file_in_the_static_folder_is_rejected_at_start(
    merchant: Merchant, tmp_path: Path
) -> None:
    (tmp_path / "static").mkdir()
    path = str(tmp_path / "static" / "rejected")
    app = new_app(tmp_path, {**merchant.settings, "REJECTED_PATH": path})
    with pytest.raises(ConfigurationError, match=r"ALIPAY_REJECTED_PATH.*static"):
        app.register_blueprint(new_blueprint(), url_prefix="/alipay")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_device_or_pipe_is_rejected_at_start(
    open_shop: OpenShop, merchant: Merchant, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match=r"ALIPAY_REJECTED_PATH.*pipe"):
        open_shop({**merchant.settings, "REJECTED_PATH": str(tmp_path / "pipe")})


def test_without_the_setting_the_command_names_it(shop: Shop) -> None:
    runner = shop.app.test_cli_runner()
    result = runner.invoke(args=("alipay", "verify-notify", "--rejected"))
    assert result.exit_code == 2
    assert "ALIPAY_REJECTED_PATH" in result.stderr
