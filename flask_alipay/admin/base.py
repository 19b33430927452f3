"""Base class of the operator pages: access, language, reading the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from flask import request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import BaseView

from ..ledger.history import History, history_of
from ..ledger.listing import Listing, read_rows
from . import rows
from .export import csv_response
from .filters import Filters, InvalidFilter, written
from .texts import LazyText, _, html_language, n_

if TYPE_CHECKING:
    from flask import Blueprint, Response
    from flask_admin import Admin

    from ..blueprint import AlipayBlueprint
    from .access import Access

#: Rows on a page of a list.
PAGE_SIZE = 50


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    rows: list[Any]
    #: The URL of the next page, empty on the last one.
    older: str
    #: The URL of the first page, empty on that page.
    newest: str
    #: The problem of the filters; empty if they are valid.
    problem: str = ""


class AlipayView(BaseView):
    """A read-only page of Flask-Admin's about one merchant.

    :param alipay: the merchant's blueprint.
    :param access: who may see it.
    :param name: in the menu, in English.
    :param path: the last part of the URL and of the endpoint.
    :param category: the menu that it belongs to.
    """

    def __init__(
        self,
        alipay: AlipayBlueprint[Any, Any],
        access: Access,
        name: str,
        path: str,
        category: str | None = None,
    ) -> None:
        endpoint = endpoint_of(alipay, path)
        super().__init__(cast("str", LazyText(name)), category, endpoint, f"{alipay.name}/{path}")
        self.alipay = alipay
        self.access = access

    def create_blueprint(self, admin: Admin) -> Blueprint:
        """Create Flask-Admin's blueprint of the view; its pages stay out of caches and frames."""
        blueprint: Blueprint = super().create_blueprint(admin)
        blueprint.after_request(_keep_private)
        return blueprint

    def is_accessible(self) -> bool:
        """Return whether the current user may see the page."""
        return self.access.may_see()

    def inaccessible_callback(self, name: str, **kwargs: Any) -> ResponseReturnValue:
        """Respond to a user who may not see the page."""
        if self.access.inaccessible is not None:
            return self.access.inaccessible()
        response: ResponseReturnValue = super().inaccessible_callback(name, **kwargs)
        return response

    def render(self, template: str, **context: Any) -> str:
        """Render a page in the operator's language.

        Flask-Admin's base template does not state the language of the page.
        """
        language = html_language()
        page: str = super().render(
            f"alipay_admin/{template}",
            **context,
            _t=_,
            n_=n_,
            lang=language,
            rows=rows,
            alipay=self.alipay,
            may_act=self.access.may_act(),
            link=self.link,
            args=Filters(request.args).given(),
        )
        return page.replace("<html>", f'<html lang="{language}">', 1)

    def link(self, path: str, route: str = "index", **values: Any) -> str:
        """Return the URL of an operator page of the same merchant.

        :param path: ``payments``, ``refunds``, ``notifications`` or ``takings``.
        :param route: the view's route.
        """
        return url_for(f"{endpoint_of(self.alipay, path)}.{route}", **values)

    def merchant_of(self) -> str:
        """Return the merchant's ``app_id`` or ``partner`` in the current app."""
        return self.alipay.config.merchant

    def history(self, out_trade_no: str) -> History | None:
        """Read a payment and the rows about it; ``None`` if there is no such payment."""
        payment = self.alipay.ledger().find(out_trade_no)
        if payment is None:
            return None
        alipay = self.alipay
        return history_of(alipay.session, alipay.models, self.merchant_of(), payment)

    def page(self, listing: Listing, filters: Filters) -> Page:
        """Read a page of a list.

        :raises InvalidFilter: if the position is damaged.
        """
        size = PAGE_SIZE
        after = filters.position()
        # A search has no next page; the page states its limit.
        wanted = listing.page(PAGE_SIZE * 2 if listing.number else size + 1, after)
        found = read_rows(self.alipay.session, wanted)
        newest = self._url(filters.given()) if after is not None else ""
        older = ""
        if not listing.number and len(found) > size:
            found = found[:size]
            older = self._url({**filters.given(), "after": written(found[-1], listing)})
        return Page(found, older, newest)

    def _url(self, args: Mapping[str, str]) -> str:
        return url_for(".index", **cast("Any", args))

    def csv(self, name: str, lines: Any) -> Response:
        """Return a CSV file named after the merchant's blueprint."""
        return csv_response(f"{self.alipay.name}-{name}", lines)


def _keep_private(response: Response) -> Response:
    headers = response.headers
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "same-origin"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    return response


def no_page(error: InvalidFilter) -> Page:
    """Return an empty page with a message about the invalid filter."""
    return Page([], "", "", str(error))


def endpoint_of(alipay: AlipayBlueprint[Any, Any], path: str) -> str:
    """Return the endpoint of a view, without its route."""
    return f"{alipay.name}_admin_{path}"
