"""The bill: where Alipay keeps it for half a minute, and its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import IO, Any
from urllib.parse import urlsplit

from ...exceptions import InvalidParameter, OutcomeUnknown
from ...protocol.china_time import CHINA_TIME
from ...protocol.limits import check_url
from ...protocol.validation import pattern, text
from .client import MethodSpec, OpenApiClient
from .responses import required_text, text_field

#: The most that a bill may have unless more is allowed: 1 GiB.
MAX_BYTES = 1 << 30

_DATE = pattern(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?", "a day or a month, like 2026-01-31 or 2026-01")


def _bill_date(name: str, value: Any, charset: str) -> str:
    """Day or month like ``2026-01-31`` or ``2026-01``, or a ``date``.

    An aware ``datetime`` is its day in China.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidParameter(name, "must be an aware datetime: say in which zone it is")
        value = value.astimezone(CHINA_TIME).date()
    written = _DATE(name, value.isoformat() if isinstance(value, date) else value, charset)
    try:
        date.fromisoformat(written if len(written) == 10 else f"{written}-01")
    except ValueError:
        raise InvalidParameter(name, "must be a day that there is") from None
    return written


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
    """Where a bill is, for about half a minute."""

    #: Whoever has it gets the bill: it belongs into no log.
    bill_download_url: str = field(repr=False)
    #: Alipay's word on the file, where it gives one: ``EMPTY_DATA_WITH_BILL_FILE``.
    bill_file_code: str | None
    #: The whole node, as it came.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class BillDownload(OpenApiClient):
    """The bill of a day or a month; further ``fields`` are those of the other methods."""

    def data_dataservice_bill_downloadurl_query(
        self, *, bill_type: str, bill_date: str | date, **fields: Any
    ) -> BillDownloadResponse:
        """Asks where the bill of a day or a month is
        (``alipay.data.dataservice.bill.downloadurl.query``); again if no answer comes.

        :param bill_type: ``trade`` (what was sold), ``signcustomer`` (what moved on the account) or
            another of Alipay's.
        :param bill_date: a day as ``2026-01-31`` or a :class:`~datetime.date`, or a month as
            ``2026-01``. A day's bill is there on the next morning, in China.
        :raises InvalidParameter: names the field at fault.
        :raises GatewayError: with Alipay's ``sub_code``: ``BILL_NOT_EXIST`` where nothing was sold.
        :raises OutcomeUnknown: if no answer comes, or none that can be believed.
        """
        own = {"bill_type": bill_type, "bill_date": bill_date}
        node = self._do(BILL, {**fields, **own})
        return BillDownloadResponse(
            bill_download_url=required_text(node, "bill_download_url"),
            bill_file_code=text_field(node, "bill_file_code") or None,
            params=node,
        )

    def download_bill(
        self, bill_download_url: str, into: IO[bytes], *, limit: int = MAX_BYTES
    ) -> int:
        """Fetches a bill, piece by piece: mostly a ZIP of tables in GBK. Nothing is signed or sent
        along: the URL is all that it takes.

        :param bill_download_url: what :meth:`data_dataservice_bill_downloadurl_query` answered. An
            ``http`` one is fetched by ``https``, unless the gateway itself is not.
        :param into: a file to write to. After an error it holds a part, which is no bill.
        :param most: the most bytes to take.
        :returns: how many it has.
        :raises InvalidParameter: if it is no such URL.
        :raises GatewayError: if there is more of it.
        :raises OutcomeUnknown: if it does not come, or not whole: ask for another URL.
        """
        url = self._safe(bill_download_url)
        try:
            return self._transport.download(url, into, limit)
        except OutcomeUnknown as error:
            error.retryable = True  # it is only read
            raise

    def _safe(self, url: str) -> str:
        check_url("bill_download_url", url, max_length=4096)
        parts = urlsplit(url)
        if parts.scheme == "https" or not self.gateway_url.startswith("https:"):
            return url
        if parts.port not in (None, 80):
            raise InvalidParameter("bill_download_url", "must be https")
        return parts._replace(scheme="https", netloc=parts.hostname or "").geturl()
