"""``python -m flask_alipay``: what the command line can do without an app."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main(prog_name="python -m flask_alipay")
