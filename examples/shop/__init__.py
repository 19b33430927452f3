"""A small tea shop with Alipay payments.

Start it with ``flask --app examples/shop run``. The first start creates the tables; the simulator
replaces Alipay until real credentials are configured.

Suggested reading order: ``catalogue`` (products), ``models`` (tables), ``orders`` (the states of an
order), ``paying`` (the integration with Alipay), ``subscriptions`` (tea every month), ``sending``
(parcels), ``worker`` (regular tasks), ``views`` (pages for buyers), ``admin`` and ``keeper`` (pages
for operators). ``language`` selects Chinese or English.

``ALIPAY_PROTOCOL=mapi`` selects a merchant on the legacy gateway, who also offers escrow;
``ALIPAY_INPUT_CHARSET=gbk`` selects GBK there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import forms, keeper, views
from .admin import add_admin
from .language import add_languages
from .models import db, prepare_tables
from .paying import alipay
from .settings import configure


def create_app(
    config: Mapping[str, Any] | None = None, *, instance_path: str | None = None
) -> Flask:
    """Create the shop's app.

    :param config: overrides the environment.
    :param instance_path: the folder of the database and the secret key; the default is Flask's
        instance folder.
    """
    app = Flask(__name__, instance_path=instance_path)
    configure(app, config or {})
    db.init_app(app)
    add_languages(app)
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
