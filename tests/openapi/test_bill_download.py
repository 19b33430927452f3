"""The bill: where it is, and how it is fetched."""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown

from ..conftest import Keys
from ..doubles.openapi import BILL_URL, DONE, Alipay

PLACE = {**DONE, "bill_download_url": BILL_URL}


def call(alipay: Alipay, **fields: Any) -> Any:
    own = {"bill_type": "trade", "bill_date": "2026-01-31"}
    return alipay.gateway().data_dataservice_bill_downloadurl_query(**{**own, **fields})


def test_the_place_is_read_into_types(keys: Keys) -> None:
    response = call(Alipay(keys, {**PLACE, "bill_file_code": "EMPTY_DATA_WITH_BILL_FILE"}))
    assert response.bill_download_url == BILL_URL
    assert response.bill_file_code == "EMPTY_DATA_WITH_BILL_FILE"
    assert "fileId" not in repr(response)


@pytest.mark.parametrize(
    ("bill_date", "written"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01", "2026-01"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 30, 16, 0, tzinfo=timezone.utc), "2026-01-31"),
        (datetime(2026, 1, 31, 23, 0, tzinfo=timezone(timedelta(hours=-5))), "2026-02-01"),
    ],
)
def test_a_day_is_chinas(keys: Keys, bill_date: Any, written: str) -> None:
    alipay = Alipay(keys, PLACE)
    call(alipay, bill_date=bill_date, smid=None)
    assert alipay.content == {"bill_type": "trade", "bill_date": written}


@pytest.mark.parametrize(
    ("at_fault", "fields"),
    [
        ("bill_type", {"bill_type": None}),
        ("bill_type", {"bill_type": "trade; drop"}),
        ("bill_date", {"bill_date": None}),
        ("bill_date", {"bill_date": "20260131"}),
        ("bill_date", {"bill_date": "2026-02-30"}),
        ("bill_date", {"bill_date": "2026-13"}),
        ("bill_date", {"bill_date": "2026-01-31 00:00:00"}),
        ("bill_date", {"bill_date": datetime(2026, 1, 31)}),  # noqa: DTZ001
    ],
)
def test_a_field_at_fault_is_reported_before_anything_is_sent(
    keys: Keys, at_fault: str, fields: dict[str, Any]
) -> None:
    alipay = Alipay(keys, PLACE)
    with pytest.raises(InvalidParameter) as caught:
        call(alipay, **fields)
    assert caught.value.parameter == at_fault
    assert alipay.requested == []


@pytest.mark.parametrize("sub_code", ["BILL_NOT_EXIST", "NO_BILL_DATA", "INVAILID_ARGUMENTS"])
def test_a_bill_that_is_not_there_is_an_error(keys: Keys, sub_code: str) -> None:
    with pytest.raises(GatewayError) as caught:
        call(Alipay(keys, {"code": "40004", "sub_code": sub_code}))
    assert caught.value.sub_code == sub_code
    assert not caught.value.retryable


def test_a_success_without_a_url_is_invalid(keys: Keys) -> None:
    with pytest.raises(OutcomeUnknown, match="no bill_download_url"):
        call(Alipay(keys, DONE))


@pytest.mark.parametrize(
    ("gateway_url", "url", "fetched"),
    [
        ("https://a.example/gateway.do", BILL_URL, BILL_URL),
        ("https://a.example/gateway.do", "http://b.example/x?y=%2F", "https://b.example/x?y=%2F"),
        ("https://a.example/gateway.do", "http://b.example:80/x", "https://b.example/x"),
        ("http://127.0.0.1:5000/gateway.do", "http://127.0.0.1/x", "http://127.0.0.1/x"),
        ("/alipay/simulator/gateway.do", "http://localhost/x", "http://localhost/x"),
    ],
)
def test_a_bill_is_fetched_without_a_word_of_ours(
    keys: Keys, gateway_url: str, url: str, fetched: str
) -> None:
    alipay, file = Alipay(keys, DONE), io.BytesIO()
    gateway = alipay.gateway(gateway_url=gateway_url)
    assert gateway.download_bill(url, file) == 2
    assert file.getvalue() == b"PK"
    assert alipay.fetched == [fetched]
    assert alipay.requested == []


@pytest.mark.parametrize(
    "url", ["", "ftp://b.example/x", "file:///etc/passwd", "/x", "http://b.example:8080/x"]
)
def test_a_url_that_is_not_alipays_is_not_downloaded(keys: Keys, url: str) -> None:
    alipay = Alipay(keys, DONE)
    with pytest.raises(InvalidParameter, match=r"^bill_download_url "):
        alipay.gateway().download_bill(url, io.BytesIO())
    assert alipay.fetched == []
