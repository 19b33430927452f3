"""The shop's configuration: defaults, then the environment, then the caller."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from flask import Flask

from flask_alipay.settings import CREDENTIALS

DEFAULTS = {
    "SQLALCHEMY_DATABASE_URI": "sqlite:///shop.db",  # relative to the instance folder
    # Forms of other sites do not send the cookie; links, such as Alipay's return, do.
    "SESSION_COOKIE_SAMESITE": "Lax",
    # This shop is a demonstration, in which anyone may pay without money. A real shop must not set
    # this.
    "ALIPAY_SIMULATOR_WITHOUT_DEBUG": True,
    # The page that Flask-Alipay's pages link to.
    "ALIPAY_SHOW_URL": "/orders",
    # The appearance of those pages.
    "ALIPAY_SHOP_NAME": "Cloud & Leaf 云叶茶舍",
    "ALIPAY_SHOP_LOGO": "/static/leaf.svg",
    "ALIPAY_SHOP_COLOR": "#2f5440",
    "SHOP_PAYMENT_MINUTES": 30,
    # The scene of the contract with Alipay about automatic payments.
    "SHOP_SIGN_SCENE": "INDUSTRY|SUBSCRIPTION",
}


def configure(app: Flask, config: Mapping[str, Any]) -> None:
    """Fill ``app.config``; later sources take precedence.

    Environment variables may have Flask's prefix (``FLASK_ALIPAY_APP_ID``) or no prefix
    (``ALIPAY_APP_ID``, ``SQLALCHEMY_DATABASE_URI``, ``SECRET_KEY``).
    """
    app.config.update(DEFAULTS)
    app.config.from_prefixed_env()
    app.config.update({name: value for name, value in os.environ.items() if _is_setting(name)})
    app.config.update(config)
    # Without any credentials, use the simulator.
    real = any(app.config.get(f"ALIPAY_{name}") for name in CREDENTIALS)
    app.config.setdefault("ALIPAY_SIMULATOR", not real)
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = _stored_secret(Path(app.instance_path), "secret_key")
    if not app.config.get("SHOP_ADMIN_PASSWORD"):
        password = _stored_secret(Path(app.instance_path), "admin_password")
        app.config["SHOP_ADMIN_PASSWORD"] = password


def days_ahead() -> Callable[[], datetime] | None:
    """Return a clock that is ``SHOP_DAYS_AHEAD`` days ahead, to try the renewals of later months
    with a standalone simulator; by default ``None``.
    """
    ahead = timedelta(days=int(os.environ.get("SHOP_DAYS_AHEAD", "0")))
    return (lambda: datetime.now(timezone.utc) + ahead) if ahead else None


def _is_setting(name: str) -> bool:
    return name.startswith("ALIPAY_") or name in (
        "SQLALCHEMY_DATABASE_URI",
        "SECRET_KEY",
        "SHOP_ADMIN_PASSWORD",
        "SHOP_SIGN_SCENE",
    )


def _stored_secret(folder: Path, name: str) -> str:
    """Return a secret that is generated once and stored, so that links survive a restart."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / name
    if not place.exists():
        # A temporary file, readable by its owner only, is linked in one step: if two workers start
        # at the same time, both use the secret of the first.
        descriptor, draft = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            place.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            Path(draft).unlink()
    return place.read_text()
