"""``verify-notify``: diagnosis of captured payloads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..blueprint.rejected import kept
from ..diagnosis import Reason, diagnose
from ..diagnosis.diagnose import Diagnosis, verifies
from ..diagnosis.messages import NO_HINT, Hint, message
from ..diagnosis.payload import parse_leniently, printable
from ..protocol.message import GATEWAY_CHECK, message_kind
from ..signer import Rsa2Signer, Signer
from .captured_notifications import MAX_BYTES, read_captures
from .credentials import key_option, sign_type_option
from .errors import IN_ORDER, MISUSED, NOT_IN_ORDER, handle_errors
from .i18n import N_, _
from .ledger_checks import check_against_ledger
from .merchants import current_merchant, program
from .options import json_option
from .output import explain_response_row, journal_row
from .payloads import Capture, Payload, UnreadablePayload
from .responses import diagnose_response
from .verification_keys import Keyring, app_keyring, environment_keyring
from .verification_report import (
    VerificationReport,
    report_json,
    strip_control_chars,
    title,
    verdict_as_json,
    verdict_as_text,
)

if TYPE_CHECKING:
    from ..merchant import Merchant

_HELP = N_("""Verify captured notifications and returns, and explain failures.

Works offline. FILE contains a capture in any format: a form body, a URL, JSON, a raw HTTP request
(of curl -v, tcpdump -A or a proxy), a HAR recording, a map printed by a program in any language,
lines of a log; also a gateway response, and the result that Alipay's SDK gives to a phone app. '-'
or no FILE reads standard input. {keys}

\b
Exit status:
  0  all payloads verify
  1  a payload does not verify; the output explains the reason
  2  a payload cannot be read, or the command was misused

\b
Examples:
  {prefix} verify-notify captured.txt{example}
  {prefix} verify-notify --json recorded.har
