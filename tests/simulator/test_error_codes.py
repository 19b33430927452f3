from __future__ import annotations

import re
from pathlib import Path

import pytest

import flask_alipay.simulator
from flask_alipay.simulator import error_codes

ROOMS = Path(flask_alipay.simulator.__file__).parent


def raised_in(*rooms):
    text = "".join((ROOMS / room).read_text("utf-8") for room in rooms)
    return set(re.findall(r'ApiError\(\s*"([^"]+)"', text))


def test_every_rejection_of_the_open_platform_has_a_meaning():
    assert raised_in(*(ROOMS / "openapi").glob("*.py")) <= set(error_codes.OPENAPI)


LEGACY = sorted((ROOMS / "mapi").glob("*.py"))
PHONE = [room for room in LEGACY if room.name.startswith("wap_")]


def test_every_rejection_of_the_legacy_gateway_has_a_meaning():
    raised = raised_in(*(room for room in LEGACY if room not in PHONE))
    assert "ILLEGAL_SIGN" in raised
    assert raised <= set(error_codes.MAPI)


def test_every_rejection_of_the_older_phone_gateway_has_a_meaning():
    raised = raised_in(*PHONE)
    assert "0002" in raised
    assert raised <= set(error_codes.WAP)


@pytest.mark.parametrize(
    ("sub_code", "code"),
    [
        ("isv.missing-method", "40001"),
        ("isv.invalid-signature", "40002"),
        ("ACQ.INVALID_PARAMETER", "40004"),
    ],
)
def test_a_sub_code_belongs_to_a_code(sub_code, code):
    assert error_codes.code_for(sub_code) == code
    assert code in error_codes.CLASSES
