"""``bill``: comparison of Alipay's daily or monthly bill with the ledger."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, cast

import click
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import AlipayError, AppAuthTokenError, GatewayError, InvalidBill, InvalidParameter
from ..gateways.mapi import MapiGateway
from ..gateways.openapi.bill import BillPeriod, BillRow, read_bill
from ..ledger.bill_comparison import (
    PAYMENT_AMOUNT,
    PAYMENT_NOT_IN_BILL,
    PAYMENT_NOT_PAID,
    PAYMENT_UNKNOWN,
    REFUND_AMOUNT,
    REFUND_NOT_DONE,
    REFUND_NOT_IN_BILL,
    REFUND_UNKNOWN,
    Difference,
    compare_bill,
    merchants_of,
)
from ..ledger.references import references_of
from ..models import utc_now
from ..operations.alerts import alert_about_bill
from ..protocol.conversion import format_amount
from .database_errors import database_message
from .errors import NOT_IN_ORDER, InputError, sentence, usage_error
from .i18n import N_, _, n_
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import json_option
from .output import display_time, iso
from .table import Column, echo_json, echo_table, strip_control_chars

if TYPE_CHECKING:
    from ..gateways.openapi import OpenApiGateway
    from ..merchant import Merchant

_HELP = N_("""Compare Alipay's bill of a day or a month with the ledger.

DATE is a day (yyyy-MM-dd) or a month (yyyy-MM) in China time. Lists payments and refunds that only
one side has, and different amounts; changes nothing. The exit status is 0 without differences, 1
with differences, and 2 if the comparison is not possible.

\b
Examples:
  {prefix} bill 2026-01-31
  {prefix} bill 2026-01 --csv > differences.csv
  {prefix} bill 2026-01 --file 20880000000000000156_202601.zip --json
""")

_KINDS: Final = {
    PAYMENT_UNKNOWN: N_("paid at Alipay, not in the ledger"),
    PAYMENT_NOT_PAID: N_("paid at Alipay, unpaid in the ledger"),
    PAYMENT_NOT_IN_BILL: N_("paid in the ledger, not in the bill"),
    PAYMENT_AMOUNT: N_("payment amounts differ"),
    REFUND_UNKNOWN: N_("refunded at Alipay, not in the ledger"),
    REFUND_NOT_DONE: N_("refunded at Alipay, not done in the ledger"),
    REFUND_NOT_IN_BILL: N_("refunded in the ledger, not in the bill"),
    REFUND_AMOUNT: N_("refund amounts differ"),
}
#: The maximum number of lines in the table.
_MAX_LINES: Final = 500
# Differences whose payments are read at once.
_PAGE: Final = 200
# Alipay provides a daily bill on the next morning.
_READY: Final = timedelta(hours=12)


def bill_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "bill",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Compare Alipay's bill with the ledger."),
    )
    @click.argument("date")
    @click.option(
        "--file",
        "files",
        type=click.File("rb", lazy=False),
        multiple=True,
        help=_(
            "A downloaded bill: the ZIP file, or the table in it. Repeat the option for "
            "several merchants."
        ),
    )
    @json_option
    @click.option("--csv", "as_csv", is_flag=True, help=_("CSV in UTF-8, for programs."))
    def bill(date: str, files: tuple[IO[bytes], ...], as_json: bool, as_csv: bool) -> None:
        merchant = current_merchant()
        if as_json and as_csv:
            raise click.UsageError(_("Use --json or --csv, not both."))
        with _nothing_to_compare():
            period = BillPeriod.of(date)
            given = chain.from_iterable(read_bill(file, period) for file in files)
            rows = given if files else _fetch_all(merchant, period)
            account = merchant.config.merchant
            found = compare_bill(merchant.session, merchant.models, account, rows, period)
            output = _print_json if as_json else _print_csv if as_csv else _print
            differs = output(_with_references(merchant, found))
        if differs:
            alert_about_bill(merchant, period.bill_date, differs)
            raise click.exceptions.Exit(NOT_IN_ORDER)

    return bill


def _fetch_all(merchant: Merchant, period: BillPeriod) -> Iterator[BillRow]:
    """Fetch the bill of each merchant for whom the ledger has payments."""
    default = merchant.gateway
    if isinstance(default, MapiGateway):
        text = _(
            "The legacy gateway provides no bill. Download it from Alipay's merchant portal "
            "and pass it with --file."
        )
        raise click.UsageError(text)
    merchants = merchants_of(merchant.session, merchant.models, merchant.config.merchant, period)
    found, fetched = False, set()
    for (token, auth_app_id), number in (merchants or {(None, None): ""}).items():
        gateway = _gateway_of(merchant, default, token, auth_app_id, number)
        if gateway in fetched:
            continue
        fetched.add(gateway)
        with tempfile.TemporaryFile() as file:
            if _fetch(gateway, period, file, number if gateway is not default else None):
                found = True
                yield from read_bill(file, period)
    if not found:
        click.echo(_("The bill is empty: Alipay has no trades in this period."), err=True)


def _gateway_of(
    merchant: Merchant,
    default: OpenApiGateway,
    token: str | None,
    auth_app_id: str | None,
    out_trade_no: str,
) -> OpenApiGateway:
    """Return the client of the gateway for calls for the merchant of a payment."""
    if token is not None or auth_app_id is None:
        return default.acting_for(token)
    try:
        return cast("OpenApiGateway", merchant.gateway_of(auth_app_id))
    except AppAuthTokenError as error:
        raise _bill_of(out_trade_no, error) from None


def _bill_of(out_trade_no: str, error: GatewayError) -> InputError:
    text = _("The bill of the merchant of payment {out_trade_no}: {reason}")
    return InputError(text.format(out_trade_no=out_trade_no, reason=sentence(error)))


def _fetch(
    gateway: OpenApiGateway, period: BillPeriod, into: IO[bytes], out_trade_no: str | None
) -> bool:
    """Fetch a bill.

    :param out_trade_no: a payment of another merchant, to name that merchant in an error; ``None``
        for the default merchant.
    :return: ``False`` if Alipay reports that a bill which could exist does not.
    """
    try:
        response = gateway.data_dataservice_bill_downloadurl_query(
            bill_type="trade", bill_date=period.bill_date
        )
        gateway.download_bill(response.bill_download_url, into)
    except GatewayError as error:
        if not (error.sub_code or "").endswith("BILL_NOT_EXIST"):
            if out_trade_no is None:
                raise
            raise _bill_of(out_trade_no, error) from None
        if utc_now() < period.until + _READY:
            text = _(
                "Alipay has not created this bill yet. A daily bill is available on the next "
                "morning, China time."
            )
            raise InputError(text) from None
        return False
    return True


@contextmanager
def _nothing_to_compare() -> Iterator[None]:
    """Exit with status 2 on an error: status 1 is for differences."""
    try:
        yield
    except InvalidParameter as error:
        raise usage_error(error) from None
    except InvalidBill as error:
        text = _("The bill cannot be compared: {reason}")
        raise InputError(text.format(reason=sentence(error))) from None
    except AlipayError as error:
        raise InputError(sentence(error)) from None
    except SQLAlchemyError as error:
        raise InputError(database_message(error)) from None


class _Named(NamedTuple):
    """A difference, and the shop's own number of its payment; empty if there is none."""

    difference: Difference
    reference: str