""")
_APP_KEYS = N_("The keys are those of the app's configuration unless options replace them.")
_BARE_KEYS = N_(
    "Without --public-key and --key the keys come from the environment (FLASK_ALIPAY_KEY, "
    "FLASK_ALIPAY_PUBLIC_KEY_PATH and so on); the RSA key of the legacy gateway is built in."
)
_RETURN = message(
    "This is a return: it redirects the buyer and proves no payment. Wait for the notification."
)
_RESPONSE = message(
    "This is a gateway response, or the result that Alipay's SDK gave to a phone app. "
    "It is not a notification and settles nothing."
)
_REQUEST = message("This is a request to Alipay, not a notification.")
_MESSAGE = N_("This is a message from Alipay ({kind}), not the notification of a payment.")
_GATEWAY_CHECK = message(
    "This is the probe with which Alipay's console activates the address of an application gateway."
)


def verify_notify_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """
    words = {
        "prefix": program(in_app),
        "keys": _(_APP_KEYS if in_app else _BARE_KEYS),
        "example": "" if in_app else " --public-key alipay.pem",
    }

    @click.command(
        "verify-notify",
        help=_(_HELP).format(**words),
        short_help=_("Verify captured notifications, and explain failures."),
    )
    @click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(allow_dash=True))
    @_options
    @_id_option(in_app)
    @click.pass_context
    def verify_notify(context: click.Context, /, files: tuple[str, ...], **options: Any) -> None:
        merchant = current_merchant() if in_app else None
        keyring = app_keyring(merchant, options) if merchant else environment_keyring(options)
        report = _Report(options["as_json"], options["show_params"])
        rows, rejected = options.get("rows", ()), options.get("rejected", False)
        for file in _matching(files) or (() if rows or rejected else ("-",)):
            try:
                for capture in read_captures(_content(file)):
                    report.add(_verdict(file, capture, keyring, merchant))
            except UnreadablePayload as error:
                report.add_unreadable(file, str(error))
        for row in rows:
            assert merchant is not None  # noqa: S101 - the option needs an app
            name = f"journal row {row}"
            try:
                report.add(_verdict(name, _journalled(merchant, row), keyring, merchant))
            except UnreadablePayload as error:
                report.add_unreadable(name, str(error))
        if rejected:
            assert merchant is not None  # noqa: S101 - the option needs an app
            _add_rejected(report, keyring, merchant)
        context.exit(report.exit_status())

    return verify_notify


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that the command has with and without an app."""
    options = (
        key_option,
        click.option(
            "--public-key",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False),
            help=_("A file with Alipay's public key or certificate; may be given several times."),
        ),
        sign_type_option,
        click.option("--charset", help=_("The configured charset.")),
        json_option,
        click.option(
            "--show-params", is_flag=True, help=_("Show all parameters, buyer data included.")
        ),
    )
    for add in reversed(options):
        command = add(command)
    return command


def _id_option(in_app: bool) -> Callable[[Any], Any]:
    """Add ``--id`` and ``--rejected`` in an app."""
    if not in_app:
        return lambda command: command
    rejected_option = click.option(
        "--rejected",
        is_flag=True,
        help=_("Diagnose the rejected notifications that the app has kept ({key}).").format(
            key="REJECTED_PATH"
        ),
    )
    id_option = click.option(
        "--id",
        "rows",
        type=int,
        multiple=True,
        metavar="ROW",
        help=_(
            "Verify a row of the journal ('show' prints its number); may be given several times."
        ),
    )
    return lambda command: rejected_option(id_option(command))


def _add_rejected(report: _Report, keyring: Keyring, merchant: Merchant) -> None:
    """Diagnose the rejected notifications that the notification route has kept."""
    path = merchant.config.rejected_path
    if path is None:
        key = f"{merchant.config.prefix}_REJECTED_PATH"
        text = _("The app keeps no rejected notifications: set {key} to the path of a file.")
        raise click.UsageError(text.format(key=key))
    try:
        entries = kept(path)
    except OSError as error:
        report.add_unreadable(str(path), error.strerror or type(error).__name__)
        return
    if not entries:
        click.echo(_("There are no rejected notifications."), err=True)
    for entry in entries:
        place = f"{entry.received_at} ({entry.reason})"
        report.add(_verdict(str(path), Capture(entry.body, place), keyring, merchant))


def _journalled(merchant: Merchant, row: int) -> Capture:
    model = merchant.models.Notification
    if model is None:
        raise UnreadablePayload("the app keeps no journal")
    with handle_errors():
        entry: Any = journal_row(merchant, row)
    if entry is None:
        raise UnreadablePayload("the journal has no such row: find the row's number with 'show'")
    reason = explain_response_row(entry)
    if reason is not None:
        raise UnreadablePayload(reason)
    params = dict(entry.payload)
    if not params.get("sign"):
        raise UnreadablePayload(
            "the journal has only the fields of this row, not the signed form (the result of a "
            "batch, or a notification of the older WAP gateway)"
        )
    return Capture(params)


def _matching(files: Iterable[str]) -> tuple[str, ...]:
    """Expand patterns that the shell has not expanded, as on Windows."""
    found: list[str] = []
    for file in files:
        pattern = any(mark in file for mark in "*?[") and not Path(file).exists()
        # As a shell does it: Path.glob takes no absolute pattern.
        found += (sorted(glob(file)) if pattern else ()) or [file]  # noqa: PTH207
    return tuple(found)


class _Report:
    """Print results and count them."""

    def __init__(self, as_json: bool, show_params: bool) -> None:
        self._as_json = as_json
        self._show_params = show_params
        self._verified = 0
        self._failed = 0
        self._unreadable = 0

    def add(self, verdict: VerificationReport) -> None:
        if verdict.diagnosis.reason == Reason.UNREADABLE:
            self.add_unreadable(verdict.file, verdict.diagnosis.hint)
            return
        self._verified += verdict.diagnosis.valid
        self._failed += not verdict.diagnosis.valid
        render = verdict_as_json if self._as_json else verdict_as_text
        click.echo(render(verdict, self._show_params))
        if not self._as_json:
            click.echo()

    def add_unreadable(self, file: str, message: str) -> None:
        self._unreadable += 1
        if self._as_json:
            click.echo(report_json(file, False, None, Reason.UNREADABLE, message, {}))
        text = _("Error: {file} contains no payload: {reason}.")
        names = {
            "file": strip_control_chars(title(file)),
            "reason": strip_control_chars(message).rstrip("."),
        }
        click.echo(text.format(**names), err=True)

    def exit_status(self) -> int:
        """Print the summary and return the exit status."""
        total = self._verified + self._failed + self._unreadable
        if total > 1 and not self._as_json:
            text = _(
                "{total} payloads: {verified} verified, {refused} not verified, {unreadable} "
                "unreadable."
            )
            counts = {
                "total": total,
                "verified": self._verified,
                "refused": self._failed,
                "unreadable": self._unreadable,
            }
            click.echo(text.format(**counts))
        if self._unreadable:
            return MISUSED
        return NOT_IN_ORDER if self._failed else IN_ORDER


def _verdict(
    file: str, capture: Capture, keyring: Keyring, merchant: Merchant | None
) -> VerificationReport:
    diagnosis, signer, note = _diagnosed(capture, keyring)
    if diagnosis.key is not None and diagnosis.valid:
        key = keyring.name_of(diagnosis.key)
    else:
        keys = getattr(signer, "public_keys", None)
        names = _(" or ").join(map(keyring.name_of, keys or ()))
        key = _("the configured key") if keys is None else names or _("no key")
    notes = (note, _RESPONSE if capture.is_response else _about(diagnosis.params))
    checks = {}
    if merchant is not None and diagnosis.valid and keyring.signer is not None:
        checks = {} if capture.is_response else check_against_ledger(merchant, diagnosis.params)
    return VerificationReport(
        file, capture.place, diagnosis, key, tuple(filter(None, notes)), checks
    )


def _diagnosed(capture: Capture, keyring: Keyring) -> tuple[Diagnosis, Signer, Hint]:
    """Return the first diagnosis that verifies, of any reading with any key; else the likeliest."""
    first: tuple[Diagnosis, Signer, Hint] | None = None
    for signer, note in _signers(keyring, capture):
        payload = capture.reading(partial(_verifies, signer=signer, keyring=keyring))
        if capture.is_response:
            assert isinstance(payload, bytes)  # noqa: S101 - it is JSON
            found = diagnose_response(payload, signer, keyring.others, keyring.merchant_key)
        else:
            found = _diagnose(payload, signer, keyring)
        first = first or (found, signer, note)
        if found.valid:
            return found, signer, note
    assert first is not None  # noqa: S101 - there is at least one signer
    return first


def _diagnose(payload: Payload, signer: Signer, keyring: Keyring) -> Diagnosis:
    return diagnose(
        _without(payload, keyring.unsigned),
        signer,
        charset=keyring.charset,
        others=keyring.others,
        merchant_key=keyring.merchant_key,
        production=keyring.production,
    )


def _verifies(payload: Payload, signer: Signer, keyring: Keyring) -> bool:
    return verifies(_without(payload, keyring.unsigned), signer, keyring.charset)


def _signers(keyring: Keyring, capture: Capture) -> list[tuple[Signer, Hint]]:
    params: Mapping[str, str] = {"app_id": "?", "sign": "?"}  # responses are of the open platform
    if not capture.is_response:
        evidence = parse_leniently(_without(capture.payload, keyring.unsigned), keyring.charset)
        params = evidence.params if evidence else {}
    try:
        return keyring.signers_for(params)
    except click.UsageError:
        if params.get("sign") or params.get("amp;sign"):
            raise
        return [(Rsa2Signer(), NO_HINT)]  # a missing signature is found without a key


def _about(params: Mapping[str, str]) -> Hint:
    """Return a note on the kind of payload, unless it is a notification."""
    if params.get("method", "").endswith(".return") or "is_success" in params:
        return _RETURN
    if params.get("service") == GATEWAY_CHECK:
        return _GATEWAY_CHECK
    kind = message_kind(params)
    if kind is not None:
        return message(_MESSAGE, kind=printable(kind))
    if "biz_content" in params or ("service" in params and "partner" in params):
        return _REQUEST
    return NO_HINT


def _without(payload: Payload, names: Iterable[str]) -> Payload:
    """Remove the shop's own arguments from a payload, as the return route does."""
    own = set(names)
    if isinstance(payload, dict):
        return {name: value for name, value in payload.items() if name not in own}
    fields = payload.split(b"&")
    return b"&".join(
        field for field in fields if field.partition(b"=")[0].decode("latin-1") not in own
    )


def _content(file: str) -> bytes:
    try:
        if file == "-":
            stream = sys.stdin.buffer
            if stream.isatty():
                click.echo(
                    _("Paste the payload, then press Ctrl-D on a line of its own."), err=True
                )
            return stream.read(MAX_BYTES + 1)
        with Path(file).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise UnreadablePayload(
            "it is a directory: name the files in it, as in DIR/*.txt"
        ) from None
    except FileNotFoundError:
        if any(mark in file for mark in "*?["):
            raise UnreadablePayload("no file matches this pattern") from None
        raise UnreadablePayload("there is no such file") from None
    except OSError as error:
        raise UnreadablePayload(error.strerror or type(error).__name__) from None
