"""``simulate``: a stand-alone simulator of Alipay, for apps in any language."""

from __future__ import annotations

import logging
import math
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from .errors import CommandFailed, handle_errors
from .i18n import N_, _
from .merchants import program
from .sdk_settings import SDKS
from .simulate_instructions import instructions

if TYPE_CHECKING:
    from ..simulator import Simulator

Schedule: TypeAlias = tuple[timedelta, ...]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Limits of a retry schedule; Alipay's own ends after a day.
_MAX_WAITS = 50
_LONGEST_WAIT = timedelta(days=366)


def _speed(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if math.isnan(value):  # NaN passes every range check
        raise click.BadParameter(_("must be a number."))
    return value


def _waits(context: click.Context, parameter: click.Parameter, value: str) -> Schedule:
    """Parse the pauses between deliveries: ``4m,10m,1h``; an empty text means no retry."""
    texts = [text.strip() for text in value.split(",")] if value else []
    found = [re.fullmatch(r"([0-9]{1,8})([smhd])", text, re.ASCII) for text in texts]
    if len(found) > _MAX_WAITS or not all(found):
        raise click.BadParameter(_("use the format 4m,10m,1h with s, m, h or d."))
    waits = tuple(timedelta(**{_UNITS[one[2]]: int(one[1])}) for one in found if one)
    if any(wait > _LONGEST_WAIT for wait in waits):
        raise click.BadParameter(_("a pause must not exceed 366 days."))
    return waits


def _sdks(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    return tuple(SDKS) if "all" in value else tuple(dict.fromkeys(value))


_HELP = N_("""Run an offline simulator of Alipay for apps in any language.

Provides a gateway with both of Alipay's protocols, cashier pages, signed notifications, and a JSON
control interface, until it is interrupted. No money is charged: never use it in production.

\b
Examples:
  {prefix} simulate
  {prefix} simulate --port 0 --keys keys --speed 60
  {prefix} simulate --state simulator.db
  {prefix} simulate --sdk node --sdk go
""")


def simulate_command(in_app: bool) -> click.Command:
    """Return the command, in the current language.

    :param in_app: whether it belongs to ``flask alipay``.
    """
    prefix = program(in_app)

    def simulate(
        host: str,
        port: int,
        folder: Path,
        speed: float,
        retry_schedule: Schedule,
        state: Path | None,
        sdks: tuple[str, ...],
        **kind: bool,
    ) -> None:
        with handle_errors():
            _simulate(host, port, folder, speed, retry_schedule, state, sdks, **kind)

    return click.Command(
        "simulate",
        callback=simulate,
        params=_options(),
        help=_(_HELP).format(prefix=prefix),
        short_help=_("Run an offline simulator of Alipay for apps in any language."),
    )


def _options() -> list[click.Parameter]:
    return [*_server_options(), *_merchant_options()]


def _server_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--host"], default="127.0.0.1", show_default=True, help=_("Address to listen on.")
        ),
        click.Option(
            ["--port"],
            type=click.IntRange(0, 65535),
            default=8090,
            show_default=True,
            help=_("Port to listen on; 0 selects a free one."),
        ),
        click.Option(
            ["--speed"],
            type=click.FloatRange(0.001, 1_000_000),
            callback=_speed,
            default=1.0,
            show_default=True,
            help=_("Speed of time: with 60, an hour takes a minute."),
        ),
        click.Option(
            ["--retry-schedule"],
            callback=_waits,
            default="4m,10m,10m,1h,2h,6h,15h",
            show_default=True,
            help=_("The pauses before retries of a notification."),
        ),
        click.Option(
            ["--state"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help=_("File that stores trades and notifications across restarts."),
        ),
    ]


def _merchant_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--keys", "folder"],
            type=click.Path(file_okay=False, path_type=Path),
            default="alipay-simulator",
            show_default=True,
            help=_("Folder for the merchant's keys; existing ones are used again."),
        ),
        click.Option(
            ["--open-id"],
            is_flag=True,
            help=_("Simulate a newer application, which receives OpenIDs instead of buyer_id."),
        ),
        click.Option(
            ["--third-party"],
            is_flag=True,
            help=_("Simulate a third-party application, which acts for other merchants."),
        ),
        click.Option(
            ["--sdk", "sdks"],
            type=click.Choice([*SDKS, "all"]),
            multiple=True,
            callback=_sdks,
            help=_("Print the settings for an SDK of another language as well; repeatable."),
        ),
    ]


def _simulate(
    host: str,
    port: int,
    folder: Path,
    speed: float,
    schedule: Schedule,
    state: Path | None,
    sdks: tuple[str, ...],
    **kind: bool,
) -> None:
    from ..simulator import Simulator
    from ..simulator.clock import SystemClock
    from ..simulator.merchant.files import read_merchant
    from ..simulator.merchant.merchant import SimulatedMerchant
    from ..simulator.web.server import BoundSocket

    merchant = (read_merchant(folder) or SimulatedMerchant.new()).of_kind(**kind)
    bound_socket = BoundSocket(host, port)
    with closing(bound_socket):
        _log_to_stderr()
        # Open the state first: a failed start keeps the files of a running simulator. There is no
        # base_url, so that a response names the host of its request.
        simulator = Simulator(
            merchant=merchant,
            clock=SystemClock(speed),
            schedule=schedule,
            state=state,
        )
        _write(folder, simulator, f"{bound_socket.base_url}/gateway.do")
        server = bound_socket.server(simulator)
    click.echo(instructions(bound_socket.base_url, folder.resolve(), merchant, sdks))
    if not _is_loopback(host):
        click.echo(_("Anyone who can reach this machine can use the simulator."), err=True)
    with closing(simulator), _terminated_like_interrupted():
        server.serve_forever()
    click.echo(_("The simulator has stopped."))


def _write(folder: Path, simulator: Simulator, gateway_url: str) -> None:
    from ..simulator.merchant.files import write_merchant

    try:
        write_merchant(
            folder, simulator.merchant, gateway_url=gateway_url, mapi_gateway_url=gateway_url
        )
    except OSError as error:
        simulator.close()
        reason = error.strerror or type(error).__name__
        raise CommandFailed(_("Cannot write the keys: {reason}.").format(reason=reason)) from None


def _log_to_stderr() -> None:
    # Log lines have neither thread nor process: skip looking them up.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logger = logging.getLogger("flask_alipay.simulator")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    # waitress warns of responses that an injected fault cuts off, and of queued requests.
    logging.getLogger("waitress").setLevel(logging.ERROR)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM end the server as Ctrl+C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
