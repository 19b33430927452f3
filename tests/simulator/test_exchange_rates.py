from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidAmount, InvalidParameter
from flask_alipay.simulator.trades import exchange_rates


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [("8.00", "USD", 800), ("0.01", "USD", 1), ("17", "JPY", 17), ("17.00", "JPY", 17)],
)
def test_an_amount_is_read_in_the_currencys_units(text, currency, units):
    assert exchange_rates.read_units(text, currency, "total_fee") == units


@pytest.mark.parametrize(
    ("text", "currency"), [("0", "USD"), ("1000000.01", "USD"), ("0.5", "JPY"), ("1000001", "JPY")]
)
def test_an_amount_that_is_none_is_rejected(text, currency):
    with pytest.raises(InvalidAmount, match="total_fee"):
        exchange_rates.read_units(text, currency, "total_fee")


def test_a_currency_without_a_minor_unit_is_written_with_decimals_all_the_same():
    assert exchange_rates.format_units(17, "JPY") == "17.00"
    assert exchange_rates.format_units(17, "USD") == "0.17"


def test_a_currency_that_is_not_settled_in_is_rejected():
    with pytest.raises(InvalidParameter, match="currency must be one of"):
        exchange_rates.check_currency("CNY")


@given(st.sampled_from(sorted(exchange_rates.RATES)), st.integers(1, 10**8))
def test_there_and_back_is_the_same_but_for_rounding(currency, units):
    # A unit that is worth less than a fen cannot come back exactly; all others do.
    worth = exchange_rates.RATES[currency] * 100 / exchange_rates.minor_units(currency)
    back = exchange_rates.from_rmb(exchange_rates.to_rmb(units, currency), currency)
    assert abs(back - units) <= max(0, (1 / worth if worth < 1 else 0)) + (worth < 1)


def test_yuan_are_yuan():
    assert exchange_rates.to_rmb(8888, "CNY") == 8888
