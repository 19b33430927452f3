from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest

from flask_alipay.exceptions import ConfigurationError
from flask_alipay.keys import (
    certificate_sn,
    load_private_key,
    load_public_key,
    public_key_der,
    root_certificate_sn,
)
from flask_alipay.simulator.merchant.files import read_merchant, write_merchant
from flask_alipay.simulator.merchant.merchant import get_merchant

URLS = {
    "gateway_url": "http://127.0.0.1:8090/gateway.do",
    "mapi_gateway_url": "http://127.0.0.1:8090/gateway.do",
}


@pytest.fixture
def folder(tmp_path):
    write_merchant(tmp_path / "keys", get_merchant(), **URLS)
    return tmp_path / "keys"


def test_a_folder_without_a_merchant_has_none(tmp_path):
    assert read_merchant(tmp_path) is None
    assert read_merchant(tmp_path / "nowhere") is None


def test_a_folder_is_the_same_merchant_again(folder):
    again, merchant = read_merchant(folder), get_merchant()
    assert again.private_key.private_numbers() == merchant.private_key.private_numbers()
    assert (again.md5_key, again.aes_key) == (merchant.md5_key, merchant.aes_key)
    assert again.certificates == merchant.certificates


def test_everything_that_an_sdk_asks_for_is_there_for_its_owner_alone(folder):
    merchant = get_merchant()
    own = public_key_der(merchant.private_key.public_key())
    for name in ("app_private_key.pem", "app_private_key_pkcs1.pem"):
        private = load_private_key((folder / name).read_bytes())
        assert public_key_der(private.public_key()) == own
    assert "BEGIN RSA PRIVATE KEY" in (folder / "app_private_key_pkcs1.pem").read_text()
    assert "BEGIN PRIVATE KEY" in (folder / "app_private_key.pem").read_text()
    for name in ("app_public_key.pem", "app_cert.crt"):
        assert public_key_der(load_public_key((folder / name).read_bytes())) == own
    certificates = merchant.certificates
    assert certificate_sn((folder / "app_cert.crt").read_bytes()) == certificates.app_cert_sn
    root = (folder / "alipay_root_cert.crt").read_bytes()
    assert root_certificate_sn(root) == certificates.alipay_root_cert_sn
    about = json.loads((folder / "merchant.json").read_text())
    assert about == {
        "app_id": merchant.app_id,
        "partner": merchant.partner,
        "seller_id": merchant.partner,
        "seller_email": merchant.seller_email,
        "key": merchant.md5_key,
        "aes_key": merchant.aes_key,
        "kind": "",
        "buyer_id": merchant.buyer_id,
        "buyer_open_id": merchant.buyer_open_id,
        **URLS,
    }
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("kinds", [{"open_id"}, {"open_id", "third_party"}])
def test_the_kind_of_the_application_is_kept_as_a_text(tmp_path, kinds):
    merchant = replace(get_merchant(), **dict.fromkeys(kinds, True))
    write_merchant(tmp_path, merchant, **URLS)
    about = json.loads((tmp_path / "merchant.json").read_text())
    assert all(isinstance(value, str) for value in about.values())
    kept = read_merchant(tmp_path)
    assert {name for name in ("open_id", "third_party") if getattr(kept, name)} == kinds


@pytest.mark.parametrize("name", ["app_private_key.pem", "alipay_private_key.pem", "merchant.json"])
@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key": 1}', "nonsense"])
def test_a_broken_file_is_named_and_its_text_is_not(folder, name, text):
    (folder / name).write_text(text)
    with pytest.raises(ConfigurationError, match=name) as caught:
        read_merchant(folder)
    assert get_merchant().md5_key not in str(caught.value)


@pytest.mark.parametrize("name", ["app_private_key.pem", "alipay_private_key.pem", "merchant.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        read_merchant(folder)
