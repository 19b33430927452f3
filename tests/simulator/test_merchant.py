from __future__ import annotations

import subprocess
import sys

from flask_alipay.signer import Rsa2Signer
from flask_alipay.simulator.merchant import Merchant, the_merchant


def test_the_keys_are_made_once_per_process():
    assert the_merchant() is the_merchant()


def test_importing_the_simulator_makes_no_keys():
    program = (
        "import flask_alipay.keys as keys\n"
        "keys.generate_private_key = lambda bits=2048: 1 / 0\n"
        "import flask_alipay.simulator, flask_alipay.simulator.pages\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_two_merchants_have_nothing_in_common_but_their_numbers():
    one, other = the_merchant(), Merchant.new()
    assert one.md5_key != other.md5_key
    assert one.private_key.private_numbers() != other.private_key.private_numbers()
    assert one.app_id == other.app_id


def test_the_two_sides_have_different_keys():
    merchant = the_merchant()
    ours = Rsa2Signer(merchant.private_key, merchant.alipay_private_key.public_key())
    alipays = merchant.alipay_signers()["RSA2"]
    assert alipays.verify(b"order", ours.sign(b"order"))
    assert ours.verify(b"news", alipays.sign(b"news"))
    assert not ours.verify(b"order", ours.sign(b"order"))


def test_no_key_is_in_the_repr():
    merchant = the_merchant()
    assert merchant.md5_key not in repr(merchant)
    assert "RSAPrivateKey" not in repr(merchant)


def test_the_md5_key_has_alipays_shape():
    assert len(the_merchant().md5_key) == 32
    assert the_merchant().md5_key.isalnum()
