from __future__ import annotations

import shutil
import stat
import subprocess
import sys

import pytest

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.signer import Rsa2Signer
from flask_alipay.simulator.merchant.merchant import KEYS_FILE, SimulatedMerchant, get_merchant


def test_the_keys_are_made_once_per_process():
    assert get_merchant() is get_merchant()


def test_importing_the_simulator_makes_no_keys():
    program = (
        "import flask_alipay.keys as keys\n"
        "keys.generate_private_key = lambda bits=2048: 1 / 0\n"
        "import flask_alipay.simulator, flask_alipay.simulator.web.cashier\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_two_merchants_have_nothing_in_common_but_their_numbers():
    one, other = get_merchant(), SimulatedMerchant.new()
    assert one.md5_key != other.md5_key
    assert one.private_key.private_numbers() != other.private_key.private_numbers()
    assert one.app_id == other.app_id


def test_the_two_sides_have_different_keys():
    merchant = get_merchant()
    packaged = Rsa2Signer(merchant.private_key, merchant.alipay_private_key.public_key())
    alipays = merchant.alipay_signers()["RSA2"]
    assert alipays.verify(b"order", packaged.sign(b"order"))
    assert packaged.verify(b"news", alipays.sign(b"news"))
    assert not packaged.verify(b"order", packaged.sign(b"order"))


def test_no_key_is_in_the_repr():
    merchant = get_merchant()
    assert merchant.md5_key not in repr(merchant)
    assert "RSAPrivateKey" not in repr(merchant)


def test_the_md5_key_has_alipays_shape():
    assert len(get_merchant().md5_key) == 32
    assert get_merchant().md5_key.isalnum()


def test_a_folder_keeps_its_merchant_for_other_processes(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from flask_alipay.simulator.merchant.merchant import get_merchant\n"
        "print(get_merchant(pathlib.Path(sys.argv[1])).md5_key)\n"
    )
    keys = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert keys[0] == keys[1]
    assert keys[0].strip() == get_merchant(tmp_path).md5_key


def test_the_kept_keys_are_for_their_owner_alone(tmp_path):
    get_merchant(tmp_path)
    (file,) = tmp_path.iterdir()  # and no half-written one beside it
    assert file.name == KEYS_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_keys_of_a_process_that_was_quicker_are_used(tmp_path, monkeypatch):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    elsewhere.mkdir()
    quicker = get_merchant(elsewhere)
    new = SimulatedMerchant.new

    def meanwhile():
        shutil.copytree(elsewhere, here, dirs_exist_ok=True)
        return new()

    here.mkdir()
    monkeypatch.setattr(SimulatedMerchant, "new", meanwhile)
    assert get_merchant(here).md5_key == quicker.md5_key
    assert [file.name for file in here.iterdir()] == [KEYS_FILE]


def test_a_folder_that_cannot_be_written_to_does_no_harm(tmp_path):
    assert get_merchant(tmp_path / "nowhere").md5_key


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"private_key": 1}', "\0", "not json"])
def test_a_file_that_holds_something_else_is_named(tmp_path, text):
    (tmp_path / KEYS_FILE).write_text(text)
    with pytest.raises(ConfigurationError, match=KEYS_FILE):
        get_merchant(tmp_path)
