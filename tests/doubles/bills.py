"""Bills in Alipay's format."""

from __future__ import annotations

import io
import zipfile
from typing import Any

HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
FRONT = (
    "#支付宝业务明细查询",
    "#账号：[20880000000000000156]",
    "#起始日期：[2026年01月31日 00:00:00]   终止日期：[2026年02月01日 00:00:00]",
    "#-----------------------------------------业务明细列表----------------------------------------",
)
BACK = (
    "#-----------------------------------------业务明细列表结束------------------------------------",
    "#交易合计：1笔，商家实收共88.88元，商家优惠共0.00元",
    "#退款合计：0笔，商家实收退款共0.00元，商家优惠退款共0.00元",
    "#导出时间：[2026年02月01日 09:00:00]",
)
SUMS = (
    "#支付宝业务汇总查询\r\n"
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）\r\n"
    "合计\t,\t,1\t,0\t,88.88\t,88.88\t\r\n"
)
TEA: dict[str, str] = {
    "支付宝交易号": "2026013122001499160501586202",
    "商户订单号": "A1",
    "业务类型": "交易",
    "商品名称": "龙井茶",
    "创建时间": "2026-01-31 20:00:00",
    "完成时间": "2026-01-31 20:00:05",
    "订单金额（元）": "88.88",
    "商家实收（元）": "88.88",
}
REFUND = TEA | {"业务类型": "退款", "订单金额（元）": "-8.88", "退款批次号/请求号": "R1"}


def line(cells: dict[str, str], header: str = HEADER) -> str:
    return ",".join(f"{cells.get(name, '')}\t" for name in header.split(","))


def table(*rows: Any, header: str = HEADER, front: Any = FRONT, back: Any = BACK) -> str:
    """A detail table; a row is its cells by column, or the line as it is."""
    lines = [row if isinstance(row, str) else line(row, header) for row in rows]
    return "".join(f"{text}\r\n" for text in (*front, header, *lines, *back))


def zipped(files: dict[str, bytes], **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(name, content, **options)
    return file


def bill(*rows: Any, encoding: str = "gbk", **table_options: Any) -> io.BytesIO:
    """A bill as Alipay gives it: the rows, and their sums in a second table."""
    stem = "20880000000000000156_20260131_业务明细"
    gbk_name = stem.encode("gbk").decode("cp437")
    return zipped(
        {
            f"{gbk_name}.csv": table(*rows, **table_options).encode(encoding),
            f"{gbk_name}(sums).csv": SUMS.encode(encoding),
        }
    )
