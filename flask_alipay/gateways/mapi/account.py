"""Services of the merchant's account: statement pages and the anti-phishing key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypedDict

from ...exceptions import GatewayError, InvalidParameter
from ...protocol.conversion import parse_china_time
from ...protocol.validation import integer, pattern, text
from ...protocol.xml import iter_rows
from ..parameters import validate_declared
from . import validators
from .client import MapiClient
from .responses import MapiResponse, amount, currency_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

# One of these selects the statement rows; otherwise a time range is required.
_NUMBERS = ("trade_no", "merchant_out_order_no", "iw_account_log_id", "deposit_bank_no")

_ROWS = "account_log_list"


class AccountPageQuery(TypedDict, total=False):
    """Parameters of ``account.page.query``."""

    page_no: Annotated[int | str, integer(1, 999_999), "1 by default"]
    page_size: Annotated[int | str | None, integer(1, 5000)]
    gmt_start_time: Annotated[
        datetime | str | None,
        validators.china_datetime,
        "with ``gmt_end_time``, at most a day apart",
    ]
    gmt_end_time: Annotated[datetime | str | None, validators.china_datetime]
    logon_id: Annotated[str | None, text(100)]
    trade_no: Annotated[str | None, validators.trade_no, "instead of a time"]
    merchant_out_order_no: Annotated[str | None, validators.foreign_number, "instead of a time"]
    iw_account_log_id: Annotated[
        str | None, pattern(r"[0-9]{1,64}", "a number"), "instead of a time"
    ]
    deposit_bank_no: Annotated[str | None, text(64), "instead of a time"]
    trans_code: Annotated[
        str | None, pattern(r"[0-9]{4}(?:,[0-9]{4})*", "codes of four digits, joined by commas")
    ]


@dataclass(frozen=True)
class AccountLog:
    """One row of the account statement. Amounts are in fen."""

    #: Alipay's trade number and the merchant's order number.
    trade_no: str | None
    merchant_out_order_no: str | None
    #: Amounts credited and debited.
    income_fen: int
    outcome_fen: int
    #: Balance after the row.
    balance_fen: int | None
    #: Kind of transaction, in Chinese.
    trans_code_msg: str
    #: Time of the transaction, aware UTC.
    trans_date: datetime | None
    #: ISO 4217 code.
    currency: str
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)


@dataclass(frozen=True)
class AccountPage:
    """One page of the account statement."""

    rows: tuple[AccountLog, ...]
    page_no: int
    page_size: int
    has_next_page: bool

    @property
    def next_page(self) -> int | None:
        """The number of the next page; ``None`` on the last."""
        return self.page_no + 1 if self.has_next_page else None


@dataclass(frozen=True)
class Timestamp:
    """Alipay's one-time key that proves that a payment starts on the merchant's pages."""

    #: The ``anti_phishing_key`` of the payment.
    encrypt_key: str = field(repr=False)


class Accounts(MapiClient):
    """Queries about the merchant's account."""

    def account_page_query(self, **params: Unpack[AccountPageQuery]) -> AccountPage:
        """Query a page of the account statement (账务明细分页查询).

        :param params: see :ref:`account_page_query <parameters-account_page_query>`;
            ``gmt_start_time`` and ``gmt_end_time``, at most a day apart, are required unless
            ``trade_no``, ``merchant_out_order_no``, ``iw_account_log_id`` or ``deposit_bank_no`` is
            given.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code; without a code, if the response cannot be parsed
            or trusted.
        :raises OutcomeUnknown: if no response arrives.
        """
        service = "account.page.query"
        given = {name: value for name, value in params.items() if value is not None}
        checked = validate_declared(
            AccountPageQuery, {"page_no": 1, **given}, self.charset, service
        )
        if not any(name in checked for name in _NUMBERS):
            validators.require(checked, "gmt_start_time", "gmt_end_time")
        _check_day(checked)
        return _read_page(self._query(service, checked, raw=(_ROWS,)), checked)

    def query_timestamp(self) -> Timestamp:
        """Query the anti-phishing key of one payment (防钓鱼时间戳).

        :raises GatewayError: with Alipay's code; without a code, if the response cannot be parsed
            or trusted.
        :raises OutcomeUnknown: if no response arrives.
        """
        key = self._query("query_timestamp", {}).params.get("encrypt_key", "").strip()
        if not key:
            raise GatewayError("the gateway's response cannot be parsed: it has no encrypt_key")
        return Timestamp(key)


def _check_day(params: Mapping[str, str]) -> None:
    if "gmt_start_time" not in params and "gmt_end_time" not in params:
        return
    validators.require(params, "gmt_start_time", "gmt_end_time")
    start, end = (
        parse_china_time(params["gmt_start_time"]),
        parse_china_time(params["gmt_end_time"]),
    )
    if start is None or end is None or not timedelta(0) <= end - start <= timedelta(days=1):
        raise InvalidParameter("gmt_end_time", "must be at most a day after gmt_start_time")


def _read_page(response: MapiResponse, requested: Mapping[str, str]) -> AccountPage:
    params = response.params
    if response.values is None or params.get("has_next_page", "").strip() not in ("T", "F"):
        raise GatewayError("the gateway's response cannot be parsed: it is not a statement page")
    found = iter_rows(response.values, f"{_ROWS}/AccountQueryAccountLogVO")
    return AccountPage(
        rows=tuple(_row(row) for row in found),
        page_no=_number(params, "page_no", requested["page_no"]),
        page_size=_number(params, "page_size", requested.get("page_size", "0")),
        has_next_page=params["has_next_page"].strip() == "T",
    )


def _number(params: Mapping[str, str], name: str, requested: str) -> int:
    try:
        return int(integer(0, 999_999)(name, params.get(name, "").strip() or requested, "utf-8"))
    except InvalidParameter as error:
        raise GatewayError(f"the gateway's response cannot be parsed: {error}") from None


def _row(params: Mapping[str, str]) -> AccountLog:
    return AccountLog(
        trade_no=params.get("trade_no") or None,
        merchant_out_order_no=params.get("merchant_out_order_no") or None,
        income_fen=amount(params, "income") or 0,
        outcome_fen=amount(params, "outcome") or 0,
        balance_fen=_balance(params),
        trans_code_msg=params.get("trans_code_msg", ""),
        trans_date=parse_china_time(params.get("trans_date")),
        currency=currency_of(params),
        params=params,
    )


def _balance(params: Mapping[str, str]) -> int | None:
    """Return the balance in fen: the only amount that may be negative."""
    text = params.get("balance", "")
    negative = text.startswith("-")
    fen = amount({"balance": text.removeprefix("-")}, "balance")
    return -fen if negative and fen is not None else fen
