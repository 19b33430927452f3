"""The merchant's account: its balance, and its log of transfers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.conversion import format_amount, format_china_time
from ...protocol.validation import check_choice, check_pattern
from ..clock import read_china_text
from ..replies import ApiError
from ..trades.transfers import Transfer, TransferStore
from .call import ApiCall, Context, Handler, Success
from .transfers import MAX_FEN

_MAX_SPAN: Final = timedelta(days=31)


class AccountService:
    """``alipay.fund.account.query``, ``alipay.data.bill.balance.query`` and ``.accountlog.query``.
    The account begins with a million yuan; transfers reduce it, sales do not count.

    :param context: shared objects.
    :param transfers: the transfers.
    """

    def __init__(self, context: Context, transfers: TransferStore) -> None:
        self._context = context
        self._transfers = transfers
        self.methods: Mapping[str, Handler] = {
            "alipay.fund.account.query": self._account,
            "alipay.data.bill.balance.query": self._balance,
            "alipay.data.bill.accountlog.query": self._log,
        }

    def _account(self, call: ApiCall) -> Success:
        check_choice("account_type", call.required("account_type"), ("ACCTRANS_ACCOUNT",))
        user_id, open_id = call.text("alipay_user_id"), call.text("alipay_open_id", 128)
        if not user_id and not open_id:
            raise InvalidParameter("alipay_user_id", "or alipay_open_id is required")
        if user_id and user_id != self._context.merchant.partner:
            raise ApiError("NO_PERMISSION_ACCOUNT")
        available = format_amount(self._available_fen())
        return Success({"available_amount": available, "freeze_amount": "0.00"})

    def _balance(self, call: ApiCall) -> Success:
        available = format_amount(self._available_fen())
        return Success(
            {
                "total_amount": available,
                "available_amount": available,
                "freeze_amount": "0.00",
                "settle_amount": "0.00",
            }
        )

    def _log(self, call: ApiCall) -> Success:
        start, end = (_time(call, name) for name in ("start_time", "end_time"))
        if not timedelta(0) < end - start <= _MAX_SPAN:
            raise InvalidParameter("end_time", "must be up to 31 days after start_time")
        numbers = {name: call.text(name) for name in ("alipay_order_no", "merchant_order_no")}
        if all(numbers.values()):
            raise InvalidParameter("merchant_order_no", "excludes alipay_order_no")
        page, size = (_integer(call, name, limit) for name, limit in _PAGES)
        entries = [
            entry
            for transfer, entry in self._entries()
            if start <= transfer.at < end
            and all(not value or entry[name] == value for name, value in numbers.items())
        ]
        shown = entries[(page - 1) * size : page * size]
        found = {"page_no": str(page), "page_size": str(size), "total_size": str(len(entries))}
        return Success({**found, **({"detail_list": shown} if shown else {})})

    def _entries(self) -> list[tuple[Transfer, dict[str, str]]]:
        """Return the entries of the log, the oldest first, with their transfers."""
        balance_fen, found = MAX_FEN, []
        for transfer in self._transfers.all():
            balance_fen -= transfer.spent_fen
            if transfer.spent_fen:
                found.append((transfer, _entry(transfer, balance_fen)))
        return found

    def _available_fen(self) -> int:
        return MAX_FEN - sum(transfer.spent_fen for transfer in self._transfers.all())


_PAGES: Final = (("page_no", 1_000_000), ("page_size", 2_000))


def _entry(transfer: Transfer, balance_fen: int) -> dict[str, str]:
    return {
        "account_log_id": transfer.pay_fund_order_id[-16:],
        "alipay_order_no": transfer.order_id,
        "merchant_order_no": transfer.out_biz_no,
        "trans_dt": format_china_time(transfer.at),
        "trans_amount": format_amount(transfer.fen),
        "balance": format_amount(balance_fen),
        "direction": "支出",
        "type": "转账",
        "trans_memo": transfer.title,
    }


def _time(call: ApiCall, name: str) -> datetime:
    found = read_china_text(call.required(name))
    if found is None:
        raise InvalidParameter(name, "must be like 2026-01-31 08:00:00")
    return found


def _integer(call: ApiCall, name: str, limit: int) -> int:
    text = call.text(name, 7) or ("1" if name == "page_no" else str(limit))
    check_pattern(name, text, "[1-9][0-9]{0,6}", "an integer above zero")
    if int(text) > limit:
        raise InvalidParameter(name, f"must be at limit {limit}")
    return int(text)
