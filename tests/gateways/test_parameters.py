"""Declarations of parameters: checked against signatures and the documentation."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

import flask_alipay
from flask_alipay.exceptions import InvalidParameter
from flask_alipay.gateways.interface import Gateway
from flask_alipay.gateways.mapi import MapiGateway
from flask_alipay.gateways.openapi import OpenApiGateway
from flask_alipay.gateways.openapi.client import COMMON
from flask_alipay.gateways.openapi.gateway import METHODS
from flask_alipay.gateways.parameters import (
    REQUIRED,
    declared_parameters,
    describe,
    validate_declared,
)
from flask_alipay.protocol.validation import amount, text

from ..docs.reading import load_script
from ..looped import for_each

DOCS = Path(flask_alipay.__file__).parents[1] / "docs"


GENERATOR = load_script(DOCS / "generate_parameters.py")
SERVICES: dict[str, Any] = dict(GENERATOR.legacy_services())


class Gift(TypedDict, total=False):
    number: Annotated[str, text(4), REQUIRED]
    price: Annotated[str | int | Decimal | None, amount, "in yuan"]


class WrappedGift(Gift, total=False):
    ribbon: Annotated[str | None, text(8), REQUIRED]


def test_a_declaration_states_types_values_and_purpose() -> None:
    number, price, ribbon = declared_parameters(WrappedGift).values()
    assert (number.name, number.types, number.required) == ("number", (str,), True)
    assert number.values == "Text of at most 4 characters"
    assert (price.types, price.required, price.note) == ((str, int, Decimal), False, "in yuan")
    assert ribbon.required


def test_the_values_of_a_call_are_validated_by_the_declaration() -> None:
    valid = validate_declared(Gift, {"number": "A1", "price": 1}, "utf-8", "give")
    assert valid == {"number": "A1", "price": "1.00"}
    assert validate_declared(Gift, {"number": "A1", "price": None}, "utf-8", "give") == {
        "number": "A1"
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"price": 1}, "number is required"),
        ({"number": None}, "number is required"),
        ({"number": "A1", "colour": "red"}, "colour is not a parameter of give"),
        ({"number": "A1234"}, "number must be at most 4 characters, it has 5"),
    ],
)
def test_a_message_names_the_parameter_and_the_reason(
    values: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParameter) as caught:
        validate_declared(Gift, values, "utf-8", "give")
    assert str(caught.value) == message


def test_every_service_with_parameters_is_declared() -> None:
    methods = {name for name, _ in inspect.getmembers(MapiGateway, inspect.isfunction)}
    public = {name for name in methods if not name.startswith("_")}
    # These services take nothing, or one argument.
    small = {
        *("alipay_wap_auth_authAndExecute", "check_mobile_result", "notify_verify"),
        *("query_timestamp", "forex_rate_file"),
    }
    assert public - small - set(dir(Gateway)) == set(SERVICES)


@for_each("service", SERVICES)
def test_a_declared_parameter_has_a_type_and_describes_its_values(service: str) -> None:
    parameters = declared_parameters(SERVICES[service])
    assert parameters
    for parameter in parameters.values():
        assert callable(parameter.validator), parameter.name
        assert parameter.values, parameter.name
        assert set(parameter.types) <= {str, int, Decimal, datetime, Mapping[str, Any]}
        # No parameter takes a float, and the message names the parameter.
        with pytest.raises((InvalidParameter, TypeError), match=parameter.name):
            parameter.validator(parameter.name, 0.5, "utf-8")


#: Required fields that a method takes among the others: the three that freeze share theirs, and a
#: remark has a default.
_FREEZE = {"out_order_no", "out_request_no", "order_title", "amount"}
AMONG_OTHERS = {
    "fund_auth_order_app_freeze": _FREEZE,
    "fund_auth_order_voucher_create": _FREEZE - {"out_order_no"},
    "fund_auth_order_freeze": _FREEZE - {"out_order_no"},
    "fund_auth_order_unfreeze": {"remark"},
    "fund_auth_operation_cancel": {"remark"},
}


def keywords(name: str) -> dict[str, inspect.Parameter]:
    signature = inspect.signature(getattr(OpenApiGateway, name))
    return {
        one.name: one
        for one in signature.parameters.values()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }


@for_each("name", METHODS)
def test_the_signature_of_a_method_agrees_with_its_declaration(name: str) -> None:
    method, given = METHODS[name], keywords(name)
    assert set(given) <= {*method.fields, *COMMON}
    assert set(method.required) - set(given) == AMONG_OTHERS.get(name, set())
    without_default = {one.name for one in given.values() if one.default is one.empty}
    assert without_default <= set(method.required)
    assert not without_default & set(method.one_of)
    assert set(method.one_of) <= set(method.fields)
    for field, validator in method.fields.items():
        assert describe(validator), field


def test_every_method_of_the_open_platform_is_declared() -> None:
    methods = {
        name
        for name in dir(OpenApiGateway)
        if name.startswith(("trade_", "fund_", "data_", "open_", "system_", "user_"))
        and callable(getattr(OpenApiGateway, name))
    }
    assert methods == set(METHODS)


def test_the_documentation_repeats_the_declarations() -> None:
    page = (DOCS / "parameters.rst").read_text(encoding="utf-8")
    assert page == GENERATOR.page(), "run docs/generate_parameters.py"


@for_each("service", [*SERVICES, *METHODS])
def test_the_documentation_has_each_service(service: str) -> None:
    assert f".. _parameters-{service}:" in (DOCS / "parameters.rst").read_text(encoding="utf-8")
