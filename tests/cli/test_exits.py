"""Exit statuses of commands, their confirmations and their progress."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from flask_alipay.cli.errors import handle_errors, sentence
from flask_alipay.cli.options import confirm, json_option, progress, warn_if_simulator, yes_option
from flask_alipay.exceptions import (
    AlipayError,
    CallbackFailed,
    ConfigurationError,
    GatewayError,
    InvalidParameter,
    OutcomeUnknown,
    PaymentMismatch,
    UnknownPayment,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GatewayError("Alipay refuses"), 1),
        (UnknownPayment("no such payment in the ledger"), 1),
        (InvalidParameter("out_trade_no", "must be shorter"), 2),
        (ConfigurationError("'ALIPAY_KEY' must be set", "ALIPAY_KEY"), 2),
        (OutcomeUnknown("no answer came"), 3),
    ],
)
def test_each_error_has_its_exit_status(error: AlipayError, status: int) -> None:
    @click.command()
    def command() -> None:
        with handle_errors():
            raise error

    result = CliRunner().invoke(command)
    assert result.exit_code == status
    assert sentence(error) in result.stderr
    assert "Traceback" not in result.output


def test_an_unknown_outcome_names_the_next_step() -> None:
    @click.command()
    def command() -> None:
        with handle_errors():
            raise OutcomeUnknown("no answer came")

    assert "Check with 'query' before retrying" in CliRunner().invoke(command).stderr


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GatewayError("the trade does not exist"), "The trade does not exist."),
        (InvalidParameter("subject", "must be shorter"), "subject must be shorter."),
        (GatewayError("ACQ.TRADE_NOT_EXIST: 交易不存在。"), "ACQ.TRADE_NOT_EXIST: 交易不存在。"),
        (GatewayError(""), "GatewayError."),
        (CallbackFailed("badref.back raised KeyError"), "badref.back raised KeyError."),
        (PaymentMismatch("total_amount", 1, 2), "total_amount is 2 at Alipay and 1 in the ledger."),
        (InvalidParameter("sub", "is short"), "sub is short."),
        (GatewayError("substitutes are sold."), "Substitutes are sold."),
    ],
)
def test_an_error_is_a_sentence(error: AlipayError, expected: str) -> None:
    assert sentence(error) == expected


@click.command()
@yes_option
@json_option
def pay(yes: bool, as_json: bool) -> None:
    confirm("88.88 CNY go back.", yes)
    click.echo("{}" if as_json else "moved")


@pytest.mark.parametrize("output", ["n\n", "\n", ""])
def test_nothing_happens_without_confirmation(output: str) -> None:
    result = CliRunner().invoke(pay, input=output)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "88.88 CNY go back." in result.stderr


def test_a_confirmed_operation_is_executed() -> None:
    assert CliRunner().invoke(pay, input="y\n").stdout == "moved\n"


def test_the_option_yes_skips_the_confirmation() -> None:
    result = CliRunner().invoke(pay, ["--yes", "--json"])
    assert (result.stdout, result.stderr) == ("{}\n", "")


def test_progress_without_a_terminal_is_a_few_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress(range(1000), "Querying Alipay")) == list(range(1000))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 10
    assert printed.err.endswith("Querying Alipay: 1000 of 1000\n")


def test_progress_of_nothing_prints_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress([], "Querying Alipay")) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("simulator", "explained"), [(True, True), (False, False)])
def test_a_command_explains_where_the_embedded_simulators_trades_are(
    simulator: bool, explained: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_simulator(simulator)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("a separate simulator without trades" in printed.err) is explained
    assert ("run 'flask-alipay simulate'" in printed.err) is explained
