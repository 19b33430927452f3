"""The simulator's merchant: its numbers, its keys, and Alipay's key.

The keys are generated with the first simulator: never at import, and known to no one else, so that
the simulator's signatures are worthless elsewhere. They are stored in a file if a directory is
configured, so that an app's processes (a second worker, a command) are one merchant.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import tempfile
import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from ...exceptions import AlipayError, ConfigurationError
from ...keys import generate_private_key, load_private_key, private_pem
from ...signer import Md5Signer, Rsa2Signer, RsaSigner, Signer
from .certificates import Certificates, issue


@dataclass(frozen=True)
class SimulatedMerchant:
    """A merchant with an account on both gateways, its only buyer, and the keys of both sides.

    The numbers have the shape of Alipay's own and belong to nobody.
    """

    #: The merchant's RSA key; Alipay was given its public half.
    private_key: rsa.RSAPrivateKey = field(repr=False)
    #: Alipay's RSA key; the merchant was given its public half.
    alipay_private_key: rsa.RSAPrivateKey = field(repr=False)
    #: The key of the legacy gateway's MD5, which both sides have.
    md5_key: str = field(repr=False)
    #: The merchant on the open platform.
    app_id: str = "9021000000000001"
    #: The merchant on the legacy gateway, and as a seller on both.
    partner: str = "2088000000000001"
    seller_email: str = "shop@simulator.invalid"
    buyer_id: str = "2088000000000002"
    buyer_email: str = "buyer@simulator.invalid"
    #: True for a newer application: it receives the buyer's OpenID instead of ``buyer_id``.
    open_id: bool = False
    #: True for a third-party application, which acts for other merchants only.
    third_party: bool = False

    @classmethod
    def new(cls) -> SimulatedMerchant:
        """Return a merchant with new keys; their generation takes some time."""
        return cls(generate_private_key(), generate_private_key(), secrets.token_hex(16))

    def numbered(self, number: int) -> SimulatedMerchant:
        """Return a merchant with other numbers and the same keys.

        :param number: zero for the first merchant of an app, which keeps its numbers.
        """
        if number == 0:
            return self
        return replace(
            self,
            app_id=str(int(self.app_id) + number),
            partner=str(int(self.partner) + 100 * number),
            seller_email=f"shop{number + 1}@simulator.invalid",
        )

    def of_kind(self, *, open_id: bool, third_party: bool) -> SimulatedMerchant:
        """Return the merchant with an application of another kind.

        :param open_id: see :attr:`open_id`.
        :param third_party: see :attr:`third_party`.
        """
        return replace(self, open_id=open_id, third_party=third_party)

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of certificate mode; equal keys have equal ones."""
        return issue(self.private_key.public_key(), self.alipay_private_key)

    @cached_property
    def aes_key(self) -> str:
        """The shared key of content encryption: 16 bytes in base64."""
        secret = hashlib.sha256(f"aes {self.md5_key}".encode("ascii")).digest()[:16]
        return base64.b64encode(secret).decode("ascii")

    @property
    def authorizers(self) -> tuple[tuple[str, str], ...]:
        """The merchants who may authorise the application: application and account of each."""
        return tuple(
            (str(int(self.app_id) + number), str(int(self.partner) + number))
            for number in (201, 202, 203)
        )

    @property
    def mini_app_id(self) -> str:
        """The merchant's mini-program, which is another application."""
        return str(int(self.app_id) + 100)

    @property
    def buyer_open_id(self) -> str:
        """The buyer's OpenID, which is another one for each application."""
        return open_id_under(self.app_id, self.buyer_id)

    def alipay_signers(self) -> dict[str, Signer]:
        """Return the signers of Alipay's side by sign type.

        Each signs Alipay's messages with Alipay's key, and verifies the merchant's with the
        merchant's key.
        """
        pair = (self.alipay_private_key, self.private_key.public_key())
        signers: tuple[Signer, ...] = (
            Md5Signer(self.md5_key),
            RsaSigner(*pair),
            Rsa2Signer(*pair),
        )
        return {signer.sign_type: signer for signer in signers}


def open_id_under(app_id: str, user_id: str) -> str:
    """Return the OpenID of a user for an application: 48 characters, of which the first three are
    digits that all users of the application share.
    """
    digest = hashlib.sha384(f"{app_id} {user_id}".encode("ascii")).digest()
    return f"{int(app_id) % 1000:03}{base64.urlsafe_b64encode(digest).decode('ascii')[:45]}"


#: The file that keeps the keys. They open nothing but simulators.
KEYS_FILE = "alipay_simulator_keys.json"

_lock = threading.Lock()
_merchants: dict[Path | None, SimulatedMerchant] = {}


def get_merchant(folder: Path | None = None) -> SimulatedMerchant:
    """Return the merchant of a directory, or of this process; the first call generates its keys.

    :param folder: where its keys are kept, readable by this user alone. Where nothing can be
        written there, they are this process's.
    :raises ConfigurationError: if the file in it is something else.
    """
    with _lock:
        if folder not in _merchants:
            _merchants[folder] = (
                SimulatedMerchant.new() if folder is None else _kept(folder / KEYS_FILE)
            )
        return _merchants[folder]


def _kept(file: Path) -> SimulatedMerchant:
    if not file.exists():
        new = SimulatedMerchant.new()
        try:
            if _write(file, new):
                return new
        except OSError:
            return new
    try:
        keys = json.loads(file.read_text("ascii"))
        return SimulatedMerchant(
            load_private_key(str(keys["private_key"])),
            load_private_key(str(keys["alipay_private_key"])),
            str(keys["md5_key"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AlipayError):
        raise ConfigurationError(
            f"the file {file.name} holds no keys of the simulator: delete it",
            "SIMULATOR",
        ) from None


def _write(file: Path, merchant: SimulatedMerchant) -> bool:
    """Write a file atomically, readable by this user only.

    :returns: ``False`` if it exists: another process was quicker.
    """
    keys = {
        "private_key": private_pem(merchant.private_key),
        "alipay_private_key": private_pem(merchant.alipay_private_key),
        "md5_key": merchant.md5_key,
    }
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as new:
            json.dump(keys, new)
        os.link(name, file)
    except FileExistsError:
        return False
    finally:
        Path(name).unlink()
    return True
