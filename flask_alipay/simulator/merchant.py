"""The one merchant whom the simulator knows: its numbers, its keys, and Alipay's key.

The keys are made once per process, when the first simulator is: never at import, and never known to
anybody else, so that nothing a simulator signs is worth anything elsewhere.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from ..keys import generate_private_key
from ..signer import Md5Signer, Rsa2Signer, RsaSigner, Signer


@dataclass(frozen=True)
class Merchant:
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

    @classmethod
    def new(cls) -> Merchant:
        """Returns a merchant with new keys; takes a moment."""
        return cls(generate_private_key(), generate_private_key(), secrets.token_hex(16))

    def alipay_signers(self) -> dict[str, Signer]:
        """Returns the signers of Alipay's side by sign type.

        Each signs what Alipay says, with Alipay's key, and verifies what the merchant said, with
        the merchant's.
        """
        pair = (self.alipay_private_key, self.private_key.public_key())
        signers: tuple[Signer, ...] = (
            Md5Signer(self.md5_key),
            RsaSigner(*pair),
            Rsa2Signer(*pair),
        )
        return {signer.sign_type: signer for signer in signers}


_lock = threading.Lock()
_merchant: Merchant | None = None


def the_merchant() -> Merchant:
    """Returns this process's merchant; the first call makes its keys."""
    global _merchant  # once per process is the promise
    with _lock:
        if _merchant is None:
            _merchant = Merchant.new()
        return _merchant
