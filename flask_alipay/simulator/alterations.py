"""What may become of a signed notification before it arrives."""

from __future__ import annotations

import re

# The amount, in a form or in the document in it; a batch has none but its entries.
_AMOUNT = re.compile(rb"((?:^|&)(?:total_amount|total_fee|result_details)=|total_fee%3E)[^&%]+")
# Where a text begins, likewise.
_TEXT = re.compile(rb"(?:^|&)subject=|subject%3E|(?:^|&)batch_no=")


def tampered(body: bytes) -> bytes:
    """Returns a signed notification with another amount, as somebody on the way would like it."""
    return _AMOUNT.sub(rb"\g<1>0.01", body, count=1)


def garbled(body: bytes) -> bytes:
    """Returns a signed notification with a byte that is in no text of any of Alipay's charsets."""
    return _TEXT.sub(rb"\g<0>%FF", body, count=1)
