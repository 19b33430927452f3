"""``python -m flask_alipay``: the command line without an app."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main(prog_name="python -m flask_alipay")
