"""Authorizations and agreements for the terminal and for JSON, and their lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from sqlalchemy import func, or_, select

from ..exceptions import ConfigurationError
from ..ledger.exact_text import exactly
from ..ledger.session import unfiltered
from ..models import utc_now
from ..protocol.notification import mask_params
from .errors import CommandFailed
from .i18n import _
from .output import Age, iso, read
from .table import strip_control_chars

if TYPE_CHECKING:
    from ..merchant import Merchant

F = TypeVar("F", bound="Callable[..., Any] | click.Command")

#: The default limit of a table.
DEFAULT_LIMIT: Final = 50
_PAGE: Final = 500

_AUTHORIZATION = (
    *("out_order_no", "out_request_no", "auth_no", "status", "title", "product_code"),
    *("total_fen", "captured_fen", "released_fen", "reserved_fen", "rest_fen", "release_no"),
    *("release_fen", "auth_app_id"),
)
_AGREEMENT = (
    *("external_agreement_no", "agreement_no", "status", "product_code", "personal_product_code"),
    *("sign_scene", "period_type", "period", "next_date", "latest_date", "single_fen", "total_fen"),
    *("total_payments", "charged_fen", "charge_count", "charge_no", "error_code", "auth_app_id"),
)
_AUTHORIZATION_TIMES = ("created", "expires", "sent", "authorized", "finished", "closed")
_AGREEMENT_TIMES = ("created", "sent", "signed", "charged", "failed", "ended")


def list_options(statuses: Sequence[str]) -> Callable[[F], F]:
    """Return a decorator that adds the options of a list: see :func:`conditions`.

    :param statuses: the values of ``--status``.
    """
    options = (
        click.option(
            "--status",
            multiple=True,
            type=click.Choice(statuses, case_sensitive=False),
            metavar="STATUS",
            help=_("Only with this status ({statuses}); may be given several times.").format(
                statuses=", ".join(statuses)
            ),
        ),
        click.option("--older-than", type=Age(), metavar="AGE", help=_("Only created longer ago.")),
        click.option(
            "--newer-than", type=Age(), metavar="AGE", help=_("Only created within this time.")
        ),
        click.option("--number", help=_("A part of the shop's number or of Alipay's.")),
        click.option(
            "--limit",
            type=click.IntRange(1),
            help=_("The maximum number of rows, {count} by default in the table.").format(
                count=DEFAULT_LIMIT
            ),
        ),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def conditions(
    merchant: Merchant, model: Any, numbers: Sequence[Any], options: Mapping[str, Any]
) -> list[Any]:
    """Return the conditions for the options of a list.

    :param model: the application's class.
    :param numbers: the columns that ``--number`` looks into.
    :param options: ``status``, ``older_than``, ``newer_than`` and ``number``.
    :return: conditions for ``where()``.
    """
    found: list[Any] = [model.merchant == merchant.config.merchant]
    if options["status"]:
        found.append(model.status.in_(options["status"]))
    if options["older_than"] is not None:
        found.append(model.created_at <= utc_now() - options["older_than"])
    if options["newer_than"] is not None:
        found.append(model.created_at >= utc_now() - options["newer_than"])
    if options["number"]:
        text = options["number"]
        found.append(or_(*(column.contains(text, autoescape=True) for column in numbers)))
    return found


def read_newest(
    merchant: Merchant, model: Any, conditions: Sequence[Any], limit: int | None
) -> Iterator[Any]:
    """Yield the rows that meet conditions, the newest first, with one page in memory at a time.

    :param limit: the maximum number; ``None``: all.
    """
    order = (model.created_at.desc(), model.id.desc())
    numbers = select(model.id).where(*conditions).order_by(*order).limit(limit)
    ids = list(unfiltered(merchant.session, numbers).scalars())
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        found = {one.id: one for one in read(merchant, select(model).where(model.id.in_(page)))}
        yield from (found[each] for each in page if each in found)


def count(merchant: Merchant, model: Any, conditions: Sequence[Any], *sums: Any) -> tuple[int, ...]:
    """Return the number of rows that meet conditions, and the sums of columns over them."""
    totals = (func.coalesce(func.sum(column), 0) for column in sums)
    found = select(func.count(model.id), *totals).where(*conditions)
    row: Any = unfiltered(merchant.session, found).one()
    return tuple(int(value) for value in row)


def authorization_model(merchant: Merchant) -> Any:
    """Return the application's class for authorizations.

    :raises ConfigurationError: if it has none.
    """
    if merchant.models.Authorization is None:
        raise ConfigurationError("the blueprint has no class for authorizations", "Authorization")
    return merchant.models.Authorization


def agreement_model(merchant: Merchant) -> Any:
    """Return the application's class for agreements.

    :raises ConfigurationError: if it has none.
    """
    if merchant.models.Agreement is None:
        raise ConfigurationError("the blueprint has no class for agreements", "Agreement")
    return merchant.models.Agreement


def authorization_with(merchant: Merchant, number: str) -> Any | None:
    """Return the authorization with an ``out_order_no`` or ``auth_no``; ``None`` if there is none,
    or no class for them.
    """
    model: Any = merchant.models.Authorization
    return None if model is None else _first(merchant, model, number, "out_order_no", "auth_no")


def agreement_with(merchant: Merchant, number: str) -> Any | None:
    """Return the agreement with an ``external_agreement_no`` or ``agreement_no``; ``None`` if there
    is none, or no class for them.
    """
    model: Any = merchant.models.Agreement
    names = ("external_agreement_no", "agreement_no")
    return None if model is None else _first(merchant, model, number, *names)


def find_authorization(merchant: Merchant, number: str) -> Any:
    """Return an authorization by ``out_order_no`` or ``auth_no``.

    :raises CommandFailed: if there is none.
    :raises ConfigurationError: if the application has no class for them.
    """
    authorization_model(merchant)
    found = authorization_with(merchant, number)
    if found is None:
        text = _("Merchant {merchant} has no authorization {number}. List them with: {command}")
        raise _missing(merchant, text, number, "flask alipay authorizations")
    return found


def find_agreement(merchant: Merchant, number: str) -> Any:
    """Return an agreement by ``external_agreement_no`` or ``agreement_no``.

    :raises CommandFailed: if there is none.
    :raises ConfigurationError: if the application has no class for them.
    """
    agreement_model(merchant)
    found = agreement_with(merchant, number)
    if found is None:
        text = _("Merchant {merchant} has no agreement {number}. List them with: {command}")
        raise _missing(merchant, text, number, "flask alipay agreements")
    return found


def authorization_as_json(authorization: Any) -> dict[str, Any]:
    """Return an authorization for JSON: amounts in fen, payer data masked."""
    return {
        **{name: getattr(authorization, name) for name in _AUTHORIZATION},
        **_payer(authorization),
        **{
            f"{name}_at": iso(getattr(authorization, f"{name}_at")) for name in _AUTHORIZATION_TIMES
        },
        "releases": authorization.releases,
    }


def agreement_as_json(agreement: Any) -> dict[str, Any]:
    """Return an agreement for JSON: amounts in fen, payer data masked."""
    return {
        **{name: getattr(agreement, name) for name in _AGREEMENT},
        **_payer(agreement),
        **_times(agreement, _AGREEMENT_TIMES),
        "valid_until": iso(agreement.valid_until),
    }


def masked_payer(grant: Any) -> str:
    """Return the payer's number or OpenID, masked; empty if it is unknown."""
    return next((value for value in _payer(grant).values() if value), "")


def _times(grant: Any, names: Sequence[str]) -> dict[str, str | None]:
    return {f"{name}_at": iso(getattr(grant, f"{name}_at")) for name in names}


def _payer(grant: Any) -> dict[str, str | None]:
    return {
        name: mask_params({"buyer_id": value})["buyer_id"] if value else None
        for name in ("payer_user_id", "payer_open_id")
        for value in (getattr(grant, name),)
    }


def _first(merchant: Merchant, model: Any, number: str, *names: str) -> Any | None:
    own = select(model).where(model.merchant == merchant.config.merchant)
    for name in names:  # the shop's number takes precedence
        found = read(merchant, own.where(exactly(getattr(model, name), number)).limit(1))
        if found:
            return found[0]
    return None


def _missing(merchant: Merchant, text: str, number: str, command: str) -> CommandFailed:
    shown = strip_control_chars(number)
    names = {"merchant": merchant.config.merchant, "number": shown, "command": command}
    return CommandFailed(text.format(**names))
