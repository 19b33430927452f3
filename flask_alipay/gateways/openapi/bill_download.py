"""Download of bills: a query of the URL, which is valid for half a minute, and the download."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any
from urllib.parse import urlsplit

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.conversion import CHINA_TIME
from ...protocol.validation import check_url, pattern, text
from .client import MethodSpec, OpenApiClient
from .responses import required_text, text_field

#: Default maximum size of a bill in bytes: 1 GiB.
MAX_BYTES = 1 << 30

_DATE = pattern(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?", "a day or a month, like 2026-01-31 or 2026-01")


def _bill_date(name: str, value: Any, charset: str) -> str:
    """Day or month like ``2026-01-31`` or ``2026-01``, or a ``date``.

    An aware ``datetime`` is its day in China.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime, with a time zone")
        value = value.astimezone(CHINA_TIME).date()
    bill_date = _DATE(name, value.isoformat() if isinstance(value, date) else value, charset)
    try:
        date.fromisoformat(bill_date if len(bill_date) == 10 else f"{bill_date}-01")
    except ValueError:
        raise InvalidParameter(name, "must be a valid date") from None
    return bill_date


BILL = MethodSpec(
    "alipay.data.dataservice.bill.downloadurl.query",
    {
        "bill_type": pattern(r"[A-Za-z_]{1,64}", "like trade or signcustomer"),
        "bill_date": _bill_date,
        "smid": text(20),
    },
    required=("bill_type", "bill_date"),
    read_only=True,
)


@dataclass(frozen=True)
class BillDownloadResponse:
    """Download URL of a bill, valid for about half a minute."""

    #: The URL alone is enough to download the bill: never log it.
    bill_download_url: str = field(repr=False)
    #: Alipay's code about the file, if any: ``EMPTY_DATA_WITH_BILL_FILE``.
    bill_file_code: str | None
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class BillDownload(OpenApiClient):
    """Bills of a day or a month; further ``fields`` are those of the other methods."""

    def data_dataservice_bill_downloadurl_query(
        self, *, bill_type: str, bill_date: str | date, **fields: Any
    ) -> BillDownloadResponse:
        """Query the download URL of a bill (``alipay.data.dataservice.bill.downloadurl.query``);
        retried if no response arrives.

        :param bill_type: ``trade`` (trades), ``signcustomer`` (account statement) or another of
            Alipay's types.
        :param bill_date: a day as ``2026-01-31`` or a :class:`~datetime.date`, or a month as
            ``2026-01``. A day's bill is available on the next morning, in China.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``: ``BILL_NOT_EXIST`` if there were no
            trades.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        required = {"bill_type": bill_type, "bill_date": bill_date}
        node = self._do(BILL, {**fields, **required})
        return BillDownloadResponse(
            bill_download_url=required_text(node, "bill_download_url"),
            bill_file_code=text_field(node, "bill_file_code") or None,
            params=node,
        )

    def download_bill(
        self, bill_download_url: str, into: IO[bytes], *, limit: int = MAX_BYTES
    ) -> int:
        """Download a bill in chunks: usually a ZIP of GBK tables. The request needs no signature or
        parameters besides the URL.

        :param bill_download_url: the URL from :meth:`data_dataservice_bill_downloadurl_query`.
            ``http`` is replaced by ``https``, unless the gateway's URL is ``http`` as well.
        :param into: the file to write to. After an error it is incomplete, and no bill.
        :param limit: maximum number of bytes.
        :returns: the number of bytes.
        :raises InvalidParameter: if the URL is invalid.
        :raises GatewayError: if the file is larger.
        :raises OutcomeUnknown: if the file does not arrive completely: query another URL.
        """
        url = self._safe(bill_download_url)
        try:
            return self._transport.download(url, into, limit)
        except OutcomeUnknown as error:
            error.retryable = True  # a download changes nothing
            raise

    def _safe(self, url: str) -> str:
        check_url("bill_download_url", url, max_length=4096)
        parts = urlsplit(url)
        if parts.scheme == "https" or not self.gateway_url.startswith("https:"):
            return url
        if parts.port not in (None, 80):
            raise InvalidParameter("bill_download_url", "must be https")
        return parts._replace(scheme="https", netloc=parts.hostname or "").geturl()
