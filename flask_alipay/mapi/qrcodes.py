"""Codes on paper that buyers scan: of goods, and of shops abroad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..fields import Field, choice, convert, text, url
from . import rules
from .answers import Answer, refusal
from .caller import Caller

_FIELDS: Mapping[str, Field] = {
    "method": choice("add", "modify", "stop", "restart"),
    "timestamp": rules.moment,
    "biz_type": text(32),
    "biz_data": rules.document,
    "notify_url": url(200, query=False),
    "qrcode": text(256),
    "qr_code": text(256),
}


@dataclass(frozen=True)
class QrCode:
    """A code that Alipay made or changed."""

    #: What the picture says.
    qrcode: str | None
    #: Where Alipay keeps the picture.
    image_url: str | None
    #: Everything, as it came.
    params: Mapping[str, str] = field(repr=False, hash=False)


class QrCodes(Caller):
    """Codes that buyers scan."""

    def alipay_mobile_qrcode_manage(
        self,
        *,
        method: str,
        biz_type: str | int,
        biz_data: Mapping[str, Any] | str | None = None,
        qrcode: str | None = None,
        timestamp: datetime | str | None = None,
    ) -> QrCode:
        """Makes or changes the code of a good (二维码管理).

        :param method: ``add``, ``modify``, ``stop`` or ``restart``.
        :param biz_type: the kind of code in Alipay's numbers, ``1`` or ``10``.
        :param biz_data: what the code sells, as a mapping or a JSON text: to add or to modify one.
        :param qrcode: which code: for all but ``add``.
        :param timestamp: now unless given.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes.
        """
        service = "alipay.mobile.qrcode.manage"
        given = {
            "method": method,
            "biz_type": str(biz_type),
            "biz_data": biz_data,
            "qrcode": qrcode,
            "timestamp": timestamp or rules.china_now(),
        }
        params = convert(_FIELDS, given, self.charset, service)
        if method in ("add", "modify"):
            rules.require(params, "biz_data")
        if method != "add":
            rules.require(params, "qrcode")
        return _read(self._tell(service, params))

    def alipay_commerce_qrcode_create(
        self,
        *,
        biz_type: str,
        biz_data: Mapping[str, Any] | str,
        notify_url: str | None = None,
        timestamp: datetime | str | None = None,
    ) -> QrCode:
        """Makes the code of a shop abroad.

        :param biz_type: ``OVERSEASHOPQRCODE``.
        :param biz_data: the shop, as a mapping or a JSON text.
        :param notify_url: where Alipay tells about payments by this code.
        :param timestamp: now unless given.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes.
        """
        given = {"biz_type": biz_type, "biz_data": biz_data, "notify_url": notify_url}
        return self._commerce("alipay.commerce.qrcode.create", given, timestamp)

    def alipay_commerce_qrcode_modify(
        self,
        *,
        qr_code: str,
        biz_type: str,
        biz_data: Mapping[str, Any] | str,
        notify_url: str | None = None,
        timestamp: datetime | str | None = None,
    ) -> QrCode:
        """Changes the code of a shop abroad.

        :param qr_code: what the code says.
        :param biz_type: as in :meth:`alipay_commerce_qrcode_create`, likewise the others.
        :param biz_data: the shop as it shall be.
        :param notify_url: where Alipay tells about payments by this code.
        :param timestamp: now unless given.
        :raises InvalidParameter: names the parameter at fault.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no answer comes.
        """
        given = {"biz_type": biz_type, "biz_data": biz_data, "notify_url": notify_url}
        service = "alipay.commerce.qrcode.modify"
        return self._commerce(service, {**given, "qr_code": qr_code}, timestamp)

    def _commerce(
        self, service: str, given: Mapping[str, Any], timestamp: datetime | str | None
    ) -> QrCode:
        values = {**given, "timestamp": timestamp or rules.china_now()}
        params = convert(_FIELDS, values, self.charset, service)
        rules.require(params, "biz_type", "biz_data")
        return _read(self._tell(service, params))


def _read(answer: Answer) -> QrCode:
    said = answer.params
    if said.get("result_code", "SUCCESS").strip() != "SUCCESS":
        raise refusal(said.get("error_message") or said.get("error") or said["result_code"])
    return QrCode(
        said.get("qrcode") or said.get("qr_code") or None,
        said.get("qrcode_img_url") or None,
        said,
    )
