"""Parameters of a service, declared once: name, types, validator, and whether it is required.

The declaration is a ``TypedDict`` whose annotations carry the validators::

    class CloseParams(TypedDict, total=False):
        trade_no: Annotated[str | None, validators.trade_no]

Type checkers check the keyword arguments of ``**params: Unpack[CloseParams]``,
:func:`validate_declared` validates the values of a call, and the tables of the documentation are
generated from the same annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from ..exceptions import InvalidParameter
from ..protocol.validation import Validator, validate_params

#: Annotation of a parameter that each call must have, from the caller or as a default.
REQUIRED: Final = object()


class Parameter(NamedTuple):
    """One parameter of a service."""

    name: str
    #: The accepted types; ``None`` means that the parameter is not given.
    types: tuple[Any, ...]
    #: Validator that converts a value to Alipay's text.
    validator: Validator
    required: bool
    #: The purpose, if the name is not enough.
    note: str

    @property
    def values(self) -> str:
        """Description of the valid values."""
        return describe(self.validator)


@cache
def declared_parameters(declaration: type) -> Mapping[str, Parameter]:
    """Return the parameters of a declaration in their order.

    :param declaration: a ``TypedDict`` as described above.
    """
    hints = get_type_hints(declaration, include_extras=True)
    return {name: _parameter(name, hint) for name, hint in hints.items()}


def validate_declared(
    declaration: type, values: Mapping[str, Any], charset: str, service: str
) -> dict[str, str]:
    """Convert the values of a call to Alipay's text. ``None`` means that a value is not given.

    :param declaration: the declaration of the service.
    :param values: the caller's values and the defaults.
    :param charset: the charset of the request.
    :param service: the name of the service, for the message.
    :raises InvalidParameter: names a parameter that is invalid, unknown or missing.
    :raises TypeError: for a ``float`` amount.
    """
    validators, required = _validators(declaration)
    params = validate_params(validators, values, charset, service)
    for name in required:
        if name not in params:
            raise InvalidParameter(name, "is required")
    return params


def describe(validator: Callable[..., Any]) -> str:
    """Return the description of a validator's values: the first paragraph of its docstring."""
    return " ".join((validator.__doc__ or "").split("\n\n")[0].split()).removesuffix(".")


@cache
def _validators(declaration: type) -> tuple[Mapping[str, Validator], tuple[str, ...]]:
    parameters = declared_parameters(declaration).values()
    return (
        {parameter.name: parameter.validator for parameter in parameters},
        tuple(parameter.name for parameter in parameters if parameter.required),
    )


def _parameter(name: str, hint: Any) -> Parameter:
    union, validator, *more = get_args(hint)
    types = tuple(one for one in get_args(union) or (union,) if one is not type(None))
    notes = [one for one in more if isinstance(one, str)]
    return Parameter(name, types, validator, REQUIRED in more, "".join(notes))
