"""Common parameters of version 2: parsed, and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from ...exceptions import InvalidParameter
from ..clock import read_china_text
from ..replies import ApiError
from ..web.forms import InvalidForm, RawForm

# How far a timestamp may be off. Alipay means China time; but some of its SDKs send the time of
# their host, wherever that is, and are served, so a day either way must do.
_SKEW: Final = timedelta(hours=24)


def read_params(form: RawForm, charset: str) -> dict[str, str]:
    """Return the parameters of a request.

    :raises ApiError: if the charset is unknown, or not that of the request.
    """
    try:
        return form.decode(charset)
    except InvalidParameter as error:
        raise ApiError("isv.invalid-charset", str(error)) from None
    except InvalidForm as error:
        raise ApiError("isv.invalid-charset", f"the request {error}") from None


def check_common(params: Mapping[str, str], now: datetime, ahead: timedelta) -> None:
    """Check the common parameters besides those of the application and the signature.

    :param ahead: how far the time here is ahead of the merchant's.
    :raises ApiError: for the first that Alipay would reject.
    """
    if not params.get("timestamp"):
        raise ApiError("isv.missing-timestamp")
    timestamp = read_china_text(params["timestamp"])
    if timestamp is None:
        raise ApiError("isv.invalid-timestamp", "timestamp must be like 2026-01-31 08:00:00")
    # The merchant's clock was not put on with ours.
    if not now - ahead - _SKEW <= timestamp <= now + _SKEW:
        raise ApiError("isv.invalid-timestamp", "timestamp is more than a day off; use China time")
    if not params.get("version"):
        raise ApiError("isv.missing-version")
    if params["version"] != "1.0":
        raise ApiError("isv.invalid-parameter", "version must be 1.0")
    if params.get("format", "JSON").upper() != "JSON":
        raise ApiError("isv.invalid-format")
    if params.get("encrypt_type", "AES") != "AES":
        raise ApiError("isv.invalid-encrypt-type", "encrypt_type must be AES")
