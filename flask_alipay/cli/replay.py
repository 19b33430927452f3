"""``replay``: a notification heard again, out of the journal or as somebody captured it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..diagnosis.diagnose import verifies
from ..exceptions import AlipayError
from ..operations.replay import replay as replay_notification
from .captures import MAX_BYTES, read_captures
from .errors import NOT_IN_ORDER, CommandFailed, handle_errors, sentence
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import confirm, json_option, yes_option
from .output import explain_response_row, journal_row
from .payloads import Payload, UnreadablePayload
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Hear a notification again, as if Alipay had brought it.

FILE holds one as verify-notify takes it: a form body, a raw HTTP request, JSON ...; '-' reads
standard input. --id takes a row of the journal instead; 'show' tells its number. It is verified
with the keys that are configured now, and settled once. What would happen is said first, and
nothing happens before you agree.

\b
Examples:
  {prefix} replay --id 17 --dry-run
  {prefix} replay captured.txt
""")


def replay_command() -> click.Command:
    """Return the command, in the current language."""

    @click.command(
        "replay",
        help=_(_HELP).format(prefix=PROGRAM_IN_APP),
        short_help=_("Hear a notification again."),
    )
    @click.argument("file", required=False, type=click.Path(allow_dash=True))
    @click.option("--id", "row", type=int, help=_("The number of a row in the journal."))
    @click.option("--dry-run", is_flag=True, help=_("Only say what would happen."))
    @yes_option
    @json_option
    @click.pass_context
    def replay(
        context: click.Context, /, file: str | None, row: int | None, **options: bool
    ) -> None:
        alipay = current_merchant()
        if (file is None) == (row is None):
            raise click.UsageError(_("Name one: a FILE, or a row of the journal with --id."))
        refused = False
        for payload in _payloads(alipay, file, row):
            try:
                with handle_errors():
                    _replay(alipay, payload, row is not None, options)
            except CommandFailed as error:
                error.show()
                refused = True
        if refused:
            context.exit(NOT_IN_ORDER)

    return replay


def _payloads(alipay: Merchant, file: str | None, row: int | None) -> Iterator[Payload]:
    if file is not None:
        try:
            for capture in read_captures(_content(file)):
                if capture.is_response:
                    raise UnreadablePayload("it is a response of Alipay's, not a notification")
                config = alipay.config
                yield capture.reading(
                    partial(verifies, signer=config.signer, charset=config.charset)
                )
        except (UnreadablePayload, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            told = _("{file} holds no payload: {reason}.")
            names = {
                "file": strip_control_chars(file),
                "reason": strip_control_chars(reason).rstrip("."),
            }
            raise click.UsageError(told.format(**names)) from None
        return
    model = alipay.models.Notification
    if model is None:
        raise CommandFailed(_("The app keeps no journal: what Alipay said is not known."))
    with handle_errors():
        entry: Any = journal_row(alipay, row)
    if entry is None:
        told = _("The journal has no row {row}: 'show' tells the numbers of a payment's.")
        raise CommandFailed(told.format(row=row))
    answer = explain_response_row(entry)
    if answer is not None:
        raise CommandFailed(sentence(Exception(answer)))
    yield dict(entry.payload)


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(file).open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _replay(alipay: Merchant, payload: Payload, journalled: bool, options: dict[str, bool]) -> None:
    machine = options["machine"]
    try:
        foreseen = replay_notification(alipay, payload, journalled=journalled, dry_run=True)
        if not machine:
            told = _("It would be {outcome}.")
            if foreseen.queries:
                told = _("It would be {outcome}, if Alipay's response to a query says the same.")
            _print(foreseen, told)
        if not options["dry_run"]:
            confirm(_("The notification is going to be heard again."), options["yes"])
            foreseen = replay_notification(alipay, payload, journalled=journalled, dry_run=False)
            if not machine:
                _print(foreseen, _("It is {outcome}."))
    except AlipayError as error:
        raise CommandFailed(sentence(error)) from None
    if machine:
        echo_json(
            {
                "out_trade_no": foreseen.notification.out_trade_no,
                "trade_status": foreseen.notification.trade_status,
                "outcome": foreseen.outcome,
                "events": list(foreseen.events),
                "dry_run": options["dry_run"],
            }
        )


def _print(found: Any, message: str) -> None:
    news = found.notification
    outcome = ", ".join((found.outcome, *found.events))
    click.echo(f"{news.out_trade_no}: {news.trade_status}. {message.format(outcome=outcome)}")
