"""Check that no other distribution provides this package.

``Flask-ALIPAY`` on the package index is another project whose package is called ``flask_alipay``,
too. If both are installed, each overwrites files of the other.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

OTHER = "Flask-ALIPAY"


def reject_other_distribution() -> None:
    """Check the installed distributions.

    :raises ImportError: if the other project is installed, too.
    """
    try:
        version(OTHER)
    except PackageNotFoundError:
        return
    raise ImportError(
        f"{OTHER} and flask-alipay-blueprint are both installed, and both provide the package "
        f"flask_alipay. Uninstall both ('python -m pip uninstall {OTHER} flask-alipay-blueprint'), "
        "then install flask-alipay-blueprint again."
    )


reject_other_distribution()
