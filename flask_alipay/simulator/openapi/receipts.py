"""Electronic receipts: a PDF of one page, behind a URL that is valid for half a minute."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ...protocol.validation import check_choice
from ..replies import ApiError
from ..storage.storage import PersistentDict
from ..trades.transfers import TransferStore
from .bills import GOOD_FOR
from .call import ApiCall, Context, Handler, Success

_KINDS: Final = (
    "ACCOUNT_LOG_DETAIL",
    "ACCOUNT_FLOW_DETAIL",
    "FUND_DETAIL",
    "ACCOUNT_LOG_SUM_DAILY",
    "ACCOUNT_LOG_SUM_MONTHLY",
)


@dataclass(frozen=True)
class _Receipt:
    """A requested receipt, and the end of its URL's validity."""

    kind: str
    key: str
    token: str = ""
    until: datetime | None = None


class ReceiptService:
    """``alipay.data.bill.ereceipt.apply`` and ``.query``, and the download.

    :param context: shared objects.
    :param transfers: the transfers.
    """

    def __init__(self, context: Context, transfers: TransferStore) -> None:
        self._transfers = transfers
        self._lock = threading.Lock()
        self._receipts = PersistentDict(context.storage, "receipts", _Receipt)
        self.methods: Mapping[str, Handler] = {
            "alipay.data.bill.ereceipt.apply": self._apply,
            "alipay.data.bill.ereceipt.query": self._query,
        }

    def download(self, token: str, now: datetime) -> bytes | None:
        """Return the PDF of a URL's token, ``None`` if it is unknown or expired."""
        with self._lock:
            receipts = tuple(self._receipts.values())
        for receipt in receipts:
            if receipt.token == token and receipt.until is not None and now < receipt.until:
                return _pdf(f"{receipt.kind} {receipt.key}")
        return None

    def _apply(self, call: ApiCall) -> Success:
        kind, key = call.required("type"), call.required("key")
        check_choice("type", kind, _KINDS)
        if kind == "FUND_DETAIL" and self._transfers.find("pay_fund_order_id", key) is None:
            raise ApiError("ORDER_NOT_EXIST")
        file_id = f"{secrets.randbelow(10**16):016d}"
        with self._lock:
            self._receipts[file_id] = _Receipt(kind, key)
            self._receipts.evict()
        return Success({"file_id": file_id})

    def _query(self, call: ApiCall) -> Success:
        file_id = call.required("file_id")
        with self._lock:
            receipt = self._receipts.get(file_id)
            if receipt is None:
                raise ApiError("ORDER_NOT_EXIST")
            token = secrets.token_hex(16)
            until = call.now + GOOD_FOR
            self._receipts[file_id] = replace(receipt, token=token, until=until)
        return Success({"status": "SUCCESS", "download_url": f"{call.root}/bill/{token}"})


def _pdf(line: str) -> bytes:
    """Return a PDF of one page with one line of ASCII."""
    text = "".join(each for each in line if each.isalnum() or each in " -_")
    stream = f"BT /F1 14 Tf 72 720 Td (Simulated receipt: {text}) Tj ET".encode("ascii", "replace")
    resources = b"<< /Font << /F1 5 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources %s >>"
        % resources,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(objects) + 1
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (count, table, count, len(body))
    )
