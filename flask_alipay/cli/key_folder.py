"""The folder with the keys of a simulated merchant, as ``simulate --keys`` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import CommandFailed
from .i18n import _

if TYPE_CHECKING:
    from ..simulator.merchant.merchant import SimulatedMerchant

# Options that the folder's keys and settings replace.
_REPLACED = ("app_id", "private_key", "public_key", "partner", "key", "seller_email", "seller_id")


def simulated_merchant(folder: Path) -> SimulatedMerchant:
    """Load the merchant of a folder.

    :param folder: with its keys.
    :return: the merchant.
    :raises CommandFailed: if the folder has no keys.
    :raises ConfigurationError: if a file is missing or broken.
    """
    from ..simulator.merchant.files import read_merchant

    merchant = read_merchant(folder)
    if merchant is None:
        raise CommandFailed(
            _(
                "{folder} contains no keys of a simulator. Create them with 'python -m "
                "flask_alipay simulate --keys {folder}'."
            ).format(folder=folder)
        )
    return merchant


def key_folder_settings(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the folder's merchant, as in ``app.config``.

    The environment has no influence: its merchant is another one.

    :param folder: with its keys.
    :param options: the values of :func:`~flask_alipay.cli.credentials.credential_options`.
    :return: settings by key.
    :raises click.UsageError: if an option names another merchant.
    :raises CommandFailed: if the folder has no keys.
    :raises ConfigurationError: if a file is missing or broken.
    """
    from ..simulator.merchant.files import read_gateway_url
    from ..simulator.merchant.settings import SIGN_TYPES, check_merchant, merchant_settings

    for name in _REPLACED:
        if options[name] is not None:
            text = _("Omit --{option}: the merchant of --keys has its own.")
            raise click.UsageError(text.format(option=name.replace("_", "-")))
    merchant = simulated_merchant(folder)
    protocol = options["protocol"] or "openapi"
    sign_type = options["sign_type"] or SIGN_TYPES[protocol][0]
    check_merchant(protocol, "utf-8", sign_type)
    settings = merchant_settings(
        merchant, protocol, "utf-8", sign_type, certificates=False, encrypted=False
    )
    settings["GATEWAY_URL"] = options["gateway_url"] or read_gateway_url(folder, protocol)
    for name in ("notify_url", "return_url"):
        if options[name] is not None:
            settings[name.upper()] = options[name]
    return {f"ALIPAY_{name}": value for name, value in settings.items()}
