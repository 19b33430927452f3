"""Where the shop's configuration comes from: defaults, then the environment, then the caller."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from flask_alipay.config import CREDENTIALS

DEFAULTS = {
    "SQLALCHEMY_DATABASE_URI": "sqlite:///shop.db",  # relative to the instance folder
    # Other sites' forms do not get our cookie; links, such as Alipay's way back, do.
    "SESSION_COOKIE_SAMESITE": "Lax",
    # This shop is for trying out: nothing is lost if the simulator lets somebody pay without money.
    # One that sells anything must not set this.
    "ALIPAY_SIMULATOR_WITHOUT_DEBUG": True,
    # Where Flask-Alipay's pages lead back to.
    "ALIPAY_SHOW_URL": "/orders",
    # How they look.
    "ALIPAY_SHOP_NAME": "Cloud & Leaf 云叶茶舍",
    "ALIPAY_SHOP_LOGO": "/static/leaf.svg",
    "ALIPAY_SHOP_COLOR": "#2f5440",
    "SHOP_PAYMENT_MINUTES": 30,
}


def configure(app: Flask, config: Mapping[str, Any]) -> None:
    """Fills ``app.config``; later sources win.

    The environment may use Flask's way (``FLASK_ALIPAY_APP_ID``) or the plain names
    (``ALIPAY_APP_ID``, ``SQLALCHEMY_DATABASE_URI``, ``SECRET_KEY``).
    """
    app.config.update(DEFAULTS)
    app.config.from_prefixed_env()
    app.config.update({name: value for name, value in os.environ.items() if _is_ours(name)})
    app.config.update(config)
    # Whoever has set no credential at all is not a merchant yet, and wants to look around.
    real = any(app.config.get(f"ALIPAY_{name}") for name in CREDENTIALS)
    app.config.setdefault("ALIPAY_SIMULATOR", not real)
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = _kept_secret(Path(app.instance_path), "secret_key")
    if not app.config.get("SHOP_ADMIN_PASSWORD"):
        password = _kept_secret(Path(app.instance_path), "admin_password")
        app.config["SHOP_ADMIN_PASSWORD"] = password


def _is_ours(name: str) -> bool:
    return name.startswith("ALIPAY_") or name in (
        "SQLALCHEMY_DATABASE_URI",
        "SECRET_KEY",
        "SHOP_ADMIN_PASSWORD",
    )


def _kept_secret(folder: Path, name: str) -> str:
    """A secret made on the first start and kept, so that links and sessions outlive a restart."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / name
    if not place.exists():
        # Written aside, readable by us alone, and then linked into place in one step: of two
        # workers that start together, both end up with the key of the one that was first.
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
