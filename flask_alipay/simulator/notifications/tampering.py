"""Tampering with signed notifications on their way."""

from __future__ import annotations

import re

# The amount, in a form or in the document in it; of a batch, that of its first entry.
_AMOUNT = re.compile(
    rb"((?:^|&)(?:total_amount|total_fee)=|total_fee%3E"
    rb"|(?:^|&)result_details=[^&]*?%5E"
    rb"|(?:^|&)(?:success|fail)_details=(?:[^&]*?%5E){3})([^&%]+)"
)
# Beginning of a text, likewise; notifications in foreign currency have only its name.
_TEXT = re.compile(rb"(?:^|&)subject=|subject%3E|(?:^|&)(?:batch_no|currency)=")

_NUMBER = re.compile(rb"(?:^|&)notify_id=")


def tamper_amount(body: bytes) -> bytes:
    """Return a signed notification with another amount, a message with another number."""
    tampered = _AMOUNT.sub(_other_amount, body, count=1)
    return tampered if tampered != body else _NUMBER.sub(rb"\g<0>0", body, count=1)


def corrupt_text(body: bytes) -> bytes:
    """Return a signed notification with a byte that is invalid in each of Alipay's charsets."""
    return _TEXT.sub(rb"\g<0>%FF", body, count=1)


def _other_amount(found: re.Match[bytes]) -> bytes:
    return found[1] + (b"0.02" if found[2] == b"0.01" else b"0.01")
