"""One authorization or agreement with its payments and history, for ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..ledger.grant_history import (
    GrantHistory,
    ReleaseEntry,
    history_of_agreement,
    history_of_authorization,
)
from ..ledger.history import OPERATOR, Event, kind_of
from ..models import utc_now
from .agreements import period_text
from .grants import agreement_as_json, authorization_as_json, masked_payer
from .i18n import _
from .output import display_amount, display_time, notification_as_json, payment_as_json
from .table import Column, echo_json, echo_table, strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant


def show_authorization(
    merchant: Merchant, authorization: Any, show_params: bool, as_json: bool
) -> None:
    """Print an authorization with its captures and history."""
    read = history_of_authorization(
        merchant.session, merchant.models, merchant.config.merchant, authorization
    )
    if as_json:
        _as_json(authorization_as_json(authorization), read, show_params)
    else:
        _print(merchant, _authorization_facts(authorization), read, show_params)


def show_agreement(merchant: Merchant, agreement: Any, show_params: bool, as_json: bool) -> None:
    """Print an agreement with its deductions and history."""
    read = history_of_agreement(
        merchant.session, merchant.models, merchant.config.merchant, agreement
    )
    if as_json:
        _as_json(agreement_as_json(agreement), read, show_params)
    else:
        _print(merchant, _agreement_facts(agreement), read, show_params)


def _as_json(found: dict[str, Any], read: GrantHistory, show_params: bool) -> None:
    payments = [payment_as_json(payment) for payment in read.payments]
    journal = [notification_as_json(row, show_params) for row in read.journal]
    echo_json({**found, "payments": payments, "notifications": journal})


def _print(
    merchant: Merchant, facts: Iterator[tuple[str, Any]], read: GrantHistory, show_params: bool
) -> None:
    shown = [(name, strip_control_chars(value)) for name, value in facts if value]
    wide = max(len(name) for name, _value in shown)
    for name, value in shown:
        click.echo(f"{name.ljust(wide)}  {value}")
    click.echo()
    columns = [
        Column(_("time"), min_width=10),
        Column(_("event")),
        Column(_("details"), min_width=12),
    ]
    echo_table(columns, [_line(event) for event in read.events(utc_now())])
    if show_params:
        for row in read.journal:
            click.echo(f"\n#{row.id}")
            for name, value in sorted(row.payload.items()):
                click.echo(f"  {strip_control_chars(name)}: {strip_control_chars(value)}")
    if merchant.models.Notification is None:
        click.echo("\n" + _("The app keeps no journal: notifications are not recorded."))


def _authorization_facts(row: Any) -> Iterator[tuple[str, Any]]:
    yield "out_order_no", row.out_order_no
    yield "auth_no", row.auth_no
    yield "status", row.status
    yield "title", row.title
    yield "total_amount", _amount(row.total_fen)
    yield "captured", _amount(row.captured_fen)
    yield "released", _amount(row.released_fen)
    yield "left", _amount(row.rest_fen)
    yield "open", _amount(row.reserved_fen)
    yield "product_code", row.product_code
    yield "payer", masked_payer(row)
    yield "merchant", row.merchant
    yield "auth_app_id", row.auth_app_id


def _agreement_facts(row: Any) -> Iterator[tuple[str, Any]]:
    yield "external_agreement_no", row.external_agreement_no
    yield "agreement_no", row.agreement_no
    yield "status", row.status
    yield "product_code", row.personal_product_code
    yield "sign_scene", row.sign_scene
    yield "period", period_text(row)
    yield "next_date", row.next_date
    yield "single_amount", _amount(row.single_fen)
    yield "total_amount", _amount(row.total_fen)
    yield "total_payments", row.total_payments
    yield "deductions", row.charge_count
    yield "deducted", _amount(row.charged_fen)
    yield "charge_no", row.charge_no
    yield "error_code", row.error_code
    yield "valid_until", display_time(row.valid_until)
    yield "payer", masked_payer(row)
    yield "merchant", row.merchant
    yield "auth_app_id", row.auth_app_id


def _amount(fen: int | None) -> str:
    return display_amount(fen, "CNY") if fen else ""


def _line(event: Event) -> tuple[str, str, str]:
    """Return the cells of an event: time, event, details."""
    row, texts = event.row, _texts()
    if isinstance(row, ReleaseEntry):
        detail = f"{display_amount(row.fen, 'CNY')}, {row.out_request_no}"
    elif event.kind in ("paid", "failed"):
        detail = f"{display_amount(row.total_fen, 'CNY')}, {row.out_trade_no}"
    elif event.kind in texts:
        detail = ""
    else:
        detail = ", ".join(filter(None, (f"#{row.id} {row.outcome}", row.detail)))
    return display_time(event.at), texts.get(event.kind) or _source(row), detail


def _texts() -> dict[str, str]:
    return {
        "created": _("created"),
        "sent": _("sent to Alipay"),
        "expired": _("deadline of the authorization"),
        "authorized": _("frozen"),
        "signed": _("signed"),
        "paid": _("paid"),
        "failed": _("payment failed"),
        "release_requested": _("release requested"),
        "released": _("released"),
        "finished": _("finished"),
        "closed": _("closed"),
        "ended": _("ended"),
    }


def _source(row: Any) -> str:
    if kind_of(row) == "operator":
        return _("operator {name}").format(name=row.payload[OPERATOR])
    if kind_of(row) == "response":
        return _("response: {status}").format(status=row.trade_status)
    return f"Alipay: {row.trade_status or row.payload.get('notify_type', '')}"
