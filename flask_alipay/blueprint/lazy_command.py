"""A click command that is built when it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from werkzeug.utils import import_string


class LazyCommand(click.Command):
    """A command or group that is built on each use: most processes never run it, and its texts are
    in the language of the process that runs it.

    :param name: the name on the command line.
    :param load: builds the command.
    """

    def __init__(self, name: str, load: Callable[[], click.Command]) -> None:
        super().__init__(name)
        self._load = load

    @property
    def command(self) -> click.Command:
        """The command, in the current language."""
        return self._load()

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Return the command's own context."""
        return self.command.make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke the command of a context that :meth:`make_context` returned."""
        return ctx.command.invoke(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the command's short help."""
        return self.command.get_short_help_str(limit)


#: ``flask alipay`` for ``app.cli``; ``flask`` itself finds it by its entry point. Only a command
#: line imports it.
ALIPAY_COMMANDS = LazyCommand("alipay", lambda: import_string("flask_alipay.cli:app_commands"))
