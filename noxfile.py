"""Automate what every change has to pass; ``nox --list`` shows the sessions."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["fast", "checks", "docs"]
nox.options.reuse_existing_virtualenvs = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
#: The supported Pythons, from the classifiers, oldest first.
PYTHONS = nox.project.python_versions(PYPROJECT)

PYTEST = ("python", "-m", "pytest", "-q")
#: Everything except browsers, database servers and other SDKs.
FAST = (
    *("-m", "not browser and not service"),
    *("--ignore", "tests/oracles"),
)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; a test whose server, browser or program is missing is skipped."""
    session.install("-e", ".[tests,docs]")
    session.run(*PYTEST, *session.posargs)


@nox.session
def fast(session: nox.Session) -> None:
    """Run the tests that need nothing but Python."""
    session.install("-e", ".[tests,docs]")
    session.run(*PYTEST, *FAST, *session.posargs)


@nox.session(python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the fast tests on each supported Python that is installed."""
    session.install("-e", ".[tests]")
    session.run(*PYTEST, *FAST, *session.posargs)


@nox.session(python=PYTHONS[0])
def bounds(session: nox.Session) -> None:
    """Run the fast tests with the oldest Python and dependencies that are supported."""
    constraints = Path(session.create_tmp()) / "lower-bounds.txt"
    oldest = [bound.replace(">=", "==") for bound in PYPROJECT["project"]["dependencies"]]
    constraints.write_text("\n".join(oldest), encoding="utf-8")
    session.install("-e", ".[tests]", "-c", str(constraints))
    session.run(*PYTEST, *FAST, *session.posargs)


@nox.session
def checks(session: nox.Session) -> None:
    """Check style, format and types."""
    session.install("-e", ".[tests,checks]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def translations(session: nox.Session) -> None:
    """Collect the texts for translation, compile the catalogues and list what is missing."""
    session.install("-e", ".[tests,docs]")
    session.run("python", "-m", "tests.error_texts")
    session.run("python", "-m", "tests.translations")
    session.run("python", "-m", "tests.docs_translations")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation in both languages into ``docs/_build``; warnings are errors."""
    session.install("-e", ".[docs]")
    session.run("python", "-m", "sphinx", "-q", "-W", "-b", "html", "docs", "docs/_build")
    session.run(
        "python", "-m", "sphinx", "-q", "-W", "-b", "html",
        "-D", "language=zh_CN", "docs", "docs/_build/zh_CN",
    )  # fmt: skip
