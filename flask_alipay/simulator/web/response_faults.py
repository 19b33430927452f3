"""Injected faults of a gateway's responses."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from flask import request

from ..faults import CUT_OFF, SLOW, UNSIGNED, WRONG_SIGN
from ..openapi.encryption import ServerCipher
from .forms import InvalidForm, RawForm

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from ..simulator import Simulator

# Signatures in responses: JSON, XML, the form of the older gateway for phones, and the result of
# Alipay's library on a phone for an app's older order string.
_SIGN = re.compile(rb'("sign" ?: ?"|<sign>|(?:^|&)sign="?)([^"<&]{8})')
# The whole of it, with what joins it to the rest.
_WHOLE_SIGN = re.compile(
    rb',\s*"sign"\s*:\s*"[^"]*"|"sign"\s*:\s*"[^"]*"\s*,'
    rb'|<sign>[^<]*</sign>|&sign="[^"]*"|&sign=[^&]*|^sign=[^&]*&?'
)
# And the newer dress of the open platform.
_SIGN_HEADER = "alipay-signature"


def apply_faults(simulator: Simulator, body: bytes, response: BaseResponse) -> BaseResponse:
    """Return the response, or the result of a fault. The request takes effect in any case.

    :param simulator: whose it is, and what is to go wrong.
    :param body: the request's, to see which trade it is about.
    """
    faults = simulator.faults
    if not faults.all():
        return response
    cipher = ServerCipher(simulator.merchant.aes_key)
    about = simulator.trades.named_in(f"{_requested(body)} {_content(body, cipher)}")
    late = faults.take(SLOW, about)
    if late is not None:
        time.sleep(late.seconds)
    if _signed(response) and faults.take(WRONG_SIGN, about):
        _turn_sign(response)
    if _signed(response) and faults.take(UNSIGNED, about):
        _drop_sign(response)
    if response.status_code == 200 and faults.take(CUT_OFF, about):
        _cut_off(response)
    return response


def _requested(body: bytes) -> str:
    """Return the request as text: its fields, and the method in a path of version 3."""
    query = unquote_plus(b"&".join((request.query_string, body)).decode("utf-8", "replace"))
    return f"{query} {request.path.rpartition('/v3/')[2].replace('/', '.')}"


def _content(body: bytes, cipher: ServerCipher) -> str:
    """Return the encrypted content of a request, empty if it is not encrypted."""
    content = cipher.decrypt(_encrypted(body))
    return "" if content is None else content.decode("utf-8", "replace")


def _encrypted(body: bytes) -> str:
    """Return the encrypted part: the whole body in version 3, ``biz_content`` in version 2."""
    if request.headers.get("alipay-encrypt-type"):
        return body.decode("latin-1").strip()
    try:
        form = RawForm(request.query_string, body)
    except InvalidForm:  # as an app's older order string may be
        return ""
    return form.ascii_value("biz_content") or "" if form.ascii_value("encrypt_type") else ""


def _signed(response: BaseResponse) -> bool:
    return _SIGN_HEADER in response.headers or bool(_SIGN.search(response.get_data()))


def _turn_sign(response: BaseResponse) -> None:
    """Reverse the signature's first characters: it still looks like a signature."""
    if _SIGN_HEADER in response.headers:
        sign = response.headers[_SIGN_HEADER]
        response.headers[_SIGN_HEADER] = _other(sign[:8]) + sign[8:]
        return
    body = response.get_data()
    changed = _SIGN.sub(lambda found: found[1] + _other(found[2].decode()).encode(), body, count=1)
    response.set_data(changed)


def _drop_sign(response: BaseResponse) -> None:
    if _SIGN_HEADER in response.headers:
        del response.headers[_SIGN_HEADER]
        return
    response.set_data(_WHOLE_SIGN.sub(b"", response.get_data(), count=1))


def _other(letters: str) -> str:
    turned = letters[::-1]
    return turned if turned != letters else "AAAAAAAA"


def _cut_off(response: BaseResponse) -> None:
    whole = response.get_data()
    response.set_data(whole[: len(whole) // 2])
    response.headers["Content-Length"] = str(len(whole))
