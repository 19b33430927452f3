"""One test for many short cases: pytest takes longer for an item than most of them do."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])


def for_each(names: str, values: Iterable[Any]) -> Callable[[Test], Test]:
    """Call a test with each of the values; at the end it fails and names the cases that failed.

    The cases share the test's fixtures. With ``FLASK_ALIPAY_TEST_ALL=1`` each is a test of its own.

    :param names: the test's argument, or several joined by commas.
    :param values: what it is in turn; tuples for several arguments.
    """
    cases = list(values)
    arguments = names.split(",")
    assert cases
    if os.environ.get("FLASK_ALIPAY_TEST_ALL") == "1":
        return pytest.mark.parametrize(arguments if len(arguments) > 1 else names, cases)

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def loop(**fixtures: Any) -> None:
            failed: list[tuple[str, BaseException]] = []
            for case in cases:
                given = dict(zip(arguments, case if len(arguments) > 1 else [case], strict=True))
                try:
                    test(**fixtures, **given)
                except (Exception, pytest.fail.Exception) as error:
                    failed.append((", ".join(f"{k}={v!r}" for k, v in given.items()), error))
            if failed:
                count = f"{len(failed)} of {len(cases)} cases failed"
                messages = (f"{case}: {type(error).__name__}: {error}" for case, error in failed)
                raise AssertionError("\n".join([count, *messages])) from failed[0][1]

        whole = inspect.signature(test)
        rest = [each for each in whole.parameters.values() if each.name not in arguments]
        loop.__signature__ = whole.replace(parameters=rest)  # type: ignore[attr-defined]
        return loop  # type: ignore[return-value]

    return decorate
