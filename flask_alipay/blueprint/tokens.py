"""Tokens in the blueprint's URLs: they name a payment, cannot be forged, and expire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode

from ..exceptions import BadToken, ExpiredToken


class Claim(NamedTuple):
    """The content of a token."""

    out_trade_no: str
    #: The time of the first link in its chain, aware.
    issued_at: datetime


class _Signer(TimestampSigner):
    """Signer that uses the current time unless ``issued_at`` is set."""

    issued_at: datetime | None = None

    def get_timestamp(self) -> int:
        return (
            super().get_timestamp() if self.issued_at is None else int(self.issued_at.timestamp())
        )


class Tokens:
    """Tokens of one application and merchant.

    :param secret_keys: the application's keys, oldest first: the last signs, all verify.
    :param merchant: a token is valid for this merchant's pages only.
    :param max_age: the lifetime of a token in seconds.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], merchant: str, max_age: int) -> None:
        keys = [key.encode() if isinstance(key, str) else key for key in secret_keys]
        self._serializer = URLSafeTimedSerializer(keys, salt="flask_alipay", signer=_Signer)
        self._merchant = merchant
        self._max_age = max_age

    def make(self, purpose: str, out_trade_no: str, issued_at: datetime | None = None) -> str:
        """Create a token.

        :param purpose: the only page that it opens.
        :param out_trade_no: the payment.
        :param issued_at: the beginning of its lifetime, by default now. A link on a page keeps the
            time of the link that opened the page, so that following links does not renew them.
        """
        signer: Any = self._serializer.make_signer(self._salt(purpose))
        signer.issued_at = issued_at
        return str(signer.sign(self._serializer.dump_payload(out_trade_no)).decode("ascii"))

    def read(self, purpose: str, token: str) -> Claim:
        """Verify a token and return its content.

        :raises ExpiredToken: if it is too old.
        :raises BadToken: if it was not issued here for this purpose, or is encoded differently.
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
            raise BadToken("the token was not issued by this application")
        return Claim(str(value), issued_at)

    def _salt(self, purpose: str) -> str:
        return f"flask_alipay.{purpose}.{self._merchant}"


def _is_canonical(token: str) -> bool:
    """Return whether each part is encoded as :meth:`Tokens.make` does: the decoder also accepts
    padding, other characters and surplus bits.

    :raises BadData: if a part is not base64.
    """
    parts = token.encode("ascii", "replace").split(b".")
    return all(base64_encode(base64_decode(part)) == part for part in parts)
