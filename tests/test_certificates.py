"""A new certificate of Alipay is verified by its chain, or rejected."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from flask_alipay.exceptions import KeyFormatError
from flask_alipay.keys import generate_private_key, load_certificates, root_certificate_sn
from flask_alipay.protocol.certificates import CertificateStore, verify_chain
from flask_alipay.signer import Rsa2Signer

from .certificate_chains import ALIPAY, NOW, Issued, content, issue, spare_key
from .conftest import Keys
from .vectors import all_vectors, is_valid, with_vectors

DAY = timedelta(days=1)
ODD = "-----BEGIN CERTIFICATE-----\nMIICgjCCAeugAwIBAgIB\n-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Authority:
    """Root, intermediate, and Alipay's present and next certificates."""

    root: Issued
    between: Issued
    today: Issued
    tomorrow: Issued


@pytest.fixture(scope="module")
def authority(keys: Keys) -> Authority:
    root = issue("R1", spare_key(0), ca=True)
    between = issue("Class 2 R1", spare_key(2), root, ca=True)
    today = issue(ALIPAY, keys.alipay, between)
    return Authority(root, between, today, issue(ALIPAY, spare_key(1), between))


def configured(authority: Authority, **options: Any) -> tuple[CertificateStore, Rsa2Signer]:
    signer = Rsa2Signer(public_key=authority.today.key.public_key())
    alipay = options.pop("alipay", [authority.today.pem + authority.between.pem])
    roots = options.pop("roots", ODD + authority.root.pem)
    return CertificateStore(signer, alipay, roots, now=lambda: NOW, **options), signer


def accepts(authority: Authority, new: Issued, *between: Issued, **options: Any) -> bool:
    """Return whether a certificate is accepted; if not, nothing changes."""
    certificates, signer = configured(authority, **options)
    before = certificates.sns, signer.public_keys
    try:
        certificates.add_verified(content(new, *between), new.sn)
    except KeyFormatError:
        assert (certificates.sns, signer.public_keys) == before
        return False
    assert new.sn in certificates.sns
    return True


def test_the_configured_certificate_is_trusted(authority: Authority) -> None:
    certificates, _ = configured(authority)
    assert certificates.sns == {authority.today.sn}


def test_the_new_certificate_verifies_like_the_old_one(authority: Authority) -> None:
    certificates, signer = configured(authority)
    message = Rsa2Signer(authority.tomorrow.key).sign(b"x")
    assert not signer.verify(b"x", message)
    certificates.add_verified(content(authority.tomorrow, authority.between), authority.tomorrow.sn)
    assert certificates.sns == {authority.today.sn, authority.tomorrow.sn}
    assert signer.verify(b"x", message)
    assert signer.verify(b"x", Rsa2Signer(authority.today.key).sign(b"x"))


def test_intermediate_certificates_may_be_configured(authority: Authority) -> None:
    assert accepts(authority, authority.tomorrow)
    assert not accepts(authority, authority.tomorrow, alipay=[authority.today.pem])


def test_the_root_may_issue_the_certificate(authority: Authority) -> None:
    assert accepts(authority, issue(ALIPAY, authority.tomorrow.key, authority.root))


def test_the_order_of_a_bundle_does_not_matter(authority: Authority) -> None:
    certificates, _ = configured(authority, alipay=[authority.today.pem])
    bundle = content(authority.root, authority.between, authority.tomorrow)
    certificates.add_verified(bundle, authority.tomorrow.sn)
    assert authority.tomorrow.sn in certificates.sns


def test_a_certificate_of_another_root_is_not_trusted(authority: Authority) -> None:
    root = issue("R1", spare_key(3), ca=True)
    between = issue("Class 2 R1", authority.between.key, root, ca=True)
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key, root), root)
    assert not accepts(
        authority,
        issue(ALIPAY, authority.tomorrow.key, between),
        between,
        root,
        alipay=[authority.today.pem],
    )


def test_a_self_signed_certificate_is_not_trusted(authority: Authority) -> None:
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key))
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key, ca=True))


def test_a_merchants_certificate_is_not_trusted(authority: Authority) -> None:
    new = issue("2088000000000009-2021000000000009", authority.tomorrow.key, authority.between)
    assert not accepts(authority, new)


