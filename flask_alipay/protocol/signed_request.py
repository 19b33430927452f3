"""A signed request, ready to be sent by a browser: as a URL or as a form that submits itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

from ..signer import Signer, sign_content
from .charsets import canonical_charset, encode, percent_encode

# The parameter that names the charset has to be readable before the body is: it goes into the URL.
_CHARSET_NAMES = ("_input_charset", "charset")

# The characters with which browsers write 80 to 9F in windows-1252; five bytes have none of their
# own and are written for the control character of the same number.
_WINDOWS_1252 = {
    byte: bytes([byte]).decode("cp1252")
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


@dataclass(frozen=True)
class SignedRequest:
    """What the buyer's browser is to bring to the gateway."""

    #: The gateway's address.
    gateway_url: str
    #: All parameters, ``sign`` among them, as text that is not encoded yet.
    params: Mapping[str, str] = field(repr=False)
    #: The charset in which it is signed and has to be sent.
    charset: str
    #: The bytes that were signed.
    content: bytes = field(repr=False)

    @property
    def query(self) -> str:
        """The parameters alone, encoded: what an app hands to Alipay's own."""
        return "&".join(
            [
                f"{percent_encode(name, self.charset)}={percent_encode(value, self.charset)}"
                for name, value in self.params.items()
            ]
        )

    @property
    def url(self) -> str:
        """The request as one URL, for a redirect or a link."""
        return f"{self.gateway_url}?{self.query}"

    @property
    def form_action(self) -> str:
        """The address that a form is posted to. It names the charset of the body."""
        charset = {name: self.params[name] for name in _CHARSET_NAMES if name in self.params}
        return f"{self.gateway_url}?{urlencode(charset)}" if charset else self.gateway_url

    @property
    def form_charset(self) -> str:
        """The ``accept-charset`` of a form with :attr:`form_fields`."""
        return "utf-8" if canonical_charset(self.charset) == "utf-8" else "windows-1252"

    @property
    def form_fields(self) -> Mapping[str, str]:
        """The values of a form's fields by name.

        Browsers do not write all of Alipay's GBK as Alipay reads it: of ``gbk`` the euro sign is
        another byte, of ``gb18030`` two characters are others. So each value of such a request
        holds the signed bytes, one character of windows-1252 for each, which browsers write as
        they are.
        """
        if self.form_charset == "utf-8":
            return self.params
        return {
            name: encode(value, self.charset).decode("latin-1").translate(_WINDOWS_1252)
            for name, value in self.params.items()
        }

    def form(self, *, nonce: str | None = None, target: str | None = None) -> str:
        """Return the request as an HTML form that submits itself, with a button without script.

        Good for requests that are longer than a URL may be. The browser sends exactly the signed
        bytes, whatever the charset of the page that the form is in.

        :param nonce: for the script, where the page has a Content-Security-Policy.
        :param target: the browser tab to open it in, for example ``_blank``.
        """
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in self.form_fields.items()
        )
        # The button has no name: a named one would be sent along and break the signature.
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
    """Signs a request.

    :param params: decoded text by name, without ``sign``. Empty values are not sent.
    :param charset: the charset to sign and to send it in.
    :param exclude: names that are sent but not signed.
    :raises InvalidParameter: names the parameter with a character that the charset does not have.
    """
    sent = {name: value for name, value in params.items() if value}
    content = sign_content(sent, exclude=exclude, charset=charset)
    sent["sign"] = signer.sign(content)
    return SignedRequest(gateway_url, sent, charset, content)


def _attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{escape(value)}"'
