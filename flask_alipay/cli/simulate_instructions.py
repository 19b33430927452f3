"""The instructions that ``simulate`` prints when it starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .i18n import _
from .sdk_settings import SDKS
from .table import width

if TYPE_CHECKING:
    from ..simulator.merchant.merchant import SimulatedMerchant

Rows: TypeAlias = Sequence[tuple[str, str]]


def instructions(
    base_url: str, folder: Path, merchant: SimulatedMerchant, sdks: Iterable[str]
) -> str:
    """Return the settings for an app; secrets stay in their files.

    :param base_url: of the simulator, without a slash at the end.
    :param folder: with the merchant's files.
    :param merchant: the simulator's.
    :param sdks: names of :data:`~flask_alipay.cli.sdk_settings.SDKS`.
    :return: the text, several lines.
    """
    gateway_url = f"{base_url}/gateway.do"
    warning = _("This is a simulator of Alipay: no money moves, never use it in production.")
    address = _("It listens on {url}/ until it is interrupted (Ctrl+C).").format(url=base_url)
    sections = [
        f"{warning}\n{address}\n",
        _section(_("Open platform (RSA2)"), _open_platform(gateway_url, folder, merchant)),
        _section(
            _("Legacy gateway (MD5; RSA with the same keys)"),
            _legacy(gateway_url, folder, merchant),
        ),
        _environment(gateway_url, folder, merchant),
        *(
            f"{SDKS[name].title}\n\n{SDKS[name].settings(folder, gateway_url, merchant.app_id)}"
            for name in sdks
        ),
        _control(base_url),
    ]
    return "\n".join(sections)


def _open_platform(gateway_url: str, folder: Path, merchant: SimulatedMerchant) -> Rows:
    return (
        (_("gateway"), gateway_url),
        ("app_id", merchant.app_id),
        (_("app's private key"), f"{folder / 'app_private_key.pem'} (PKCS#8)"),
        ("", f"{folder / 'app_private_key_pkcs1.pem'} (PKCS#1)"),
        (_("Alipay's public key"), f"{folder / 'alipay_public_key.pem'}"),
        (_("or certificates"), f"{folder / 'app_cert.crt'}"),
        ("", f"{folder / 'alipay_cert.crt'}"),
        ("", f"{folder / 'alipay_root_cert.crt'}"),
        (_("AES key, if wanted"), _in_file("aes_key", folder)),
        ("seller_id", merchant.partner),
    )


def _legacy(gateway_url: str, folder: Path, merchant: SimulatedMerchant) -> Rows:
    return (
        (_("gateway"), gateway_url),
        ("partner, seller_id", merchant.partner),
        ("seller_email", merchant.seller_email),
        ("key", _in_file("key", folder)),
    )


def _in_file(name: str, folder: Path) -> str:
    return _('"{name}" in {file}').format(name=name, file=folder / "merchant.json")


def _environment(gateway_url: str, folder: Path, merchant: SimulatedMerchant) -> str:
    settings = {
        "GATEWAY_URL": gateway_url,
        "APP_ID": merchant.app_id,
        "SELLER_ID": merchant.partner,
        "PRIVATE_KEY_PATH": folder / "app_private_key.pem",
        "PUBLIC_KEY_PATH": folder / "alipay_public_key.pem",
    }
    title = _("A Flask app with AlipayBlueprint, by its environment")
    lines = (f"  FLASK_ALIPAY_{name}={value}\n" for name, value in settings.items())
    hint = _("For an app with another SDK, --sdk NAME prints its settings: {names}.")
    return "".join([f"{title}\n", *lines, f"\n{hint.format(names=', '.join([*SDKS, 'all']))}\n"])


def _control(base_url: str) -> str:
    commands = (f"curl {base_url}/trades", f"curl -X POST {base_url}/trades/OUT_TRADE_NO/pay")
    return "".join([_("Control"), "\n", *(f"  {command}\n" for command in commands)])


def _section(title: str, rows: Rows) -> str:
    label_width = max(width(label) for label, _value in rows)
    lines = (f"  {label}{' ' * (label_width - width(label))}  {value}\n" for label, value in rows)
    return "".join([f"{title}\n", *lines])
