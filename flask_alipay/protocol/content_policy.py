"""Cooperation with Flask-Talisman, which replaces the Content-Security-Policy of every response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from functools import wraps
from typing import Any


def allow_view_options(
    view_functions: MutableMapping[str, Callable[..., Any]],
    endpoints: Iterable[str],
    *,
    own_policy: bool,
) -> None:
    """Make views accept Flask-Talisman's options, which are attributes of a function.

    Each view becomes a function of its own for this app, since Talisman adds the app's options to
    those of a view and keeps them.

    :param view_functions: the app's views by endpoint.
    :param endpoints: the endpoints of those views.
    :param own_policy: whether Talisman leaves the policy to these views, unless the app sets other
        options afterwards.
    """
    for endpoint in endpoints:
        view = _as_function(view_functions[endpoint])
        if own_policy:
            view.talisman_view_options = {"content_security_policy": None}  # type: ignore[attr-defined]
        view_functions[endpoint] = view


def _as_function(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def function(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return function
