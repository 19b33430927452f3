"""A small tea shop that takes Alipay.

``flask --app examples/shop run`` and nothing else: the tables are made on the first start, and the
simulator stands in for Alipay until real credentials are configured.

Read it in this order: ``catalogue`` (what is sold), ``models`` (what is remembered), ``orders``
(how an order is placed and how it ends), ``paying`` (where Alipay comes in), ``sending`` (the
parcel), ``views`` (pages for buyers), ``admin`` and ``keeper`` (pages for operators).

``ALIPAY_PROTOCOL=mapi`` makes it a merchant on the legacy gateway, who also takes escrow;
``ALIPAY_INPUT_CHARSET=gbk`` beside it, one of the old days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import forms, keeper, views
from .admin import add_admin
from .models import db, prepare_tables
from .paying import alipay
from .settings import configure


def create_app(
    config: Mapping[str, Any] | None = None, *, instance_path: str | None = None
) -> Flask:
    """Returns the shop.

    :param config: overrides what the environment says.
    :param instance_path: where the database and the secret key are kept, if not in Flask's usual
        instance folder.
    """
    app = Flask(__name__, instance_path=instance_path)
    configure(app, config or {})
    db.init_app(app)
    app.register_blueprint(views.shop)
    app.register_blueprint(alipay, url_prefix="/alipay")
    app.jinja_env.globals["form_token"] = forms.form_token
    for status in (400, 404, 405):
        app.register_error_handler(status, views.page_of_error)
    app.cli.add_command(keeper.ship_command)
    with app.app_context():
        app.jinja_env.globals["simulator"] = alipay.config.simulator
        prepare_tables()
    add_admin(app)
    return app
