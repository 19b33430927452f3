"""The tokens in our URLs: they name a payment, cannot be made up, and stop working."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from ..exceptions import BadToken, ExpiredToken


class Claim(NamedTuple):
    """What a token states."""

    out_trade_no: str
    #: When the first link of its chain was made; aware.
    issued_at: datetime


class _Signer(TimestampSigner):
    """Signs with the current time unless it is given another."""

    issued_at: datetime | None = None

    def get_timestamp(self) -> int:
        return (
            super().get_timestamp() if self.issued_at is None else int(self.issued_at.timestamp())
        )


class Tokens:
    """Makes and reads the tokens of one app and merchant.

    :param secret_keys: the app's, oldest first: the last signs, each verifies.
    :param merchant: a token is good for this merchant's pages only.
    :param max_age: seconds that a token works.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], merchant: str, max_age: int) -> None:
        keys = [key.encode() if isinstance(key, str) else key for key in secret_keys]
        self._serializer = URLSafeTimedSerializer(keys, salt="flask_alipay", signer=_Signer)
        self._merchant = merchant
        self._max_age = max_age

    def make(self, purpose: str, out_trade_no: str, issued_at: datetime | None = None) -> str:
        """Returns a token.

        :param purpose: the page that it opens; it opens no other.
        :param out_trade_no: the payment.
        :param issued_at: when it begins to age, by default now. A link on a page keeps the time of
            the link that opened the page, so that following links does not renew them.
        """
        signer: Any = self._serializer.make_signer(self._salt(purpose))
        signer.issued_at = issued_at
        return str(signer.sign(self._serializer.dump_payload(out_trade_no)).decode("ascii"))

    def read(self, purpose: str, token: str) -> Claim:
        """Returns what a token states.

        :raises ExpiredToken: if it is too old.
        :raises BadToken: if it was not made here for this purpose, or is spelled otherwise.
        """
        try:
            value, issued_at = self._serializer.loads(
                token, max_age=self._max_age, salt=self._salt(purpose), return_timestamp=True
            )
            canonical = _is_canonical(token)
        except SignatureExpired:
            raise ExpiredToken("the token has expired") from None
        except BadData:
            canonical = False
        if not canonical:
            raise BadToken("the token was not made here")
        return Claim(str(value), issued_at)

    def _salt(self, purpose: str) -> str:
        return f"flask_alipay.{purpose}.{self._merchant}"


def _is_canonical(token: str) -> bool:
    """Tells whether each part is spelled as base64 is written here: the decoder also takes padding,
    foreign characters and bits that it drops.

    :raises BadData: if a part is no base64.
    """
    parts = token.encode("ascii", "replace").split(b".")
    return all(base64_encode(base64_decode(part)) == part for part in parts)
