"""Values that Alipay and attackers may send, for hypothesis."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

from flask_alipay.protocol.charsets import canonical_charset


def examples(number: int) -> int:
    """Return how many examples a test of many has: all of them where all tests are to run."""
    share = settings.default.max_examples / 100 if settings.default else 1
    return max(1, int(number * share))


CHARSETS = ("utf-8", "UTF-8", "utf8", "gbk", "GBK", "gb2312", "gb18030")

charsets = st.sampled_from(CHARSETS)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,15}", fullmatch=True).filter(
    lambda name: name not in {"sign", "sign_type", "charset", "_input_charset", "alipay_cert_sn"}
)


def texts(charset: str) -> st.SearchStrategy[str]:
    """Any text in a charset but NUL; often with the characters that mean something in a form."""
    codepage = canonical_charset(charset)
    return st.one_of(
        st.text(st.sampled_from("+ %&=中文1a;\r\n"), max_size=20),
        st.text(st.characters(codec=codepage, exclude_characters="\0"), max_size=20),
    )


def params(charset: str) -> st.SearchStrategy[dict[str, str]]:
    """Parameters without a signature and without a charset of their own."""
    return st.dictionaries(names, texts(charset), max_size=12)


def hostile_bodies() -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and some that almost are a notification."""
    pieces = st.sampled_from(
        [
            b"&",
            b"=",
            b"%",
            b"%0",
            b"%00",
            b"%FF",
            b"%D6%D0",
            b"%E4%B8%AD",
            b"+",
            b"\xd6\xd0",
            b"\xff",
            b"\0",
            b"charset=",
            b"&charset=gbk",
            b"&_input_charset=utf-8",
            b"&charset=utf-7",
            b"&charset=idna",
            b"&charset=rot13",
            b"&sign=",
            b"&sign=AAAA",
            b"&sign_type=RSA2",
            b"&out_trade_no=1",
            b"&trade_status=TRADE_SUCCESS",
            b"&total_amount=88.88",
            b"a=b",
        ]
    )
    return st.one_of(
        st.binary(), st.lists(st.one_of(pieces, st.binary(max_size=3)), max_size=20).map(b"".join)
    )
