"""The page about the open platform's API: its code runs, in order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flask_alipay.gateways.openapi import OpenApiGateway

from ..conftest import Keys
from ..doubles.openapi import APP_ID, METHODS, NUMBERS, Alipay, answer
from .reading import code_blocks, page, reference

PAGE = page("asking.rst")


class Platform(Alipay):
    """Respond to each method with a success."""

    def post(self, url: str, params: Any, charset: str = "utf-8", **options: Any) -> bytes:
        method = params["method"]
        _, node = METHODS.get(method, METHODS["alipay.trade.close"])
        order = (
            "T1001"
            if "create" in method or method == "alipay.trade.pay"
            else NUMBERS["out_trade_no"]
        )
        response = {**node, "out_trade_no": order}
        if "transfer" in method:
            response["out_biz_no"] = "T2001"
        if "refund.query" in method:
            response["out_request_no"] = "R1001"
        return answer(method, response, signer=self.signer, charset=charset)


def test_the_code_on_the_page_runs(
    keys: Keys,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    gateway = Platform(keys, b"").gateway()
    assert gateway.app_id == APP_ID
    payment = SimpleNamespace(out_trade_no="A1", total_fen=8888)
    names: dict[str, Any] = {"alipay": SimpleNamespace(gateway=gateway), "payment": payment}
    for block in code_blocks(PAGE):
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["paid at 2026-01-31 04:00:01+00:00", "1888", "True", "paid", "Success"]


def test_every_method_is_in_the_reference() -> None:
    text = reference()
    methods = {
        name
        for name in dir(OpenApiGateway)
        if name.startswith(("trade_", "fund_", "user_", "data_", "download_", "pay"))
        or name in ("call", "sign", "in_charset")
    }
    assert [name for name in sorted(methods) if name not in text] == []
