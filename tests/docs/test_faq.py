"""The frequent questions quote messages that exist."""

from __future__ import annotations

import re

import pytest

from ..test_translations import pairs
from ..translations import CATALOGUES
from .reading import page, section

#: The texts that the package may print, and their translations.
PRINTED = {path.parts[-3]: pairs(path) for path in CATALOGUES}["zh_CN"]
OUR_MESSAGES = re.findall(
    r'^    "([^"]+)", "', section(page("faq.rst"), "Messages of this package"), re.M
)
#: How many codes and texts of Alipay have a line.
ALIPAYS = re.findall(r'^    "(.*?)", "', section(page("faq.rst"), "Messages of Alipay"), re.M)


@pytest.mark.parametrize("message", OUR_MESSAGES)
def test_a_quoted_message_of_the_package_exists(message: str) -> None:
    pattern = re.compile(r"\{\w+\}".join(map(re.escape, message.split("..."))))
    assert [english for english, _chinese in PRINTED if pattern.search(english)] != []


def test_messages_of_both_sides_are_quoted() -> None:
    assert len(OUR_MESSAGES) > 10
    assert len(ALIPAYS) > 20


def test_each_message_is_quoted_once() -> None:
    assert len(set(OUR_MESSAGES)) == len(OUR_MESSAGES)
    assert len(set(ALIPAYS)) == len(ALIPAYS)
