"""``sign-url``: one signed URL, to test payments without an order."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from ..operations.order_number import generate_out_trade_no
from ..operations.payments import gateway_request
from ..protocol.charsets import decode
from ..protocol.money import format_amount, to_minor_units
from .credentials import credential_options, merchant_config
from .errors import handle_errors
from .i18n import N_, _
from .merchants import current_merchant, program
from .site_addresses import is_public, site_url_context

if TYPE_CHECKING:
    from ..merchant import Merchant
    from ..protocol.signed_request import SignedRequest

_HELP = N_("""Print one signed URL that sends a buyer to pay, and nothing else.

Nothing is stored: no payment in the ledger answers to it. The amount is real money unless the
gateway is a sandbox or a simulator.

\b
Examples:
  {example}
  {prefix} sign-url --total-amount 0.01 --explain
""")


@dataclass(frozen=True)
class TestOrder:
    """The payment of a test request; it is in no ledger."""

    out_trade_no: str
    subject: str
    total_fen: int
    product: str | None = None
    expires_at: None = None
    details: Mapping[str, str] = field(default_factory=dict)
    currency: str = "CNY"


def sign_url_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """
    prefix = program(in_app)
    alone = "sign-url --app-id 2021000000000000 --private-key merchant.pem"
    example = f"{prefix} {'sign-url --open' if in_app else alone}"

    @click.command(
        "sign-url",
        help=_(_HELP).format(prefix=prefix, example=example),
        short_help=_("Print one signed test URL for paying."),
    )
    @click.option("--out-trade-no", help=_("The order's number; a new one if it is not given."))
    @click.option(
        "--subject", default="Flask-Alipay test", show_default=True, help=_("What is sold.")
    )
    @click.option("--total-amount", default="0.01", show_default=True, help=_("Yuan."))
    @click.option(
        "--product",
        help=_("How it is paid: page, or wap on the open platform. Others begin with no URL."),
    )
    @click.option("--bank", help=_("Legacy gateway: a bank's code, like ICBCB2C."))
    @click.option(
        "--charset", help=_("utf-8, gbk, gb2312 or gb18030, instead of the configured one.")
    )
    @click.option("--explain", is_flag=True, help=_("Show on stderr what was signed."))
    @click.option("--open", "launch", is_flag=True, help=_("Open it in the browser."))
    @click.option("--qr", is_flag=True, help=_("Show it on stderr as a QR code."))
    def sign_url(**options: Any) -> None:
        with handle_errors():
            order = TestOrder(
                options["out_trade_no"] or generate_out_trade_no(),
                options["subject"],
                to_minor_units(options["total_amount"]),
                options["product"],
            )
            if in_app:
                request = _sign_in_app(current_merchant(), order, options)
            else:
                request = _sign(order, options)
        _show(request, options)

    if not in_app:
        credential_options(sign_url)
    return sign_url


def _sign(order: TestOrder, options: Mapping[str, Any]) -> SignedRequest:
    config = merchant_config(options)
    gateway = config.gateway.in_charset(options["charset"] or config.charset)
    return gateway.pay(
        order.product or gateway.product_for(""),
        out_trade_no=order.out_trade_no,
        subject=order.subject,
        total_amount=format_amount(order.total_fen),
        bank=options["bank"],
        notify_url=config.notify_url,
        return_url=config.return_url,
    )


def _sign_in_app(merchant: Merchant, order: TestOrder, options: Mapping[str, Any]) -> SignedRequest:
    if merchant.config.simulator and sys.stderr.isatty():
        click.echo(
            _(
                "The simulator inside an app makes its keys anew in each process, so the one in a "
                "running server will refuse this URL: open the shop's own checkout there."
            ),
            err=True,
        )
    with site_url_context(merchant):
        return gateway_request(merchant, order, bank=options["bank"], charset=options["charset"])


def _show(request: SignedRequest, options: Mapping[str, Any]) -> None:
    click.echo(request.url)
    if options["explain"]:
        _explain(request)
    if options["qr"]:
        _draw(request.url)
    if options["launch"]:
        click.launch(request.url)


def _explain(request: SignedRequest) -> None:
    sign_type = request.params["sign_type"]
    content = decode(request.content, request.charset)
    token = request.params.get("app_auth_token")
    if token:
        content = content.replace(f"app_auth_token={token}", "app_auth_token=***")
    if sign_type == "MD5":
        text = _("Signed with MD5 and your MD5 key joined to its end, in {charset}:")
    else:
        text = _("Signed with {sign_type} and your private key, in {charset}:")
    names = {"sign_type": sign_type, "charset": request.charset}
    click.echo(f"\n{text.format(**names)}\n\n{content}\n", err=True)
    click.echo(_("The sign and each value are then percent-encoded into the URL."), err=True)
    notify_url = request.params.get("notify_url")
    if notify_url is None:
        text = _("There is no notify_url: Alipay will tell nobody about the payment.")
        click.echo(text, err=True)
    elif is_public(request.gateway_url) and not is_public(notify_url):
        text = _("Alipay cannot reach {url}: set NOTIFY_URL to a public one.")
        click.echo(text.format(url=notify_url), err=True)


def _draw(url: str) -> None:
    import segno  # slow to import

    code = segno.make(url, error="l", boost_error=False)
    stream = sys.stderr
    width, columns = code.symbol_size()[0], _columns()
    if stream.isatty() and width > columns:
        text = _(
            "The QR code needs {width} columns and the terminal has {columns}: make it wider (a "
            "smaller font), or use --open."
        )
        click.echo(text.format(width=width, columns=columns), err=True)
        return
    code.terminal(out=stream, compact=True)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return 80
