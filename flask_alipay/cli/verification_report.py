"""Report about a verified payload: text for the terminal, and JSON."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import click

from ..diagnosis import Diagnosis, Hint
from ..diagnosis.messages import message
from ..protocol.notification import mask_params
from .i18n import _, language
from .ledger_checks import describe_checks
from .table import json_line, width
from .table import strip_control_chars as strip_control_chars

# The summary of a trade: labels with the parameters that may state the value, in order.
_ESSENTIALS = (
    ("out_trade_no", ("out_trade_no",)),
    ("trade_no", ("trade_no",)),
    ("trade_status", ("trade_status",)),
    ("amount", ("total_amount", "total_fee", "price")),
    ("refunded", ("refund_fee",)),
    ("app_id", ("app_id",)),
    ("seller_id", ("seller_id",)),
    ("time", ("notify_time", "timestamp")),
)
_PERSONAL_PARAMS = re.compile("pay_user_.*|pay_account_no|.*_details|notify_data|biz_content")
_CURRENCY = ("amount", "refunded")
_VERIFIED = message("The signature is valid: the key's owner signed exactly this content.")


@dataclass(frozen=True)
class VerificationReport:
    """The result for one payload of a file."""

    #: As given on the command line; ``-`` is standard input.
    file: str
    #: The place in the file.
    place: str
    diagnosis: Diagnosis
    #: The key's name.
    key: str
    #: Further notes for the reader.
    notes: tuple[Hint, ...] = ()
    #: The results of the checks against the ledger, see
    #: :func:`~flask_alipay.cli.ledger_checks.check_against_ledger`.
    checks: Mapping[str, str] = field(default_factory=dict)


def verdict_as_json(verdict: VerificationReport, show_params: bool) -> str:
    """Return the report as JSON on one line.

    :param verdict: the report.
    :param show_params: whether to show buyer data and the signature.
    :return: the line without its end.
    """
    diagnosis = verdict.diagnosis
    params = diagnosis.params if show_params else _masked(diagnosis.params)
    return report_json(
        verdict.file,
        diagnosis.valid,
        diagnosis.sign_type,
        diagnosis.reason,
        " ".join(filter(None, (diagnosis.hint, *verdict.notes))),
        params,
        also=list(diagnosis.also),
        checks=dict(verdict.checks),
    )


def report_json(
    file: str,
    valid: bool,
    sign_type: str | None,
    reason: str,
    hint: str,
    params: Mapping[str, str],
    **more: list[str] | dict[str, str],
) -> str:
    """Return the object of the command's contract as JSON on one line.

    :param file: as it was given.
    :param valid: whether the payload verifies.
    :param sign_type: the algorithm.
    :param reason: see :class:`~flask_alipay.diagnosis.Reason`.
    :param hint: the explanation in English.
    :param params: the payload's parameters.
    :param more: ``also`` and ``checks``, left out if they are empty.
    :return: the line without its end.
    """
    found = {
        "file": file,
        "valid": valid,
        "sign_type": sign_type,
        "reason": reason,
        "hint": hint,
        "params": dict(params),
        **{name: value for name, value in more.items() if value},
    }
    return json_line(found)


def verdict_as_text(verdict: VerificationReport, show_params: bool) -> str:
    """Return the report as lines for the terminal.

    :param verdict: the report.
    :param show_params: whether to list all parameters and show buyer data.
    :return: the lines, joined.
    """
    return "\n".join(_lines(verdict, show_params))


def title(file: str, place: str = "") -> str:
    """Return a payload's name: its file and place."""
    name = _("standard input") if file == "-" else file
    return f"{name}, {place}" if place else name


def _lines(verdict: VerificationReport, show_params: bool) -> Iterator[str]:
    diagnosis = verdict.diagnosis
    yield f"{strip_control_chars(title(verdict.file, verdict.place))}: {_result(diagnosis)}"
    hints = (diagnosis.hint or _VERIFIED, *verdict.notes)
    for paragraph in (paragraph for hint in hints for paragraph in _paragraphs(hint)):
        yield _wrapped(paragraph)
    yield from _table(dict(_checks(verdict)))
    if verdict.checks:
        yield "  " + _("In this app:")
        yield from _table(describe_checks(verdict.checks))
    params = diagnosis.params if show_params else dict(_facts(diagnosis.params))
    if params:
        yield "  " + (_("Content:") if diagnosis.valid else _("Content (not verified):"))
        yield from _table(params)


def _paragraphs(hint: Hint) -> list[str]:
    """Return a hint in the reader's language; a second fault begins a paragraph."""
    paragraphs = [""]
    for template, names in hint.parts:
        if template.startswith("Besides"):
            paragraphs.append("")
        text = _(template).format(**{name: _(value) for name, value in names.items()})
        paragraphs[-1] = f"{paragraphs[-1]} {text}".strip()
    return [paragraph for paragraph in paragraphs if paragraph]


def _masked(params: Mapping[str, str]) -> dict[str, str]:
    """Mask parameters, also misspelt ones and whole texts that the journal's masks do not cover."""
    return {name: _masked_value(name.removeprefix("amp;"), text) for name, text in params.items()}


def _masked_value(name: str, value: str) -> str:
    if value and _PERSONAL_PARAMS.fullmatch(name):
        return f"{value[:2]}***"
    return mask_params({name: value})[name]


def _result(diagnosis: Diagnosis) -> str:
    if diagnosis.valid:
        return click.style(_("VERIFIED"), fg="green", bold=True)
    reasons = ", ".join((diagnosis.reason, *diagnosis.also))
    return click.style(_("NOT VERIFIED"), fg="red", bold=True) + f" ({reasons})"


def _checks(verdict: VerificationReport) -> Iterator[tuple[str, str]]:
    yield _("checked with"), f"{verdict.diagnosis.sign_type}, {verdict.key}"
    if verdict.diagnosis.charset is not None:
        yield _("charset"), verdict.diagnosis.charset


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    label_width = max(12, *map(width, rows))
    for name, value in rows.items():
        label = f"{strip_control_chars(name)}{' ' * (label_width - width(name))}"
        yield f"    {label}  {strip_control_chars(value)}"


def _wrapped(paragraph: str) -> str:
    # click wraps by characters, and a Chinese one takes two columns.
    available = _width() // 2 if language() == "zh" and not paragraph.isascii() else _width()
    return click.wrap_text(
        strip_control_chars(paragraph), width=available, initial_indent="  ", subsequent_indent="  "
    )


def _width() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns))


def _facts(params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for label, names in _ESSENTIALS:
        value = next((params[name] for name in names if params.get(name)), None)
        if value is not None:
            currency = f" {params.get('currency') or 'CNY'}" if label in _CURRENCY else ""
            yield label, f"{value}{currency}"
