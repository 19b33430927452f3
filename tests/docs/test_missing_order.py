"""The page about a missing order is lived through: its commands print what it shows."""

from __future__ import annotations

import re

import pytest

from ..cli.shop import Shop, make_shop
from .reading import page

BLOCK = re.compile(r"^\.\. code-block:: console\n\n((?:    .*\n|\n)+)", re.M)
LOST = "20260131000000000000000001"
BURNT = "20260131000000000000000002"


def cases() -> dict[str, list[tuple[str, str]]]:
    """The commands of each case, by the order it is about, with what they print."""
    found: dict[str, list[tuple[str, str]]] = {LOST: [], BURNT: []}
    before, after = page("missing-order.rst").split("\nAlipay came, and the shop")
    for number, text in ((LOST, before), (BURNT, after)):
        for block in BLOCK.findall(text):
            command, *printed = [line[4:] for line in block.rstrip().splitlines()]
            found[number].append((command.removeprefix("$ flask alipay "), "\n".join(printed)))
    return found


def settled(text: str) -> str:
    """Without what differs from day to day."""
    text = re.sub(r"(\d{4}-)?\d\d-\d\d \d\d:\d\d(:\d\d)?", lambda found: "T" * len(found[0]), text)
    text = re.sub(r"\b\d{28}\b", "N" * 28, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def bought(number: str, **config: str) -> tuple[Shop, list[str]]:
    """A shop where somebody has paid, and what it did about it."""
    shop, done = make_shop(ALIPAY_SIMULATOR=True, **config), ["broken"]

    def ship(payment: object) -> None:
        if done == ["broken"] and not config:
            raise RuntimeError("out of labels")
        done.append("ship")

    ship.__module__, ship.__qualname__ = "shop", "ship"  # as it would be called in a shop
    shop.alipay.on_paid(ship)

    with shop.app.test_request_context():
        payment = shop.alipay.create_payment(
            subject="Tea", total_amount="88.88", out_trade_no=number
        )
        shop.db.session.commit()
        url = shop.alipay.pay_url(payment)
    buyer = shop.app.test_client()
    cashier = buyer.get(url, follow_redirects=True).request.path
    buyer.post(f"{cashier}/pay")
    done.clear()
    return shop, done


@pytest.mark.parametrize(
    ("number", "config"),
    [(LOST, {"ALIPAY_NOTIFY_URL": "http://127.0.0.1:9/lost"}), (BURNT, {})],
    ids=["lost", "burnt"],
)
def test_the_case_goes_as_the_page_tells(number: str, config: dict[str, str]) -> None:
    shop, done = bought(number, **config)
    commands = cases()[number]
    assert len(commands) >= 3
    for command, printed in commands:
        result = shop.run(*command.split(), stdin="y\n", COLUMNS="90")
        # The page's shop has no simulator.
        output = "\n".join(
            line for line in result.output.splitlines() if not line.startswith("The simulator is")
        )
        assert settled(output) == settled(printed), command
        assert result.exit_code == 0
    assert done == ["ship"]
