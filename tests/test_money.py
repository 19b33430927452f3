"""Yuan to fen and back, strictly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import InvalidAmount
from flask_alipay.protocol.conversion import (
    MAX_FEN,
    MIN_FEN,
    format_amount,
    parse_minor_units,
    to_decimal,
    to_minor_units,
)

fens = st.integers(MIN_FEN, MAX_FEN)


@given(fens)
def test_every_amount_is_unchanged_by_formatting_and_parsing(fen: int) -> None:
    assert to_minor_units(format_amount(fen)) == fen
    assert parse_minor_units(format_amount(fen)) == fen


@given(fens)
def test_every_amount_is_unchanged_by_conversion_to_a_decimal(fen: int) -> None:
    assert to_minor_units(to_decimal(fen)) == fen
    assert str(to_decimal(fen)) == format_amount(fen)


@given(st.integers(1, 100_000_000))
def test_an_integer_is_yuan(yuan: int) -> None:
    assert to_minor_units(yuan) == yuan * 100


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_decimal_is_read_exactly_or_rejected(amount: Decimal) -> None:
    try:
        fen = to_minor_units(amount)
    except InvalidAmount:
        return
    assert Decimal(fen) == amount * 100


@given(st.text())
def test_any_text_is_an_amount_or_an_invalid_amount(text: str) -> None:
    for read in (to_minor_units, parse_minor_units):
        try:
            fen = read(text)
        except InvalidAmount:
            continue
        assert fen == Decimal(text) * 100


@pytest.mark.parametrize(
    ("amount", "fen"),
    [
        ("88.88", 8888),
        ("88.8", 8880),
        ("88", 8800),
        ("0.01", 1),
        ("100000000", MAX_FEN),
        ("100000000.00", MAX_FEN),
        (88, 8800),
        (Decimal("88.88"), 8888),
        (Decimal("1E+2"), 10000),
        (Decimal("1.500"), 150),
        (Decimal("0.1") + Decimal("0.2"), 30),
    ],
)
def test_a_good_amount_is_read(amount: str | int | Decimal, fen: int) -> None:
    assert to_minor_units(amount) == fen


@pytest.mark.parametrize("amount", [0.1, 88.0, float("nan"), float("inf")])
def test_a_float_is_rejected_with_the_reason(amount: float) -> None:
    with pytest.raises(TypeError, match=r"^total_amount must be .* not a float: .*0\.3"):
        to_minor_units(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [True, False, None, b"88.88", [], object()])
def test_another_type_is_rejected_by_name(amount: object) -> None:
    with pytest.raises(TypeError, match=f"not {type(amount).__name__}"):
        to_minor_units(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "amount",
    [
        "",
        " ",
        "88.888",
        "88.",
        ".88",
        "-1",
        "+1",
        "1e2",
        "1,000.00",
        "88,88",
        " 88",
        "88 ",
        "88\n",
        "¥88",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "٨٨",
        "８８",
        "8" * 5000,
        Decimal("0.001"),
        Decimal("88.8800000000000000000000000000000001"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("-0.01"),
        -1,
    ],
)
def test_a_value_that_is_not_an_amount_is_rejected(amount: str | int | Decimal) -> None:
    with pytest.raises(InvalidAmount, match=r"^total_amount must be digits"):
        to_minor_units(amount)


@pytest.mark.parametrize(
    "amount", ["0", "0.00", 0, Decimal(0), "100000000.01", "999999999999.99", 100_000_001]
)
def test_an_amount_outside_the_limits_is_rejected(amount: str | int | Decimal) -> None:
    with pytest.raises(InvalidAmount, match=r"between 0\.01 and 100000000\.00 CNY"):
        to_minor_units(amount)


@pytest.mark.parametrize(
    "amount",
    [10**5000, -(10**5000), Decimal("1E+9999999"), Decimal("1E-999999999")],
    ids=["int", "negative int", "decimal", "tiny decimal"],
)
def test_a_huge_number_is_rejected_without_being_spelled_out(amount: int | Decimal) -> None:
    with pytest.raises(InvalidAmount):
        to_minor_units(amount)


def test_the_parameter_at_fault_is_named() -> None:
    with pytest.raises(InvalidAmount) as caught:
        to_minor_units("free", parameter="total_fee")
    assert caught.value.parameter == "total_fee"
    assert str(caught.value).startswith("total_fee ")
    assert "free" not in str(caught.value)


def test_zero_is_an_amount_of_alipays() -> None:
    assert parse_minor_units("0.00") == 0


@pytest.mark.parametrize("text", ["-0.01", "1e2", "", "1.234", " 1", "٨", "1.00 CNY", "00.0.0"])
def test_a_format_that_alipay_does_not_use_is_rejected(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_minor_units(text)


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [("88.88", "USD", 8888), ("500.00", "JPY", 500), ("500", "KRW", 500), ("0.00", "JPY", 0)],
)
def test_an_amount_is_counted_in_its_currency(text: str, currency: str, units: int) -> None:
    assert parse_minor_units(text, currency) == units


def test_there_is_no_hundredth_of_a_yen() -> None:
    with pytest.raises(InvalidAmount, match="integer"):
        parse_minor_units("500.50", "JPY")


@pytest.mark.parametrize(
    ("fen", "text"), [(0, "0.00"), (5, "0.05"), (-1, "-0.01"), (-250, "-2.50")]
)
def test_fen_are_written_with_two_decimals(fen: int, text: str) -> None:
    assert format_amount(fen) == text
    assert str(to_decimal(fen)) == text
