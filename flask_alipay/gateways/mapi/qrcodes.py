"""Printed QR codes that buyers scan: of goods, and of shops abroad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from ...protocol.validation import choice, text, url
from ..parameters import REQUIRED, validate_declared
from . import validators
from .client import MapiClient
from .responses import MapiResponse, error_from_code

if TYPE_CHECKING:
    from typing_extensions import Unpack

_kind = text(32)


def _biz_type(name: str, value: Any, charset: str) -> str:
    """Kind of code, a text or Alipay's number."""
    return _kind(name, str(value) if isinstance(value, int) else value, charset)


class QrCodeManagement(TypedDict, total=False):
    """Parameters of ``alipay.mobile.qrcode.manage``."""

    method: Annotated[str, choice("add", "modify", "stop", "restart"), REQUIRED]
    biz_type: Annotated[str | int, _biz_type, REQUIRED, "``1`` or ``10``"]
    biz_data: Annotated[
        Mapping[str, Any] | str | None,
        validators.json_object,
        "the goods; for ``add`` and ``modify``",
    ]
    qrcode: Annotated[str | None, text(256), "the code; for all but ``add``"]
    timestamp: Annotated[datetime | str | None, validators.china_datetime, "now by default"]


class ShopCode(TypedDict, total=False):
    """Parameters of ``alipay.commerce.qrcode.create``."""

    biz_type: Annotated[str, text(32), REQUIRED, "``OVERSEASHOPQRCODE``"]
    biz_data: Annotated[Mapping[str, Any] | str, validators.json_object, REQUIRED, "the shop"]
    notify_url: Annotated[
        str | None, url(200, query=False), "receives the notifications of payments by the code"
    ]
    timestamp: Annotated[datetime | str | None, validators.china_datetime, "now by default"]


class ShopCodeChange(ShopCode, total=False):
    """Parameters of ``alipay.commerce.qrcode.modify``."""

    qr_code: Annotated[str, text(256), REQUIRED, "the text of the code"]


@dataclass(frozen=True)
class QrCode:
    """A QR code that Alipay created or changed."""

    #: Content of the QR code.
    qrcode: str | None
    #: URL of Alipay's image of the QR code.
    image_url: str | None
    #: All received parameters.
    params: Mapping[str, str] = field(repr=False, hash=False)


class QrCodes(MapiClient):
    """Services for printed QR codes."""

    def alipay_mobile_qrcode_manage(self, **params: Unpack[QrCodeManagement]) -> QrCode:
        """Create or change the code of goods (二维码管理).

        :param params: see :ref:`alipay_mobile_qrcode_manage
            <parameters-alipay_mobile_qrcode_manage>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives.
        """
        service = "alipay.mobile.qrcode.manage"
        checked = validate_declared(
            QrCodeManagement, _with_timestamp(params), self.charset, service
        )
        if checked["method"] in ("add", "modify"):
            validators.require(checked, "biz_data")
        if checked["method"] != "add":
            validators.require(checked, "qrcode")
        return _read(self._execute(service, checked))

    def alipay_commerce_qrcode_create(self, **params: Unpack[ShopCode]) -> QrCode:
        """Create the code of a shop abroad.

        :param params: see :ref:`alipay_commerce_qrcode_create
            <parameters-alipay_commerce_qrcode_create>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives.
        """
        return self._shop_code("alipay.commerce.qrcode.create", ShopCode, params)

    def alipay_commerce_qrcode_modify(self, **params: Unpack[ShopCodeChange]) -> QrCode:
        """Change the code of a shop abroad.

        :param params: see :ref:`alipay_commerce_qrcode_modify
            <parameters-alipay_commerce_qrcode_modify>`.
        :raises InvalidParameter: names the invalid parameter.
        :raises GatewayError: with Alipay's code.
        :raises OutcomeUnknown: if no response arrives.
        """
        return self._shop_code("alipay.commerce.qrcode.modify", ShopCodeChange, params)

    def _shop_code(self, service: str, declared: type, params: Mapping[str, Any]) -> QrCode:
        """Validate the declared parameters and send the request."""
        checked = validate_declared(declared, _with_timestamp(params), self.charset, service)
        return _read(self._execute(service, checked))


def _with_timestamp(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call, with the current time as the default timestamp."""
    return {**params, "timestamp": params.get("timestamp") or validators.china_now()}


def _read(response: MapiResponse) -> QrCode:
    values = response.params
    if values.get("result_code", "SUCCESS").strip() != "SUCCESS":
        raise error_from_code(
            values.get("error_message") or values.get("error") or values["result_code"]
        )
    return QrCode(
        values.get("qrcode") or values.get("qr_code") or None,
        values.get("qrcode_img_url") or None,
        values,
    )
