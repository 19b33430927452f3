"""``replay``: settlement of a notification from the journal or from a file."""

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
from .captured_notifications import MAX_BYTES, read_captures
from .errors import NOT_IN_ORDER, CommandFailed, handle_errors, sentence
from .i18n import N_, _
from .merchants import PROGRAM_IN_APP, current_merchant
from .options import confirm, json_option, yes_option
from .output import explain_response_row, journal_row, latest_journal_row
from .payloads import Payload, UnreadablePayload
from .table import echo_json, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Verify and settle a notification again, as if Alipay had retried it.

FILE contains a notification in any format of verify-notify: a form body, a raw HTTP request, JSON
...; '-' reads standard input. --id selects a row of the journal instead; 'show' prints its number.
--notify-id selects the newest row of a notification; the log prints its number.
The notification is verified with the configured keys and settled once. The outcome is shown first
and has to be confirmed.

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
        short_help=_("Verify and settle a notification again."),
    )
    @click.argument("file", required=False, type=click.Path(allow_dash=True))
    @click.option("--id", "row", type=int, help=_("The number of a row in the journal."))
    @click.option("--notify-id", help=_("Alipay's number of a notification in the journal."))
    @click.option("--dry-run", is_flag=True, help=_("Only show the outcome; change nothing."))
    @yes_option
    @json_option
    @click.pass_context
    def replay(
        context: click.Context,
        /,
        file: str | None,
        row: int | None,
        notify_id: str | None,
        **options: bool,
    ) -> None:
        merchant = current_merchant()
        if sum(given is not None for given in (file, row, notify_id)) != 1:
            raise click.UsageError(
                _("Pass either a FILE, or a row of the journal with --id or --notify-id.")
            )
        failed = False
        for payload in _payloads(merchant, file, row, notify_id):
            try:
                with handle_errors():
                    _replay(merchant, payload, file is None, options)
            except CommandFailed as error:
                error.show()
                failed = True
        if failed:
            context.exit(NOT_IN_ORDER)

    return replay


def _payloads(
    merchant: Merchant, file: str | None, row: int | None, notify_id: str | None
) -> Iterator[Payload]:
    if file is not None:
        try:
            for capture in read_captures(_content(file)):
                if capture.is_response:
                    raise UnreadablePayload("it is a response of Alipay's, not a notification")
                config = merchant.config
                yield capture.reading(
                    partial(verifies, signer=config.signer, charset=config.charset)
                )
        except (UnreadablePayload, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = _("{file} contains no payload: {reason}.")
            names = {
                "file": strip_control_chars(file),
                "reason": strip_control_chars(reason).rstrip("."),
            }
            raise click.UsageError(text.format(**names)) from None
        return
    model = merchant.models.Notification
    if model is None:
        raise CommandFailed(_("The app keeps no journal: notifications are not recorded."))
    with handle_errors():
        entry: Any = (
            journal_row(merchant, row)
            if notify_id is None
            else latest_journal_row(merchant, notify_id)
        )
    if entry is None and notify_id is not None:
        text = _("The journal has no notification {number}.")
        raise CommandFailed(text.format(number=strip_control_chars(notify_id)))
    if entry is None:
        text = _("The journal has no row {row}. Find the row's number with 'show'.")
        raise CommandFailed(text.format(row=row))
    reason = explain_response_row(entry)
    if reason is not None:
        raise CommandFailed(sentence(Exception(reason)))
    yield dict(entry.payload)


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(file).open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _replay(
    merchant: Merchant, payload: Payload, journalled: bool, options: dict[str, bool]
) -> None:
    as_json = options["as_json"]
    try:
        result = replay_notification(merchant, payload, journalled=journalled, dry_run=True)
        if not as_json:
            text = _("The outcome would be: {outcome}.")
            if result.queries:
                text = _("The outcome would be: {outcome}, if Alipay's response to a query agrees.")
            _print(result, text)
        if not options["dry_run"]:
            confirm(_("The notification will be verified and settled again."), options["yes"])
            result = replay_notification(merchant, payload, journalled=journalled, dry_run=False)
            if not as_json:
                _print(result, _("Outcome: {outcome}."))
    except AlipayError as error:
        raise CommandFailed(sentence(error)) from None
    if as_json:
        echo_json(
            {
                **_named(result.notification),
                "outcome": result.outcome,
                "events": list(result.events),
                "dry_run": options["dry_run"],
            }
        )


def _print(found: Any, message: str) -> None:
    number, status = map(strip_control_chars, _named(found.notification).values())
    text = message.format(outcome=", ".join((found.outcome, *found.events)))
    click.echo(f"{number}: {status}. {text}")


def _named(report: Any) -> dict[str, str]:
    """Return the number and the status of a notification, or the number and the kind of a
    message.
    """
    names = (
        ("out_trade_no", "trade_status")
        if hasattr(report, "trade_status")
        else (
            "notify_id",
            "kind",
        )
    )
    return {name: getattr(report, name) for name in names}
