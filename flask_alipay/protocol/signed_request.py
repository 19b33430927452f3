"""Signed requests that a browser sends: as a URL, or as a form that submits itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from ..signer import Signer, sign_params
from .charsets import canonical_charset, encode, percent_encode

# The charset parameter must be known before the body is decoded: it goes into the URL.
_CHARSET_NAMES = ("_input_charset", "charset")

# The characters that browsers encode as 80 to 9F in windows-1252; five of these bytes are
# unassigned and encode the control character of the same number.
_WINDOWS_1252 = {
    byte: bytes([byte]).decode("cp1252")
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


@dataclass(frozen=True)
class SignedRequest:
    """A signed request that the buyer's browser sends to the gateway."""

    #: The gateway's URL.
    gateway_url: str
    #: All parameters including ``sign``, as text that is not encoded yet.
    params: Mapping[str, str] = field(repr=False)
    #: The charset in which the request is signed and must be sent.
    charset: str
    #: The bytes that were signed.
    content: bytes = field(repr=False)

    @property
    def query(self) -> str:
        """The encoded parameters."""
        return "&".join(
            [
                f"{percent_encode(name, self.charset)}={percent_encode(value, self.charset)}"
                for name, value in self.params.items()
            ]
        )

    @property
    def order_string(self) -> str:
        """The request for Alipay's SDK in an app or a mini-program (``orderStr``)."""
        return self.query

    @property
    def url(self) -> str:
        """The request as one URL, for a redirect or a link."""
        return f"{self.gateway_url}?{self.query}"

    @property
    def form_action(self) -> str:
        """The URL to which a form is posted. Its query declares the charset of the body."""
        charset = {name: self.params[name] for name in _CHARSET_NAMES if name in self.params}
        return f"{self.gateway_url}?{urlencode(charset)}" if charset else self.gateway_url

    @property
    def form_charset(self) -> str:
        """The ``accept-charset`` of a form with :attr:`form_fields`."""
        return "utf-8" if canonical_charset(self.charset) == "utf-8" else "windows-1252"

    @property
    def form_fields(self) -> Mapping[str, str]:
        """The values of a form's fields by name.

        Browsers encode some characters differently from Alipay: in ``gbk`` the euro sign, in
        ``gb18030`` two characters. Each value of such a request therefore holds the signed bytes as
        windows-1252 characters, which browsers encode to the same bytes.
        """
        if self.form_charset == "utf-8":
            return self.params
        return {
            name: encode(value, self.charset).decode("latin-1").translate(_WINDOWS_1252)
            for name, value in self.params.items()
        }

    def form(self, *, nonce: str | None = None, target: str | None = None) -> str:
        """Return the request as an HTML form that submits itself, with a button for browsers
        without script.

        A form may be longer than a URL. The browser sends exactly the signed bytes, whatever the
        charset of the surrounding page.

        :param nonce: for the script, if the page has a Content-Security-Policy.
        :param target: the browser tab to open the form in, for example ``_blank``.
        """
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in self.form_fields.items()
        )
        # The button has no name: browsers would send it, and the signature would not match.
        return (
            f'<form id="alipay-request" method="post" action="{escape(self.form_action)}"'
            f' accept-charset="{self.form_charset}"{_attribute("target", target)}>'
            f'{hidden}<noscript><button type="submit">Alipay</button></noscript></form>'
            f"<script{_attribute('nonce', nonce)}>"
            f'document.getElementById("alipay-request").submit()</script>'
        )


def sign_request(
    gateway_url: str,
    params: Mapping[str, str],
    signer: Signer,
    *,
    charset: str,
    exclude: Collection[str],
) -> SignedRequest:
    """Sign a request.

    :param gateway_url: the gateway's URL.
    :param params: decoded text by name, without ``sign``. Empty values are not sent.
    :param signer: the merchant's signer.
    :param charset: the charset in which the request is signed and sent.
    :param exclude: names that are sent but not signed.
    :raises InvalidParameter: if a parameter has a character that the charset lacks.
    """
    sent, content = sign_params(params, signer, exclude=exclude, charset=charset)
    return SignedRequest(gateway_url, sent, charset, content)


def _attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{escape(value)}"'
