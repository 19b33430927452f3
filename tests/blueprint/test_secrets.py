"""Failures at start show no key to a recorder of tracebacks; weak keys are rejected."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flask_alipay
from flask_alipay import ConfigurationError
from flask_alipay.config import Config
from flask_alipay.exceptions import AlipayError
from flask_alipay.keys import (
    key_to_base64,
    load_private_key,
    load_public_key,
    private_pem,
    public_pem,
)
from flask_alipay.signer import Md5Signer, Rsa2Signer

from ..certificate_chains import issue
from ..conftest import Keys
from ..doubles.merchant import MAPI_MD5, MAPI_RSA, MD5_KEY, OPENAPI, Merchant
from ..doubles.shop import new_app, new_blueprint
from .conftest import OpenShop

PACKAGE = str(Path(flask_alipay.__file__).parent)

# Of 768 bits, and of no use to anybody.
WEAK_KEY = """-----BEGIN PRIVATE KEY-----
MIIB5AIBADANBgkqhkiG9w0BAQEFAASCAc4wggHKAgEAAmEA9+5YhEizIgJau7hv
Wz5oGybn2M6bwnHLjsdatU80zpZOHH1cuOMtpmD958KYDF9Cfd1cUHBsvD0+2oal
d+YpoaefhU7nbcCSQbGjBSWXLhLaUbBh/FMixWYXlxhVSZ4nAgMBAAECYGdafJvo
koRC5wAKSqGGym9HMK84scXFGk5S3IVol2LnVXia6eRJD+aj2DSc8jV2H7e4csDz
UjQfyzLpE06ChL6qibrd6QnhGAjudQk+jUobAHSNC+nYBx61knEiAQgPQQIxAP8C
cQ1UK/IXtKr98BLRxd46yzSTsaB/uHx0CFaT9gv4zN8p4afhegBX2dVCCNsW7QIx
APjk3a5AR+qWSoQz3eEDt6Ll0QqRpNMUmrUQC6eQSzgQNVUDYs3/Z/AwyeA7B3Iy
4wIwBm6UVWa7GQcaCnoPNRpPaFSJTZEwGME/8PuoPi7LNPAYksRmqapZPmr41pUs
zgHdAjEAjQW4KTwYw21GaWOt6wmdKfpHGFLvbf31rnOZ9uZGCEz+ut2BRTDapngu
WhN4I5d7AjB0IEOMgJw4TzefI03XekEYdcUGnXUiD84BG2KXahcj7GubWaXNGmag
EpxyHhZW0FU=
-----END PRIVATE KEY-----
"""
WEAK_PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MHwwDQYJKoZIhvcNAQEBBQADawAwaAJhAPfuWIRIsyICWru4b1s+aBsm59jOm8Jx
y47HWrVPNM6WThx9XLjjLaZg/efCmAxfQn3dXFBwbLw9PtqGpXfmKaGnn4VO523A
kkGxowUlly4S2lGwYfxTIsVmF5cYVUmeJwIDAQAB
-----END PUBLIC KEY-----
"""