@pytest.mark.parametrize("ca", [True, False])
def test_a_merchants_certificate_cannot_issue_another(authority: Authority, ca: bool) -> None:
    merchant = issue("2088000000000009", spare_key(3), authority.between, ca=ca, may_sign=False)
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key, merchant), merchant)


def test_the_chain_is_limited_in_length(authority: Authority) -> None:
    short = issue("short", authority.between.key, authority.root, ca=True, path_length=0)
    further = issue("further", authority.today.key, short, ca=True)
    assert accepts(authority, issue(ALIPAY, authority.tomorrow.key, short), short)
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key, further), further, short)


def test_a_circular_chain_ends(authority: Authority) -> None:
    one = issue("one", authority.between.key, ca=True)
    two = issue("two", authority.today.key, one, ca=True)
    back = issue("one", authority.between.key, two, ca=True)
    assert not accepts(authority, issue(ALIPAY, authority.tomorrow.key, back), back, two, one)


@pytest.mark.parametrize(
    "times", [{"since": NOW + DAY}, {"since": NOW - 9 * DAY, "until": NOW - DAY}]
)
def test_each_certificate_of_the_chain_must_be_valid_now(
    authority: Authority, times: dict[str, Any]
) -> None:
    key = authority.tomorrow.key
    assert not accepts(authority, issue(ALIPAY, key, authority.between, **times))
    stale = issue("stale", authority.between.key, authority.root, ca=True, **times)
    assert not accepts(authority, issue(ALIPAY, key, stale), stale)
    root = issue("R1", authority.root.key, ca=True, **times)
    new = issue(ALIPAY, key, root)
    assert not accepts(authority, new, roots=root.pem)


def test_another_kind_of_key_is_not_trusted(authority: Authority) -> None:
    key = authority.tomorrow.key
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    small = generate_private_key(1024)
    assert not accepts(authority, issue(ALIPAY, key, authority.between, public_key=curve))
    assert not accepts(authority, issue(ALIPAY, small, authority.between))


def test_the_serial_number_must_match(authority: Authority) -> None:
    certificates, _ = configured(authority)
    with pytest.raises(KeyFormatError, match="that serial number"):
        certificates.add_verified(content(authority.tomorrow), "0" * 32)


@pytest.mark.parametrize(
    "message", ["", "!", "茶", "AAAA", base64.b64encode(b"x" * 100_000).decode(), content()]
)
def test_content_that_is_not_a_certificate_is_rejected(authority: Authority, message: str) -> None:
    with pytest.raises(KeyFormatError):
        configured(authority)[0].add_verified(message, authority.tomorrow.sn)


@given(message=st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_any_response_raises_only_the_packages_exceptions(
    authority: Authority, message: str
) -> None:
    with pytest.raises(KeyFormatError):
        configured(authority)[0].add_verified(message, authority.tomorrow.sn)


def test_many_threads_accept_it_once(authority: Authority) -> None:
    certificates, signer = configured(authority)
    bundle = content(authority.tomorrow)
    threads = [
        threading.Thread(target=certificates.add_verified, args=(bundle, authority.tomorrow.sn))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(signer.public_keys) == 2


def test_undecodable_certificates_of_a_bundle_are_skipped(authority: Authority) -> None:
    assert load_certificates(ODD + authority.root.pem + ODD) == [authority.root.certificate]
    assert load_certificates("nothing") == []
    assert root_certificate_sn(ODD + authority.root.pem) == authority.root.sn


@with_vectors("cert-sn", where=lambda v: v["name"] == "certsn-yansongda-root-production")
def test_alipays_roots_verify(vector: Any) -> None:
    assert is_valid(vector)
    roots = load_certificates(vector["certificate_pem"])
    # Not E1, with a key of SM2: whether it is loaded depends on the version of cryptography.
    [ant] = [root for root in roots if "Authority R1" in root.subject.rfc4514_string()]
    assert verify_chain(ant, roots, [], NOW)
    [old] = [root for root in roots if "iTrusChina" in root.subject.rfc4514_string()]
    assert not verify_chain(old, [old], [], NOW)  # signed over SHA-1
    found = {v["name"]: v["certificate_pem"] for v in all_vectors() if v["kind"] == "cert-sn"}
    sandbox = load_certificates(found["certsn-yansongda-2021-alipay-public"])
    assert verify_chain(sandbox[1], roots, [], NOW)  # an intermediate one of production
    assert not verify_chain(sandbox[0], roots, sandbox, NOW - timedelta(days=1500))