def _with_references(merchant: Merchant, found: Iterator[Difference]) -> Iterator[_Named]:
    """Yield each difference with the shop's own number; a page of payments is read at a time."""
    model, account = merchant.models.Payment, merchant.config.merchant
    while page := list(islice(found, _PAGE)):
        numbers = {difference.out_trade_no for difference in page}
        references = references_of(merchant.session, model, account, numbers)
        yield from (_Named(each, references.get(each.out_trade_no, "")) for each in page)


def _print(found: Iterator[_Named]) -> int:
    lines: list[tuple[Any, ...]] = []
    count = 0
    for count, named in enumerate(found, 1):
        if count <= _MAX_LINES:
            lines.append(_line(named))
    if not count:
        click.echo(_("The bill and the ledger agree."))
        return 0
    has_reference = any(line[1] for line in lines)
    if not has_reference:
        lines = [(line[0], *line[2:]) for line in lines]
    columns = [
        Column(_("difference"), min_width=12),
        *([Column("reference")] if has_reference else []),
        Column("out_trade_no", optional=has_reference),
        Column("out_request_no", min_width=8, optional=True),
        Column(_("bill"), right=True),
        Column(_("ledger"), right=True),
        Column(_("time"), optional=True),
        Column(_("status"), min_width=8, optional=True),
    ]
    echo_table(columns, lines)
    click.echo()
    click.echo(n_("{count} difference.", "{count} differences.", count).format(count=count))
    if count > len(lines):
        text = _("{count} of them are not shown: --csv and --json show all.")
        click.echo(text.format(count=count - len(lines)))
    return count


def _line(named: _Named) -> tuple[Any, ...]:
    difference = named.difference
    return (
        _(_KINDS[difference.kind]),
        strip_control_chars(named.reference),
        difference.out_trade_no,
        difference.out_request_no,
        _yuan(difference.bill_fen),
        _yuan(difference.ledger_fen),
        difference.at and display_time(difference.at)[:16],
        difference.status,
    )


def _print_json(found: Iterator[_Named]) -> int:
    count = 0
    for count, named in enumerate(found, 1):  # noqa: B007 - counts
        echo_json(_for_programs(named))
    return count


def _print_csv(found: Iterator[_Named]) -> int:
    count = 0
    for count, named in enumerate(found, 1):
        values = _for_programs(named)
        if count == 1:
            click.echo(_csv_line(values))
        click.echo(_csv_line(values.values()))
    return count


def _for_programs(named: _Named) -> dict[str, Any]:
    difference = named.difference
    return {
        "difference": difference.kind,
        "reference": named.reference or None,
        "out_trade_no": difference.out_trade_no,
        "trade_no": difference.trade_no,
        "out_request_no": difference.out_request_no,
        "bill_fen": difference.bill_fen,
        "ledger_fen": difference.ledger_fen,
        "status": difference.status,
        "at": iso(difference.at),
    }


def _csv_line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _yuan(fen: int | None) -> str:
    return "" if fen is None else format_amount(fen)
