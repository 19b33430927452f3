"""``transfer``: transfer of an amount to a payee."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import OutcomeUnknown
from ..ledger.transfers import RecordedTransfer
from ..models import utc_now
from ..operations.order_number import generate_out_trade_no
from ..operations.transfers import TransferPlan, complete, perform, plan_transfer
from ..protocol.transfers import TransferStatus
from .errors import CommandFailed, UnknownOutcome, handle_errors, handle_ledger_errors, sentence
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, command_line, current_merchant
from .options import confirm, json_option, warn_if_simulator, yes_option
from .output import display_amount, masked_account, transfer_as_json
from .site_addresses import site_url_context
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..ledger.transfers import TransferLedger
    from ..merchant import Merchant

_HELP = N_("""Transfer an amount from the merchant's account to a payee.

AMOUNT is in yuan. PAYEE is a login name, or with --identity-type another kind of account. Without a
response the exit status is 3, and the command that continues the transfer is printed: it pays at
most once. The same --out-biz-no is the same transfer.

\b
Examples:
  {prefix} transfer 88.88 anna@example.org --name 安娜 --title "Prize"
  {prefix} transfer --continue 20260131000000000000000001
""")

_KINDS = ("ALIPAY_LOGON_ID", "ALIPAY_USER_ID", "ALIPAY_OPEN_ID", "BANKCARD_ACCOUNT")
# Within this time a transfer of the same amount to the same payee is taken for a repeated command.
_RECENT = timedelta(days=1)


def transfer_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "transfer",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Transfer an amount to a payee."),
    )
    @click.argument("amount", required=False)
    @click.argument("payee", required=False)
    @click.option(
        "--identity-type",
        type=click.Choice(_KINDS),
        default=_KINDS[0],
        show_default=True,
        help=_("The kind of the payee's account."),
    )
    @click.option("--name", help=_("The payee's real name; Alipay compares it."))
    @click.option("--title", help=_("The title in the payee's bill."))
    @click.option("--remark", help=_("A remark for the payee."))
    @click.option("--bank", help=_("The name of the bank of a card."))
    @click.option("--company", is_flag=True, help=_("The bank card belongs to a company."))
    @click.option(
        "--out-biz-no",
        help=_("The transfer's number: the same number is the same transfer. Default: generated."),
    )
    @click.option("--continue", "number", metavar="NUMBER", help=_("Continue a transfer."))
    @yes_option
    @json_option
    def transfer(
        amount: str | None,
        payee: str | None,
        number: str | None,
        yes: bool,
        as_json: bool,
        **rest: Any,
    ) -> None:
        merchant = current_merchant()
        with handle_errors(), site_url_context(merchant):
            ledger = merchant.transfers()
            warn_if_simulator(merchant.config.simulator)
            if number is not None:
                _continue(merchant, ledger, number, yes, as_json)
            elif amount is None or payee is None or not rest["title"]:
                raise click.UsageError(_("Give AMOUNT, PAYEE and --title, or --continue NUMBER."))
            else:
                _begin(merchant, ledger, amount, payee, yes, as_json, **rest)

    return transfer


def _begin(
    merchant: Merchant,
    ledger: TransferLedger,
    amount: str,
    payee: str,
    yes: bool,
    as_json: bool,
    *,
    out_biz_no: str | None,
    bank: str | None,
    company: bool,
    **fields: Any,
) -> None:
    """Transfer after a confirmation."""
    if bank is not None:
        fields["bankcard_ext_info"] = {"inst_name": bank, "account_type": "1" if company else "2"}
    plan = plan_transfer(merchant, ledger, amount, out_biz_no, payee=payee, **fields)
    new = plan.new
    names = {
        "amount": display_amount(new.amount_fen, "CNY"),
        "payee": strip_control_chars(payee),
        "name": strip_control_chars(fields["name"] or "-"),
        "number": new.out_biz_no,
    }
    if plan.known is not None and plan.known.status == TransferStatus.DEALING:
        text = _("{amount} to {payee} ({name}): transfer {number} has no result and is continued.")
    elif plan.known is not None:
        text = _("{amount} to {payee} ({name}): transfer {number} is finished; nothing is paid.")
    else:
        if out_biz_no is None:
            _check_recent(ledger, plan, names)
        text = _("{amount} will be transferred to {payee} ({name}), as transfer {number}.")
    confirm(text.format(**names), yes)
    with _results(merchant, ledger, new.out_biz_no, as_json):
        row = perform(merchant, ledger, plan.new)
    _print(row, as_json)


def _continue(
    merchant: Merchant, ledger: TransferLedger, number: str, yes: bool, as_json: bool
) -> None:
    """Continue a recorded transfer after a confirmation."""
    row = ledger.find_transfer(number)
    if row is None:
        text = _("Merchant {merchant} has no transfer {number}.")
        raise CommandFailed(
            text.format(merchant=merchant.config.merchant, number=strip_control_chars(number))
        )
    recorded = RecordedTransfer.of(row)
    names = {
        "amount": display_amount(row.amount_fen, "CNY"),
        "payee": masked_account(row.payee),
        "number": row.out_biz_no,
    }
    merchant.session.rollback()
    confirm(_("Transfer {number} of {amount} to {payee} is continued.").format(**names), yes)
    with _results(merchant, ledger, number, as_json):
        row = complete(merchant, ledger, recorded)
    _print(row, as_json)


@contextmanager
def _results(
    merchant: Merchant, ledger: TransferLedger, number: str, as_json: bool
) -> Iterator[None]:
    """Explain an unknown result, with the command that continues the transfer."""
    text = _("The transfer's result is unknown. Continue the same transfer with: {command}")
    step = text.format(command=command_line(merchant, f"transfer --continue {number}"))
    try:
        with handle_ledger_errors(_reported(), step, step):
            yield
    except OutcomeUnknown as error:
        merchant.session.rollback()
        row = ledger.find_transfer(number)
        if as_json and row is not None:
            echo_json(transfer_as_json(row))
        raise UnknownOutcome(f"{sentence(error)} {step}") from None


def _check_recent(ledger: TransferLedger, plan: TransferPlan, names: dict[str, str]) -> None:
    """Reject a transfer of the same amount to the same payee within a day."""
    new = plan.new
    recent = ledger.find_recent(new.amount_fen, new.payee, new.identity_type, utc_now() - _RECENT)
    if recent is not None:
        text = _(
            "A transfer of {amount} to {payee} was already made within the last day: "
            "{recent}. To transfer {amount} once more, use a new number: --out-biz-no {new}."
        )
        raise CommandFailed(text.format(**names, recent=recent, new=generate_out_trade_no()))


def _reported() -> str:
    return _("Alipay has reported the transfer's result, but the ledger could not record it.")


def _print(row: Any, as_json: bool) -> None:
    if as_json:
        echo_json(transfer_as_json(row))
        return
    text = _("{amount} to {payee}: {status}, as transfer {number}.")
    names = {
        "amount": display_amount(row.amount_fen, "CNY"),
        "payee": masked_account(row.payee),
        "status": row.status,
        "number": row.out_biz_no,
    }
    click.echo(text.format(**names))
