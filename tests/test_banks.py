from __future__ import annotations

import pytest

from flask_alipay.protocol.banks import BANK_CODE, bank_name
from flask_alipay.protocol.i18n import translate


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ICBCB2C", "Industrial and Commercial Bank of China"),
        ("ICBCBTB", "Industrial and Commercial Bank of China"),
        ("CMB", "China Merchants Bank"),
        ("CMB-DEBIT", "China Merchants Bank"),
        ("SPDBB2B", "Shanghai Pudong Development Bank"),
        ("PSBC-DEBIT", "Postal Savings Bank of China"),
        ("HZCBB2C", "Bank of Hangzhou"),
    ],
)
def test_a_bank_has_a_name(code, name):
    assert bank_name(code) == name


def test_a_bank_has_a_chinese_name():
    assert translate(bank_name("CCB"), "zh") == "中国建设银行"


def test_an_unknown_bank_is_shown_by_its_code():
    assert bank_name("NEWBANK-DEBIT") == "NEWBANK-DEBIT"


@pytest.mark.parametrize("code", ["", "icbc", "ICBC B2C", "<b>", "A-", "A" * 60, "ICBC\n"])
def test_only_the_format_of_a_bank_code_is_accepted(code):
    assert BANK_CODE.fullmatch(code) is None
