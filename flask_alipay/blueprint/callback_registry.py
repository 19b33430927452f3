"""The callbacks of a blueprint, and the ones that each registered app runs.

A factory (``create_app``) that defines a callback defines it again for each app. The new definition
replaces the earlier one; apps that were registered before keep theirs.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, TypeAlias
from weakref import ReferenceType, WeakSet, ref

from ..exceptions import ConfigurationError
from ..ledger.callbacks import callback_name, called_function, is_async

logger = logging.getLogger("flask_alipay")

Callback: TypeAlias = Callable[[Any], object]


class AppCallbacks:
    """The callbacks of one registration in one app.

    :param definitions: the definitions made before the registration.
    """

    def __init__(self, definitions: Iterable[_Definition]) -> None:
        self._by_event: dict[str, tuple[Callback, ...]] = {}
        for definition in definitions:
            self.add(definition)

    def check(self) -> None:
        """Check that the async callbacks can run.

        :raises ConfigurationError: if the extra ``async`` is not installed.
        """
        for event, callbacks in self._by_event.items():
            for callback in callbacks:
                check_async_support(event, callback)

    def add(self, definition: _Definition) -> None:
        """Append a callback."""
        event = definition.event
        self._by_event[event] = (*self._by_event.get(event, ()), definition.callback)

    def remove(self, definition: _Definition) -> None:
        """Remove a callback, if it was added."""
        callbacks = self._by_event.get(definition.event, ())
        others = tuple(each for each in callbacks if each is not definition.callback)
        self._by_event[definition.event] = others

    @property
    def by_event(self) -> Mapping[str, tuple[Callback, ...]]:
        """The callbacks of each event. A tuple is replaced, never changed."""
        return self._by_event


@dataclass(eq=False)
class _Window:
    """The time between two registrations in one thread; equal definitions within it are kept."""

    #: The application whose registration began it.
    app: ReferenceType[AppCallbacks] | None = None
    is_open: bool = True


@dataclass(eq=False)
class _Definition:
    """One callback, as defined on the blueprint."""

    event: str
    callback: Callback
    window: _Window
    key: Hashable
    #: ``True`` if it was first defined after the registration of the application it belongs to.
    late: bool = False
    #: The applications that it was added to after their registration.
    apps: list[ReferenceType[AppCallbacks]] = field(default_factory=list)


class CallbackRegistry:
    """The callbacks of a blueprint, and the choice of those that an application runs.

    A definition that equals none of an earlier registration applies to every application,
    registered or not. A definition that equals an earlier one comes from a factory: it replaces the
    earlier ones in the application registered next or, if the factory defines its callbacks after
    the registration, in the application registered last. Factories may run in several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._definitions: list[_Definition] = []
        self._apps: WeakSet[AppCallbacks] = WeakSet()

    def add(self, event: str, callback: Callback) -> None:
        """Record a callback and add it to the registered applications that it applies to.

        :param event: a name of :attr:`Merchant.callbacks <flask_alipay.merchant.Merchant>`.
        :param callback: takes the payment or, for other events, their object.
        :raises TypeError: if it is not callable, or is a generator function.
        :raises ConfigurationError: if it is async, belongs to a registered application, and the
            extra ``async`` is not installed.
        """
        check_callback(callback)
        with self._lock:
            new = _Definition(event, callback, self._window, (event, _key(callback)))
            equal = [each for each in self._definitions if each.key == new.key]
            same_window = [each for each in equal if each.window is new.window]
            if same_window:
                new.late, new.apps = same_window[0].late, same_window[0].apps
            elif equal:
                self._redefine(new, equal)
            else:
                new.late = bool(self._apps)
                new.apps = [ref(app) for app in self._apps]
            if new.late:
                check_async_support(event, callback)
            for app in filter(None, (reference() for reference in new.apps)):
                app.add(new)
            self._definitions.append(new)

    def register(self) -> AppCallbacks:
        """Return the callbacks of an application that is being registered."""
        with self._lock:
            window = self._window
            current = [each for each in self._definitions if each.window is window]
            redefined = {each.key for each in current}
            others = [each for each in self._definitions if each.window is not window]
            app = AppCallbacks([each for each in others if each.key not in redefined] + current)
            # Definitions of another thread that has not registered its app yet are still needed.
            needed = [each for each in others if each.window.is_open or each.key not in redefined]
            self._definitions = needed + current
            self._apps.add(app)
            window.is_open = False
            self._local.window = _Window(ref(app))
            return app

    @property
    def _window(self) -> _Window:
        window: _Window | None = getattr(self._local, "window", None)
        if window is None:
            window = self._local.window = _Window()
        return window

    def _redefine(self, new: _Definition, earlier: list[_Definition]) -> None:
        logger.info("callback %s is defined again", callback_name(new.callback))
        new.late = earlier[-1].late
        app = new.window.app() if new.window.app is not None else None
        if not new.late or app is None:
            return
        for definition in earlier:
            app.remove(definition)
        new.apps = [ref(app)]


def _key(callback: object, seen: tuple[CodeType, ...] = ()) -> Hashable:
    """Return a value that is equal for two objects if the same ``def`` or ``lambda`` made them.

    Functions in a callback's closure are compared as well: a decorator returns the same wrapper for
    all functions. Anything but a function equals only itself.
    """
    if isinstance(callback, partial):
        arguments = (*callback.args, *callback.keywords.values())
        return (_key(callback.func, seen), *_keys(arguments, seen))
    if isinstance(callback, MethodType):
        return (id(callback.__self__), _key(callback.__func__, seen))
    if not isinstance(callback, FunctionType):
        return id(callback) if not hasattr(callback, "__self__") else _builtin_key(callback)
    code = callback.__code__
    if code in seen:  # its closure contains itself
        return code
    cells = [cell.cell_contents for cell in callback.__closure__ or () if _is_filled(cell)]
    return (callback.__module__, callback.__qualname__, code, *_keys(cells, (*seen, code)))


def _keys(values: Iterable[object], seen: tuple[CodeType, ...]) -> list[Hashable]:
    kinds = (FunctionType, MethodType, partial)
    return [_key(value, seen) for value in values if isinstance(value, kinds)]


def _builtin_key(callback: Any) -> Hashable:
    return (id(callback.__self__), callback.__name__)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def check_callback(callback: Any) -> None:
    """Reject a callback that can never run.

    :raises TypeError: if it is not callable, or is a generator function.
    """
    if not callable(callback):
        raise TypeError(f"a callback must be callable, not {type(callback).__name__}")
    function = called_function(callback)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"{callback_name(callback)} is a generator function, whose body would never run: "
            "remove 'yield' from it"
        )


def check_async_support(event: str, callback: Callable[[Any], object]) -> None:
    """Reject an async callback if the extra ``async`` is not installed.

    :param event: the name of the event, ``paid`` for example.
    :raises ConfigurationError: names the callback and the extra.
    """
    if not is_async(callback):
        return
    try:
        import asgiref.sync  # noqa: F401 - as Flask requires it for async views
    except ImportError:
        raise ConfigurationError(
            f"the callback {callback_name(callback)} is async: install the extra 'async' "
            "(pip install 'flask-alipay-blueprint[async]'), or define it without 'async'",
            f"on_{event.partition(':')[0]}",
        ) from None
