"""``keygen``: all formats of one key, private files, and no overwriting."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from flask_alipay.cli.keygen import FORMS
from flask_alipay.keys import (
    key_to_base64,
    load_private_key,
    load_public_key,
    private_pem,
    public_key_der,
)

from ..conftest import Keys
from .conftest import Run

PRIVATE = [form.name for form in FORMS if form.private]
PUBLIC = [form.name for form in FORMS if not form.private]


def test_a_key_pair_of_2048_bits_is_generated_in_every_format(alone: Run, tmp_path: Path) -> None:
    result = alone("keygen", "--out", str(tmp_path / "keys"))
    assert result.exit_code == 0
    private = {load_private_key((tmp_path / "keys" / name).read_bytes()) for name in PRIVATE}
    halves = {public_key_der(key.public_key()) for key in private}
    halves |= {
        public_key_der(load_public_key((tmp_path / "keys" / name).read_bytes())) for name in PUBLIC
    }
    assert len(halves) == 1
    assert {key.key_size for key in private} == {2048}


def test_only_the_owner_can_read_private_keys(alone: Run, files: Path) -> None:
    alone("keygen", "--from", str(files / "merchant.pem"), "--out", str(files / "keys"))
    for name in PRIVATE:
        assert (files / "keys" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [*PRIVATE, *PUBLIC])
def test_openssl_reads_the_pem_files(name: str, alone: Run, files: Path) -> None:
    if not name.endswith(".pem"):
        return
    alone("keygen", "--from", str(files / "merchant.pem"), "--out", str(files / "keys"))
    public = ["-pubin"] if name in PUBLIC else []
    command = ["openssl", "pkey", *public, "-in", str(files / "keys" / name), "-noout"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("pkcs1", [True, False])
def test_an_existing_key_is_converted_to_every_format(
    pkcs1: bool, alone: Run, tmp_path: Path, keys: Keys
) -> None:
    (tmp_path / "pasted.txt").write_text(key_to_base64(keys.merchant, pkcs1=pkcs1))
    result = alone("keygen", "--from", str(tmp_path / "pasted.txt"), "--out", str(tmp_path))
    assert result.exit_code == 0
    assert (tmp_path / "app_private_key.pem").read_text() == private_pem(keys.merchant)


@pytest.mark.parametrize("name", [form.name for form in FORMS])
def test_existing_files_are_never_overwritten(name: str, alone: Run, files: Path) -> None:
    there = files / "keys"
    there.mkdir()
    (there / name).write_text("mine")
    result = alone("keygen", "--from", str(files / "merchant.pem"), "--out", str(there))
    assert result.exit_code == 1
    assert "never overwritten" in result.stderr
    assert [file.name for file in there.iterdir()] == [name]
    assert (there / name).read_text() == "mine"


def test_the_private_key_is_not_printed(alone: Run, files: Path, keys: Keys) -> None:
    result = alone("keygen", "--from", str(files / "merchant.pem"), "--out", str(files / "keys"))
    assert key_to_base64(keys.merchant.public_key()) in result.stdout
    assert key_to_base64(keys.merchant)[40:80] not in result.output
    assert "FLASK_ALIPAY_PRIVATE_KEY_PATH=" in result.stdout


def test_json_lists_the_files(alone: Run, files: Path, keys: Keys) -> None:
    source, out = str(files / "merchant.pem"), str(files / "keys")
    printed = json.loads(alone("keygen", "--json", "--from", source, "--out", out).stdout)
    assert printed["bits"] == 2048
    assert set(printed["files"]) == {form.name for form in FORMS}
    assert printed["public_key"] == key_to_base64(keys.merchant.public_key())


def test_another_file_than_a_private_key_is_named(alone: Run, files: Path) -> None:
    result = alone("keygen", "--from", str(files / "alipay.pem"), "--out", str(files / "keys"))
    assert result.exit_code == 2
    assert "RSA public key of 2048 bits" in " ".join(result.stderr.split())
    assert not (files / "keys").exists()


def test_a_short_key_is_not_generated(alone: Run, tmp_path: Path) -> None:
    assert alone("keygen", "--bits", "1024", "--out", str(tmp_path)).exit_code == 2
    assert list(tmp_path.iterdir()) == []
