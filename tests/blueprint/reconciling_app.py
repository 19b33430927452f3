"""App of a separate process: ``flask --app tests.blueprint.reconciling_app``."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from flask import Flask
from flask.cli import FlaskGroup

from ..doubles.shop import Shipment, db, new_app, new_blueprint


def create_app() -> Flask:
    settings = json.loads(Path(os.environ["SHOP_SETTINGS"]).read_text())
    app = new_app(Path(tempfile.gettempdir()), **settings)
    if settings["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 60}}
    alipay = new_blueprint()

    @alipay.on_paid
    def ship(payment: Any) -> None:
        db.session.add(Shipment(out_trade_no=payment.out_trade_no))

    app.register_blueprint(alipay, url_prefix="/alipay")
    db.init_app(app)
    return app


def run_command(settings: Path, output: Path) -> None:
    """Run ``flask alipay reconcile`` in a new process of ``multiprocessing``, and end it."""
    os.environ |= {"SHOP_SETTINGS": str(settings), "LANGUAGE": "en"}
    with output.open("a") as file, redirect_stdout(file), redirect_stderr(file):
        FlaskGroup(create_app=create_app).main(["alipay", "reconcile", "--older-than", "0s"])
