"""Bills of a day or a month: the download URL, valid for half a minute, and the tables.

The layout follows public samples: a ZIP of two GBK tables, with remarks before and after, and a tab
after each cell. Unlike at Alipay, today's bill is available.
"""

from __future__ import annotations

import csv
import io
import secrets
import threading
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ...exceptions import InvalidParameter
from ...protocol.charsets import encode
from ...protocol.conversion import format_amount, format_china_time
from ...protocol.validation import check_pattern
from ..replies import ApiError
from ..storage.storage import PersistentDict
from ..trades.trades import Trade
from .call import ApiCall, Context, Handler, Success

#: How long an address is good for.
GOOD_FOR = timedelta(seconds=30)

_HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_SUMMARY = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
_LINE = "-" * 20


@dataclass(frozen=True)
class _Address:
    """Token of a bill's URL, and its end of validity."""

    period: str
    until: datetime
    #: The token of the merchant whose bill it is, or nothing.
    app_auth_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class _Row:
    """A payment, or a refund with its number."""

    trade: Trade
    at: datetime
    fen: int
    refund: str = ""

    def cells(self, account: str) -> list[str]:
        order, amount = self.trade.order, format_amount(self.fen)
        return [
            self.trade.trade_no,
            order.out_trade_no,
            "退款" if self.refund else "交易",
            order.subject,
            format_china_time(self.trade.created_at),
            format_china_time(self.at),
            *[""] * 4,
            account,
            *[amount] * 2,
            *["0.00"] * 5,
            "",
            *["0.00"] * 2,
            self.refund,
            *["0.00"] * 2,
            "",
        ]


class _GbkName(zipfile.ZipInfo):
    """A ZIP entry with a GBK name that is not declared, as written by Chinese Windows."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - the library's
        return encode(self.filename, "gbk"), self.flag_bits


class BillService:
    """``alipay.data.dataservice.bill.downloadurl.query``, and the download.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._addresses = PersistentDict(context.storage, "bills", _Address)
        self.methods: Mapping[str, Handler] = {
            "alipay.data.dataservice.bill.downloadurl.query": self._query
        }

    def download(self, token: str, now: datetime) -> bytes | None:
        """Return the ZIP of a URL's token, ``None`` if it is unknown or expired."""
        with self._lock:
            address = self._addresses.get(token)
        return None if address is None or now >= address.until else self._zipped(address)

    def _query(self, call: ApiCall) -> Success:
        period = call.required("bill_date")
        check_pattern("bill_date", period, r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?", "a day or a month")
        try:
            first = date.fromisoformat(period if len(period) == 10 else f"{period}-01")
        except ValueError:
            raise InvalidParameter("bill_date", "must be a day that there is") from None
        if call.required("bill_type") != "trade":
            raise ApiError("TYPE_NOT_SUPPORTED", "bill_type must be trade")
        merchant = call.params.get("app_auth_token", "")
        address = _Address(period, call.now + GOOD_FOR, merchant)
        if first.isoformat() > format_china_time(call.now)[:10] or not any(self._rows(address)):
            raise ApiError("BILL_NOT_EXIST")
        token = secrets.token_urlsafe(24)
        with self._lock:
            for gone in [t for t, one in self._addresses.items() if one.until <= call.now]:
                del self._addresses[gone]
            self._addresses[token] = address
            self._addresses.evict()
        return Success({"bill_download_url": f"{call.root}/bill/{token}"})

    def _rows(self, address: _Address) -> Iterator[_Row]:
        for trade in self._context.trades.all():
            if trade.order.app_auth_token != address.app_auth_token:
                continue
            if trade.order.currency != "CNY" or trade.paid_at is None or trade.in_escrow:
                continue
            rows = [_Row(trade, trade.paid_at, trade.order.total_fen)]
            rows += [_Row(trade, one.at, -one.fen, one.number) for one in trade.refunds]
            yield from (row for row in rows if format_china_time(row.at).startswith(address.period))

    def _zipped(self, address: _Address) -> bytes:
        period = address.period
        rows = sorted(self._rows(address), key=lambda row: row.at)
        stem = f"{self._context.merchant.partner}_{period.replace('-', '')}_业务明细"
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as bundle:
            for name, text in (
                (f"{stem}.csv", self._detail(period, rows)),
                (f"{stem}(汇总).csv", self._summary(period, rows)),
            ):
                # What a subject has beyond GBK is a question mark in its bill, too.
                table = encode(text, "gbk", "replace")
                bundle.writestr(_GbkName(name), table, zipfile.ZIP_DEFLATED)
        return file.getvalue()

    def _detail(self, period: str, rows: list[_Row]) -> str:
        account = self._context.buyer()["buyer_logon_id"]
        table = _table(_HEADER, (row.cells(account) for row in rows))
        paid = [row.fen for row in rows if not row.refund]
        back = [-row.fen for row in rows if row.refund]
        return (
            self._head("业务明细查询", period)
            + f"#{_LINE}业务明细列表{_LINE}\r\n{table}#{_LINE}业务明细列表结束{_LINE}\r\n"
            + f"#交易合计：{len(paid)}笔，商家实收共{format_amount(sum(paid))}元\r\n"
            + f"#退款合计：{len(back)}笔，商家实收退款共{format_amount(sum(back))}元\r\n"
        )

    def _summary(self, period: str, rows: list[_Row]) -> str:
        paid = sum(row.fen for row in rows if not row.refund)
        net = format_amount(sum(row.fen for row in rows))
        back = [row for row in rows if row.refund]
        counts = [str(len(rows) - len(back)), str(len(back))]
        amounts = [format_amount(paid), net, *["0.00"] * 5, net]
        table = _table(_SUMMARY, [["合计", "", *counts, *amounts]])
        return (
            self._head("业务汇总查询", period)
            + f"#{_LINE}业务汇总列表{_LINE}\r\n{table}#{_LINE}业务汇总列表结束{_LINE}\r\n"
        )

    def _head(self, title: str, period: str) -> str:
        first, after = _bounds(period)
        return (
            f"#支付宝{title}\r\n#账号：[{self._context.merchant.partner}0156]\r\n"
            f"#起始日期：[{_day(first)} 00:00:00]   终止日期：[{_day(after)} 00:00:00]\r\n"
        )


def _bounds(period: str) -> tuple[date, date]:
    if len(period) == 10:
        day = date.fromisoformat(period)
        return day, day + timedelta(days=1)
    first = date.fromisoformat(f"{period}-01")
    return first, (first + timedelta(days=31)).replace(day=1)


def _day(day: date) -> str:
    return f"{day.year}年{day.month:02d}月{day.day:02d}日"


def _table(header: str, rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header.split(","))
    writer.writerows([f"{cell}\t" for cell in row] for row in rows)
    return text.getvalue()
