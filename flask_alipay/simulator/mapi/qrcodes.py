"""QR codes of goods and of shops abroad."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass

from ...exceptions import InvalidParameter
from ...protocol.validation import check_choice
from ..clock import read_china_text
from ..replies import ApiError, CallResult
from ..storage.storage import PersistentDict
from . import xml
from .call import ApiCall, Context, Service

_MAX_BYTES = 20_000
_ADDRESS = "https://qr.alipay.com/"
_IMAGE = "https://mobilecodec.alipay.com/show.htm?picSize=S&code="


@dataclass(frozen=True)
class _Code:
    service: str
    stopped: bool = False


class QrCodeService:
    """``alipay.mobile.qrcode.manage``, ``alipay.commerce.qrcode.create`` and ``….modify``.

    The codes lead nowhere: they are Alipay's addresses, with numbers that belong to nobody.

    :param context: shared objects.
    :param limit: maximum number of remembered codes.
    """

    def __init__(self, context: Context, limit: int = 1000) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._codes = PersistentDict(context.storage, "qr_codes", _Code, limit)
        self.services = {
            "alipay.mobile.qrcode.manage": Service(self._manage),
            "alipay.commerce.qrcode.create": Service(self._create),
            "alipay.commerce.qrcode.modify": Service(self._modify),
        }

    def _manage(self, call: ApiCall) -> CallResult:
        check_choice("method", call.get("method"), ("add", "modify", "stop", "restart"))
        _check_timestamp(call)
        if call.get("method") in ("add", "modify"):
            call.require("biz_type", "biz_data")
            _check_biz_data(call)
        if call.get("method") == "add":
            return self._made(call)
        return self._changed(call, "qrcode")

    def _create(self, call: ApiCall) -> CallResult:
        _check_shop(call)
        return self._made(call)

    def _modify(self, call: ApiCall) -> CallResult:
        _check_shop(call)
        # The guide has qrcode; the best known client reads qr_code.
        return self._changed(call, call.either("qrcode", "qr_code"))

    def _made(self, call: ApiCall) -> CallResult:
        number = f"bax{secrets.token_hex(10)}"
        with self._lock:
            self._codes[number] = _Code(call.service)
            self._codes.evict()
        return self._response(call, number)

    def _changed(self, call: ApiCall, name: str) -> CallResult:
        call.require(name)
        number = call.get(name).removeprefix(_ADDRESS)
        method = call.get("method")
        kind = call.service.rpartition(".")[0]
        with self._lock:
            known = self._codes.get(number)
            if known is None or known.service.rpartition(".")[0] != kind:
                return self._failed(call, "QRCODE_NOT_EXIST")
            if known.stopped == (method == "stop") and method in ("stop", "restart"):
                return self._failed(call, "QRCODE_STATUS_ERROR")
            stopped = method == "stop" or (known.stopped and method != "restart")
            self._codes[number] = _Code(known.service, stopped)
        return self._response(call, number)

    def _response(self, call: ApiCall, number: str) -> CallResult:
        node = {
            "qrcode": _ADDRESS + number,
            "qrcode_img_url": _IMAGE + number,
            "result_code": "SUCCESS",
        }
        return CallResult(xml.xml_response(call, self._context.signer, "alipay", node))

    def _failed(self, call: ApiCall, error: str) -> CallResult:
        node = {"result_code": "FAIL", "error_message": error}
        return CallResult(xml.xml_response(call, self._context.signer, "alipay", node))


def _check_shop(call: ApiCall) -> None:
    check_choice("biz_type", call.get("biz_type"), ("OVERSEASHOPQRCODE",))
    _check_timestamp(call)
    _check_biz_data(call)


def _check_timestamp(call: ApiCall) -> None:
    if read_china_text(call.get("timestamp")) is None:
        raise InvalidParameter("timestamp", "must be like 2026-01-31 08:00:00")


def _check_biz_data(call: ApiCall) -> None:
    text = call.get("biz_data")
    if len(text) > _MAX_BYTES:
        raise ApiError("ILLEGAL_ARGUMENT", "biz_data is too long")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InvalidParameter("biz_data", "must be a JSON object")
