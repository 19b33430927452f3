"""Diagnosis by ``doctor --production``: what a shop needs beside keys, addresses and tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ..ledger.session import LedgerSession
from ..ledger.tables import columns_of, entity_of
from ..models import utc_now
from ..protocol.trade_status import TradeStatus
from ..signals import attention_needed
from .findings import FAIL, OK, UNKNOWN, WARN, Finding
from .i18n import _

if TYPE_CHECKING:
    from flask import Flask

    from ..merchant import Merchant

#: ``reconcile`` runs every ten minutes; after this time a pending payment was forgotten.
_FORGOTTEN = timedelta(hours=1)
_PENDING = (TradeStatus.WAIT_BUYER_PAY, TradeStatus.TRADE_PENDING)


def check_production(app: Flask, merchant: Merchant) -> Iterator[Finding]:
    """Check an app before its first real payment, and while it is in production.

    :param app: the app.
    :param merchant: the merchant.
    :return: the findings; each check has one line in ``docs/production.rst``.
    """
    yield _mode(app, merchant)
    yield _trusted_hosts(app)
    yield _session_cookie(app)
    yield _on_paid(merchant)
    yield _alerts()
    try:
        yield _database(merchant)
        yield _reconciliation(merchant)
    except SQLAlchemyError:
        return  # the check of the tables reports it


def _mode(app: Flask, merchant: Merchant) -> Finding:
    prefix, config = merchant.config.prefix, merchant.config
    testing = [name for name in ("DEBUG", "TESTING") if app.config.get(name)]
    if config.simulator:
        testing.append(f"{prefix}_SIMULATOR")
    elif not config.moves_money:
        sandbox = app.config.get(f"{prefix}_SANDBOX")
        testing.append(f"{prefix}_{'SANDBOX' if sandbox else 'GATEWAY_URL'}")
    if not testing:
        return Finding("production_mode", OK, _("The app is in production mode, at Alipay."))
    return Finding(
        "production_mode",
        FAIL,
        _("The app is not in production mode: {names}.").format(names=", ".join(testing)),
        _("No money is received, or errors show the app's internals to buyers."),
        _("Remove these settings in production."),
    )


def _trusted_hosts(app: Flask) -> Finding:
    if app.config.get("TRUSTED_HOSTS"):
        return Finding("trusted_hosts", OK, _("TRUSTED_HOSTS is set."))
    return Finding(
        "trusted_hosts",
        WARN,
        _("TRUSTED_HOSTS is not set."),
        _("The app answers requests for any host name, and may use it in links."),
        _("Set TRUSTED_HOSTS to the shop's host names."),
    )


def _session_cookie(app: Flask) -> Finding:
    if app.config.get("SESSION_COOKIE_SECURE"):
        return Finding("session_cookie", OK, _("SESSION_COOKIE_SECURE is set."))
    return Finding(
        "session_cookie",
        WARN,
        _("SESSION_COOKIE_SECURE is not set."),
        _("Browsers send the session of buyers and operators over http as well."),
        _("Set SESSION_COOKIE_SECURE to true."),
    )


def _on_paid(merchant: Merchant) -> Finding:
    if merchant.callbacks.get("paid"):
        return Finding("on_paid", OK, _("A callback is registered with on_paid."))
    return Finding(
        "on_paid",
        WARN,
        _("No callback is registered with on_paid."),
        _("A sale changes the ledger and nothing else."),
        _("Decorate a function that handles the order with @alipay.on_paid."),
    )


def _alerts() -> Finding:
    if attention_needed.receivers or logging.getLogger("flask_alipay.alerts").handlers:
        return Finding("alerts", OK, _("Alerts have a receiver."))
    return Finding(
        "alerts",
        WARN,
        _("Alerts have no receiver."),
        _("Nobody learns that amounts differ, callbacks fail or refunds have no result."),
        _("Connect a function to attention_needed, or add a handler to flask_alipay.alerts."),
    )


def _database(merchant: Merchant) -> Finding:
    session = LedgerSession(merchant.session)
    connection = session.connection(merchant.models.Payment)
    name = connection.dialect.name
    if name != "sqlite":
        return Finding("database_kind", OK, _("The database is {name}.").format(name=name))
    if not connection.exec_driver_sql("PRAGMA database_list").first()[2]:  # type: ignore[index]
        return Finding(
            "database_kind",
            FAIL,
            _("The database is in memory."),
            _("All payments are lost when the process ends."),
            _("Set SQLALCHEMY_DATABASE_URI."),
        )
    if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
        return Finding(
            "database_kind",
            WARN,
            _("The SQLite file is not in WAL mode."),
            _("Readers and writers block each other."),
            _("Switch it to WAL mode once."),
        )
    return Finding("database_kind", OK, _("The SQLite file is in WAL mode."))


def _reconciliation(merchant: Merchant) -> Finding:
    model: Any = merchant.models.Payment
    payment = entity_of(model)
    column, table = columns_of(payment), inspect(payment).local_table
    limit = utc_now() - _FORGOTTEN
    pending = (
        select(column["id"])
        .select_from(table)
        .where(column["merchant"] == merchant.config.merchant)
        .where(column["trade_status"].in_(_PENDING), column["created_at"] < limit)
        .limit(1)
    )
    forgotten = pending.where(or_(column["asked_at"].is_(None), column["asked_at"] < limit))
    session = LedgerSession(merchant.session)
    if session.execute(forgotten, payment).first():
        return Finding(
            "reconciliation",
            WARN,
            _("A payment has been pending for an hour, and Alipay was not queried about it."),
            _("A sale whose notification was lost stays unknown."),
            _("Run 'flask alipay reconcile' every ten minutes."),
        )
    if session.execute(pending, payment).first():
        return Finding("reconciliation", OK, _("Alipay is queried about pending payments."))
    return Finding(
        "reconciliation",
        UNKNOWN,
        _("No payment has been pending for an hour, so it is not known whether 'reconcile' runs."),
        fix=_("Run 'flask alipay reconcile' every ten minutes."),
    )