def errors_of(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and all its causes and contexts, suppressed or not."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def frames_of(error: BaseException) -> Iterator[dict[str, Any]]:
    """Return the local variables of the package's frames, which an error tracker could record."""
    for one in errors_of(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename.startswith(PACKAGE):
                yield frame.f_locals


def assert_concealed(error: BaseException, *secrets: str) -> None:
    for variables in frames_of(error):
        shown = repr(variables)
        assert [secret for secret in secrets if secret in shown] == []


def failed_start(place: Path, settings: Any) -> ConfigurationError:
    app = new_app(place, settings)
    with pytest.raises(ConfigurationError) as caught:
        app.register_blueprint(new_blueprint(), url_prefix="/alipay")
    return caught.value


def line_of(pem: str) -> str:
    return pem.splitlines()[1]


BROKEN: dict[str, dict[str, Any]] = {
    "cut off": {"PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----\nMIIB"},
    "no base64": {"PUBLIC_KEY": "öäü"},
    "unset": {"PUBLIC_KEY": None},
    "sign type": {"SIGN_TYPE": "DSA"},
    "timeout": {"TIMEOUT": "soon"},
    "url": {"RETURN_URL": "/return"},
    "AES key": {"AES_KEY": "short"},
    "seller": {"SELLER_ID": "1"},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_a_failed_start_shows_no_key_in_its_frames(
    tmp_path: Path, keys: Keys, broken: dict[str, Any]
) -> None:
    private, public = private_pem(keys.merchant), public_pem(keys.alipay.public_key())
    settings = {"APP_ID": "9021000000000001", "PRIVATE_KEY": private, "PUBLIC_KEY": public}
    error = failed_start(tmp_path, {**settings, **broken})
    assert_concealed(error, line_of(private))


def test_a_private_key_that_cannot_be_read_is_not_in_the_frames(tmp_path: Path, keys: Keys) -> None:
    cut = private_pem(keys.merchant)[:900]
    settings = {"APP_ID": "9021000000000001", "PRIVATE_KEY": cut, "PUBLIC_KEY": cut}
    assert_concealed(failed_start(tmp_path, settings), line_of(cut))


@pytest.mark.parametrize("broken", [{"TIMEOUT": "soon"}, {"SELLER_ID": "1"}, {"SIGN_TYPE": "RSA"}])
def test_a_failed_start_shows_no_md5_key_in_its_frames(
    tmp_path: Path, broken: dict[str, Any]
) -> None:
    settings = {"PARTNER": "2088000000000001", "KEY": MD5_KEY, **broken}
    assert_concealed(failed_start(tmp_path, settings), MD5_KEY)


def test_a_configuration_that_is_read_without_an_app_shows_none_either(keys: Keys) -> None:
    private = private_pem(keys.merchant)
    mapping = {"ALIPAY_APP_ID": "9021000000000001", "ALIPAY_PRIVATE_KEY": private}
    with pytest.raises(ConfigurationError) as caught:
        Config.from_mapping(mapping)
    assert_concealed(caught.value, line_of(private))


def test_a_key_that_is_not_the_wanted_one_is_not_in_the_frames(keys: Keys) -> None:
    private, public = private_pem(keys.merchant), public_pem(keys.merchant.public_key())
    for read, material in (
        (load_public_key, private),
        (load_private_key, public),
        (load_private_key, private[:900]),
        (Rsa2Signer, private[:900]),
    ):
        with pytest.raises(AlipayError) as caught:
            read(material)
        assert_concealed(caught.value, line_of(material))


# Weak keys


def weak(merchant: Merchant, name: str, key: str) -> dict[str, Any]:
    return {**merchant.settings, name: key}


@pytest.mark.parametrize("merchant", [OPENAPI, MAPI_RSA], indirect=True)
@pytest.mark.parametrize(
    ("name", "key"), [("PRIVATE_KEY", WEAK_KEY), ("PUBLIC_KEY", WEAK_PUBLIC_KEY)]
)
def test_an_rsa_key_below_1024_bits_is_rejected(
    tmp_path: Path, merchant: Merchant, name: str, key: str
) -> None:
    error = failed_start(tmp_path, weak(merchant, name, key))
    assert error.key == f"ALIPAY_{name}"
    assert "1024 bits" in str(error)


def test_a_weak_key_in_a_file_is_rejected_by_the_name_of_its_path(
    tmp_path: Path, merchant: Merchant
) -> None:
    (tmp_path / "weak.pem").write_text(WEAK_PUBLIC_KEY)
    settings = {**merchant.settings, "PUBLIC_KEY_PATH": str(tmp_path / "weak.pem")}
    del settings["PUBLIC_KEY"]
    assert failed_start(tmp_path, settings).key == "ALIPAY_PUBLIC_KEY_PATH"


def test_one_weak_key_of_several_is_rejected(tmp_path: Path, merchant: Merchant) -> None:
    settings = weak(merchant, "PUBLIC_KEY", "")
    settings["PUBLIC_KEY"] = [merchant.settings["PUBLIC_KEY"], WEAK_PUBLIC_KEY]
    assert failed_start(tmp_path, settings).key == "ALIPAY_PUBLIC_KEY"


def test_a_certificate_of_a_weak_key_is_rejected(tmp_path: Path, keys: Keys) -> None:
    root = issue("Root", keys.alipay, ca=True)
    settings = {
        "APP_ID": "9021000000000001",
        "PRIVATE_KEY": private_pem(keys.merchant),
        "APP_CERT": issue("Shop", keys.merchant, root).pem,
        "PUBLIC_CERT": issue("Alipay", load_private_key(WEAK_KEY), root).pem,
        "ROOT_CERT": root.pem,
    }
    assert failed_start(tmp_path, settings).key == "ALIPAY_PUBLIC_CERT"


@pytest.mark.parametrize("merchant", [MAPI_MD5], indirect=True)
@pytest.mark.parametrize("key", ["a", "fifteen letters"])
def test_an_md5_key_below_16_characters_is_rejected(
    tmp_path: Path, merchant: Merchant, key: str
) -> None:
    error = failed_start(tmp_path, weak(merchant, "KEY", key))
    assert error.key == "ALIPAY_KEY"
    assert key not in str(error).split()
    assert "16 characters" in str(error)


@pytest.mark.parametrize("merchant", [MAPI_MD5], indirect=True)
def test_an_md5_key_of_16_characters_is_accepted(open_shop: OpenShop, merchant: Merchant) -> None:
    open_shop(weak(merchant, "KEY", "sixteen letters!"))


def test_weak_keys_still_verify_existing_signatures() -> None:
    signer = Rsa2Signer(WEAK_KEY, WEAK_PUBLIC_KEY)
    assert signer.verify(b"tea", signer.sign(b"tea"))
    assert Md5Signer("a").verify(b"tea", Md5Signer("a").sign(b"tea"))
    assert key_to_base64(load_private_key(WEAK_KEY))
