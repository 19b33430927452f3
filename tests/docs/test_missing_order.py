"""The page about a missing order: its commands print what it shows."""

from __future__ import annotations

import re

import pytest

from ..doubles.app import Shop, make_shop
from .reading import page

BLOCK = re.compile(r"^\.\. code-block:: console\n\n((?:    .*\n|\n)+)", re.M)
LOST = "20260131000000000000000001"
FAILED = "20260131000000000000000002"


def cases() -> dict[str, list[tuple[str, str]]]:
    """Return the commands of each case, by order number, with their output."""
    found: dict[str, list[tuple[str, str]]] = {LOST: [], FAILED: []}
    before, after = page("missing-order.rst").split("\nThe notification arrived, but")
    for number, text in ((LOST, before), (FAILED, after)):
        for block in BLOCK.findall(text):
            command, *printed = [line[4:] for line in block.rstrip().splitlines()]
            found[number].append((command.removeprefix("$ flask alipay "), "\n".join(printed)))
    return found


def normalized(text: str) -> str:
    """Replace times and trade numbers, which differ between runs."""
    text = re.sub(r"(\d{4}-)?\d\d-\d\d \d\d:\d\d(:\d\d)?", lambda found: "T" * len(found[0]), text)
    text = re.sub(r"\b\d{28}\b", "N" * 28, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def paid_order(number: str, **config: str) -> tuple[Shop, list[str]]:
    """Return a shop with one order, paid at Alipay, and the list of its shipments."""
    shop, done = make_shop(ALIPAY_SIMULATOR=True, **config), ["broken"]

    def ship(payment: object) -> None:
        if done == ["broken"] and not config:
            raise RuntimeError("out of labels")
        done.append("ship")

    ship.__module__, ship.__qualname__ = "shop", "ship"  # as in a shop
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
    [(LOST, {"ALIPAY_NOTIFY_URL": "http://127.0.0.1:9/lost"}), (FAILED, {})],
    ids=["lost", "callback failed"],
)
def test_the_commands_of_a_case_print_what_the_page_shows(
    number: str, config: dict[str, str]
) -> None:
    shop, done = paid_order(number, **config)
    commands = cases()[number]
    assert len(commands) >= 3
    for command, printed in commands:
        result = shop.run(*command.split(), stdin="y\n", COLUMNS="90")
        # The shop on the page uses no simulator.
        output = "\n".join(
            line for line in result.output.splitlines() if not line.startswith("The simulator is")
        )
        assert normalized(output) == normalized(printed), command
        assert result.exit_code == 0
    assert done == ["ship"]
