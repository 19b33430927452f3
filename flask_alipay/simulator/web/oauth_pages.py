"""Pages on which a user or a merchant authorises the application, and the mini-program's calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, jsonify, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from ...exceptions import InvalidParameter
from ..trades.orders import TradeEvent
from .forms import encode_form, with_query
from .responses import no_store, plain, problem, render_page
from .urls import checked_url

if TYPE_CHECKING:
    from ..simulator import Simulator

_USER, _APP, _BATCH = "publicAppAuthorize.htm", "appToAppAuth.htm", "appToAppBatchAuth.htm"
_SCOPES: Final = ("auth_base", "auth_user")
# Granted without a page.
_SILENT: Final = "auth_base"
_TYPES: Final = ("TINYAPP", "WEBAPP", "MOBILEAPP", "PUBLICAPP", "ARAPP")
_STATE: Final = re.compile(r"[A-Za-z0-9+/=_-]{1,100}", re.ASCII)
# What my.tradePay says: paid, failed, cancelled by the buyer.
_PAID, _FAILED, _CANCELLED = "9000", "4000", "6001"
_TRADE_ERROR: Final = "ALI38110"


def add_oauth_pages(blueprint: Blueprint, simulator: Simulator) -> None:
    """Add the pages of Alipay's authorisation host, and what Alipay's app offers a mini-program.

    :param blueprint: the simulator's.
    :param simulator: does the work.
    """
    views = _Authorizations(simulator)
    blueprint.add_url_rule(
        f"/oauth2/<any('{_USER}', '{_APP}', '{_BATCH}'):kind>",
        "authorize",
        views.authorize,
        methods=["GET", "POST"],
    )
    blueprint.add_url_rule("/mini-program/<trade_no>", "trade_pay_page", views.trade_pay_page)
    for name, view in (("pay", views.trade_pay), ("auth-code", views.auth_code)):
        rule, endpoint = f"/mini-program/{name}", f"mini_program_{name}"
        blueprint.add_url_rule(rule, endpoint, view, methods=["POST"])


class _Authorizations:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def authorize(self, kind: str) -> BaseResponse:
        """Ask the user or the merchant, and redirect with a code."""
        try:
            found = self._requested(kind)
        except InvalidParameter as error:
            return problem("invalid", 400, f"{error}.", parameter=error.parameter)
        silent = kind == _USER and found["scope"] == _SILENT
        if request.method != "POST" and not silent:
            merchants = [] if kind == _USER else self._simulator.merchant.authorizers
            about = {"app_id": found["app_id"], "scope": found["scope"]}
            return render_page("authorize.html", merchants=merchants, about=about)
        if request.form.get("decision") == "refuse":
            return render_page("message.html", topic="refused")
        try:
            query = self._granted(kind, found)
        except InvalidParameter as error:
            return problem("invalid", 400, f"{error}.", parameter=error.parameter)
        location = with_query(found["redirect_uri"], encode_form(query, "utf-8"))
        return no_store(redirect(location, 303))

    def _requested(self, kind: str) -> dict[str, str]:
        """Return the parameters of the page.

        :raises InvalidParameter: names the one that Alipay would reject.
        """
        merchant, given = self._simulator.merchant, request.args
        app_ids = [merchant.app_id]
        if kind == _USER:  # a third-party application lets users authorise the merchant's
            app_ids += [app_id for app_id, _ in merchant.authorizers]
        app_id = given.get("app_id", "")
        if app_id not in app_ids:
            raise InvalidParameter("app_id", "is of no application that the simulator knows")
        uri = checked_url("redirect_uri", given.get("redirect_uri", ""), max_length=2000)
        if not uri:
            raise InvalidParameter("redirect_uri", "is required")
        state = given.get("state", "")
        if state and not _STATE.fullmatch(state):
            raise InvalidParameter("state", "must be at most 100 characters of base64")
        scope = given.get("scope", "")
        if kind == _USER and (not scope or not set(scope.split(",")) <= set(_SCOPES)):
            raise InvalidParameter("scope", f"must be of {', '.join(_SCOPES)}")
        types = given.get("application_type", "")
        if kind == _BATCH and (not types or not set(types.split(",")) <= set(_TYPES)):
            raise InvalidParameter("application_type", f"must be of {', '.join(_TYPES)}")
        return {"app_id": app_id, "redirect_uri": uri, "state": state, "scope": scope} | (
            {"application_type": types} if types else {}
        )

    def _granted(self, kind: str, found: dict[str, str]) -> dict[str, str]:
        """Return the query of the redirect, with a new code."""
        codes, now = self._simulator.dialects.openapi.authorizations, self._simulator.clock.now()
        state = {"state": found["state"]} if found["state"] else {}
        if kind == _USER:
            code, source = codes.user_code(found["scope"], now), "alipay_wallet"
            granted = {"scope": found["scope"], "auth_code": code}
        else:
            app_id = request.form.get("auth_app_id", "")
            if app_id not in dict(self._simulator.merchant.authorizers):
                raise InvalidParameter("auth_app_id", "is no merchant's")
            code, source = codes.app_code(app_id, now), "alipay_app_auth"
            granted = {"app_auth_code": code}
            if "application_type" in found:
                granted["application_type"] = found["application_type"]
        return {"app_id": found["app_id"], "source": source, **state, **granted}

    def auth_code(self) -> BaseResponse:
        """Return a code of the buyer, as ``my.getAuthCode`` does."""
        scope = str(_json().get("scopes", _SILENT))
        if scope not in _SCOPES:
            return plain(f"scopes must be of {', '.join(_SCOPES)}.", 400)
        codes = self._simulator.dialects.openapi.authorizations
        code = codes.user_code(scope, self._simulator.clock.now())
        return no_store(jsonify({"authCode": code, "authSuccessScopes": [scope]}))

    def trade_pay(self) -> BaseResponse:
        """Pay a trade as ``my.tradePay`` does, or cancel."""
        given = _json()
        number = self._waiting(str(given.get("tradeNO", "")))
        if number is None:
            return no_store(jsonify({"resultCode": _FAILED, "memo": _TRADE_ERROR}))
        if given.get("cancel"):
            return no_store(jsonify({"resultCode": _CANCELLED}))
        sign = given.get("sign") is not False  # the buyer may untick the agreement
        step = self._simulator.apply_event(number, TradeEvent.PAY, sign=sign)
        paid = step is not None and step.trade.paid
        return no_store(jsonify({"resultCode": _PAID if paid else _FAILED}))

    def trade_pay_page(self, trade_no: str) -> BaseResponse:
        """Open the cashier, as ``my.tradePay`` does on a phone."""
        trade = self._simulator.trades.by_trade_no(trade_no)
        if trade is None or self._waiting(trade_no) is None:
            text = f"{_TRADE_ERROR}: no trade with this number waits for its buyer."
            return problem("over", 404, text)
        return no_store(redirect(url_for(".cashier", cashier_id=trade.cashier_id), 303))

    def _waiting(self, trade_no: str) -> str | None:
        """Return the merchant's number of a trade that waits for its buyer."""
        trade = self._simulator.trades.by_trade_no(trade_no)
        if trade is None:
            return None
        step = self._simulator.apply_event(trade.order.out_trade_no, None)
        return trade.order.out_trade_no if step is not None and step.trade.waiting else None


def _json() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}
