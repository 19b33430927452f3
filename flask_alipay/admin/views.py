"""Registration of the operator pages in a shop's Flask-Admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .access import Access, Condition
from .base import AlipayView
from .notifications import NotificationsView
from .payments import PaymentsView
from .refunds import RefundsView
from .takings import TakingsView
from .texts import N_

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue
    from flask_admin import Admin

    from ..blueprint import AlipayBlueprint


def add_alipay_views(
    admin: Admin,
    alipay: AlipayBlueprint[Any, Any],
    *,
    is_accessible: Condition | None = None,
    can_edit: bool | Condition = True,
    operator: Callable[[], object] | None = None,
    inaccessible: Callable[[], ResponseReturnValue] | None = None,
    category: str | None = None,
) -> None:
    """Add the pages Payments, Refunds, Notifications and Takings of one merchant, and Transfers,
    Authorizations and Agreements if the blueprint has a class for them.

    The pages never change rows by hand: operators query, refund, close, replay, reconcile, capture,
    release, charge and end through the same operations as ``flask alipay``. Who did it is recorded
    in the journal and in the log ``flask_alipay``.

    :param admin: the shop's ``Admin``; before or after ``init_app``.
    :param alipay: the merchant's blueprint, registered in the same app. Several merchants have
        pages side by side; give each a ``category``.
    :param is_accessible: called during each request; returns whether the current user may see the
        pages. Without it they are shown in debug mode only.
    :param can_edit: ``False`` makes all pages read-only; or a function that returns during each
        request whether the current user may act.
    :param operator: returns the current user's name for the record; without it Flask-Login's user
        id, or the name from HTTP authentication.
    :param inaccessible: returns the response to a user who may not see a page, for example a
        redirect to the login; without it 403.
    :param category: the menu that the pages belong to; without it the main menu.
    """
    access = Access(is_accessible, can_edit, operator, inaccessible)
    views: list[tuple[type[AlipayView], str, str]] = [
        (PaymentsView, N_("Payments"), "payments"),
        (RefundsView, N_("Refunds"), "refunds"),
        (NotificationsView, N_("Notifications"), "notifications"),
        (TakingsView, N_("Takings"), "takings"),
    ]
    views[2:2] = _optional(alipay)
    for view, name, path in views:
        admin.add_view(view(alipay, access, name, path, category))


def _optional(alipay: AlipayBlueprint[Any, Any]) -> list[tuple[type[AlipayView], str, str]]:
    """Return the pages for which the blueprint has a class."""
    found: list[tuple[type[AlipayView], str, str]] = []
    if alipay.models.Transfer is not None:
        from .transfers import TransfersView

        found.append((TransfersView, N_("Transfers"), "transfers"))
    if alipay.models.Authorization is not None:
        from .preauthorizations import AuthorizationsView

        found.append((AuthorizationsView, N_("Authorizations"), "authorizations"))
    if alipay.models.Agreement is not None:
        from .agreements import AgreementsView

        found.append((AgreementsView, N_("Agreements"), "agreements"))
    return found
