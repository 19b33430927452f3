"""Conclusions from parameters: missing ones, and the environment that a payload comes from."""

from __future__ import annotations

from collections.abc import Mapping

# In every captured notification of a trade, of both gateways.
_ALWAYS = ("notify_time", "notify_type", "notify_id", "trade_no", "out_trade_no", "trade_status")
_ALWAYS_ON_OPEN_PLATFORM = ("app_id", "total_amount")


def missing_params(params: Mapping[str, str]) -> tuple[str, ...]:
    """Return the missing parameters that Alipay always sends in a notification about a trade.

    :param params: any parameters; for other notifications the result is empty.
    """
    if params.get("notify_type", "trade_status_sync") != "trade_status_sync":
        return ()
    if "msg_method" in params or not (params.get("notify_id") or params.get("notify_time")):
        return ()
    modern = {"app_id", "auth_app_id", "version", "buyer_pay_amount"} & set(params)
    names = (*_ALWAYS, *(_ALWAYS_ON_OPEN_PLATFORM if modern else ()))
    return tuple(name for name in names if not params.get(name))


def is_sandbox(params: Mapping[str, str]) -> bool:
    """Return whether a payload certainly comes from the open platform's sandbox.

    Source: captured payloads; older sandbox applications have numbers like those of production.
    """
    accounts = (params.get("seller_email", ""), params.get("buyer_logon_id", ""))
    return params.get("app_id", "").startswith("9021") or any(
        account.endswith("@sandbox.com") for account in accounts
    )
