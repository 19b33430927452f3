"""What gunicorn's workers run: one of the two apps, configured by the environment."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask

from flask_alipay.keys import load_public_key

from . import shops


def environment(which: str, url: str) -> dict[str, str]:
    """Returns what :func:`create_app` reads.

    :param which: ``ours`` or ``floor``.
    """
    return {
        "RACE_APP": which,
        "RACE_DATABASE": url,
        "RACE_PRIVATE_KEY": shops.private_pem(shops.merchant_key()),
        "RACE_PUBLIC_KEY": shops.public_pem(shops.alipay_key()),
    }


def create_app() -> Flask:
    """Returns the app that is asked for."""
    url, public_key = os.environ["RACE_DATABASE"], os.environ["RACE_PUBLIC_KEY"]
    if os.environ["RACE_APP"] == "ours":
        return shops.our_app(url, public_key, os.environ["RACE_PRIVATE_KEY"])
    key = load_public_key(public_key)
    assert isinstance(key, rsa.RSAPublicKey)
    return shops.floor_app(url, key)
