"""The tokens in our URLs: they name a payment, cannot be made up, and stop working."""

from __future__ import annotations

from collections.abc import Sequence

from itsdangerous import BadData, SignatureExpired, URLSafeTimedSerializer

from ..exceptions import BadToken, ExpiredToken


class Tokens:
    """Makes and reads the tokens of one app and merchant.

    :param secret_keys: the app's, oldest first: the last signs, each verifies.
    :param merchant: a token is good for this merchant's pages only.
    :param max_age: seconds that a token works.
    """

    def __init__(self, secret_keys: Sequence[str | bytes], merchant: str, max_age: int) -> None:
        keys = [key.encode() if isinstance(key, str) else key for key in secret_keys]
        self._serializer = URLSafeTimedSerializer(keys, salt="flask_alipay")
        self._merchant = merchant
        self._max_age = max_age

    def make(self, purpose: str, out_trade_no: str) -> str:
        """Returns a token.

        :param purpose: the page that it opens; it opens no other.
        :param out_trade_no: the payment.
        """
        return str(self._serializer.dumps(out_trade_no, salt=self._salt(purpose)))

    def read(self, purpose: str, token: str) -> str:
        """Returns the ``out_trade_no`` of a token.

        :raises ExpiredToken: if it is too old.
        :raises BadToken: if it was not made here for this purpose.
        """
        try:
            value = self._serializer.loads(token, max_age=self._max_age, salt=self._salt(purpose))
        except SignatureExpired:
            raise ExpiredToken("the token has expired") from None
        except BadData:
            raise BadToken("the token was not made here") from None
        return str(value)

    def _salt(self, purpose: str) -> str:
        return f"flask_alipay.{purpose}.{self._merchant}"
