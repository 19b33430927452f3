"""Draw the diagrams of the documentation with Graphviz: run it after changing what they show.

``_static/states.svg`` is drawn from the ledger's table of transitions. The sequence of a payment
has texts in two languages; on Chinese pages Sphinx shows ``payment.zh_CN.svg`` instead of
``payment.svg``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from flask_alipay.ledger.transitions import CLOSED_UNPAID, REFUNDED, TRANSITIONS, changes_state

STATIC = Path(__file__).parent / "_static"

_FONT = 'fontname="Helvetica, Arial, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif"'
_HEAD = f"""
  graph [bgcolor=white, {_FONT}, fontsize=12]
  node [shape=box, style="rounded,filled", fillcolor="#f3f6fb", color="#5b6b85"]
  node [{_FONT}, fontsize=12]
  edge [{_FONT}, fontsize=11]
"""
_GREY = '"#9aa5b8"'
_COLOURS = {
    "paid": "#1f7a3f",
    "finished": "#1f7a3f",
    "failed": "#b3261e",
    "refunded": "#b35c00",
    "recorded": "#6b7280",
}


def transitions() -> Iterator[tuple[str, str, str]]:
    """Yield each change of a payment: its state, the new state and the event."""
    for (state, reported), cell in TRANSITIONS.items():
        if changes_state(cell):
            closed = {"failed": CLOSED_UNPAID, "refunded": REFUNDED}
            yield state, closed.get(cell, reported), cell


def groups() -> dict[str, tuple[str, ...]]:
    """Return the states before a sale, and those of a sale that can be refunded."""
    by_event = {
        name: tuple(dict.fromkeys(state for state, _new, event in transitions() if name in event))
        for name in ("paid", "refunded")
    }
    return {"unpaid": by_event["paid"], "sale": by_event["refunded"]}


def states() -> str:
    """Return the graph of the ledger's states; a change of all states of a group is one arrow."""
    lines = ["digraph states {" + _HEAD, "  compound=true; ranksep=0.45; nodesep=0.35"]
    for name, members in groups().items():
        lines.append(f"  subgraph cluster_{name} {{ color={_GREY}; {'; '.join(members)} }}")
    for source, new, event in arrows():
        members = groups().get(source, (source,))
        tail = f"ltail=cluster_{source}, " if source in groups() else ""
        style = f'{tail}label="{event}", color="{_colour(event)}", fontcolor="{_colour(event)}"'
        lines.append(f"  {members[0]} -> {new} [{style}]")
    return "\n".join((*lines, "}"))


def arrows() -> Iterator[tuple[str, str, str]]:
    """Yield the arrows of the states: a state or a group, the new state and the event."""
    for new, event in dict.fromkeys((new, event) for _state, new, event in transitions()):
        sources = [state for state, *change in transitions() if change == [new, event]]
        for name, members in groups().items():
            if set(members) <= set(sources):
                yield name, new, event
                sources = [state for state in sources if state not in members]
        yield from ((state, new, event) for state in sources)


def _colour(event: str) -> str:
    return _COLOURS[event.partition("+")[0]]


#: From, to, and the text in English and Chinese; the participants are columns.
PARTICIPANTS = {
    "shop": ("Your shop", "你的应用"),
    "buyer": ("Buyer", "买家"),
    "alipay": ("Alipay", "支付宝"),
}
STEPS = (
    ("buyer", "shop", "order", "下单"),
    ("shop", "shop", "create_payment, commit", "create_payment，提交事务"),
    ("shop", "buyer", "redirect to the checkout page", "跳转到支付页"),
    ("buyer", "alipay", "signed payment request", "已加签的支付请求"),
    ("buyer", "alipay", "pays on the cashier page", "在收银台付款"),
    (
        "alipay",
        "shop",
        "POST /alipay/notify (asynchronous notification)",
        "POST /alipay/notify（异步通知）",
    ),
    (
        "shop",
        "shop",
        "verify, match, claim the payment,\\non_paid, journal, commit",
        "验签、核对、入账，\\n回调函数、通知日志、提交事务",
    ),
    ("shop", "alipay", "success", "success"),
    (
        "alipay",
        "buyer",
        "redirect to /alipay/return (synchronous)",
        "跳转到 /alipay/return（同步跳转）",
    ),
    ("buyer", "shop", "result page", "结果页"),
    ("shop", "alipay", "without a notification: query", "未收到通知时：查询交易"),
)


def sequence(language: int) -> str:
    """Return the graph of a payment's sequence, with a fixed place for everything.

    :param language: 0 for English, 1 for Chinese.
    """
    columns = {name: number * 280 for number, name in enumerate(PARTICIPANTS)}
    bottom = -48 * len(STEPS) - 32
    lines = ["digraph payment {" + _HEAD, "  layout=neato; inputscale=72; splines=line"]
    for name, titles in PARTICIPANTS.items():
        x = columns[name]
        lines.append(
            f'  {name} [label="{titles[language]}", pos="{x},0!", width=1.3, fillcolor="#e3ecfa"]'
        )
        lines.append(f'  {name}_end [shape=point, width=0.02, pos="{x},{bottom}!"]')
        lines.append(f"  {name} -> {name}_end [arrowhead=none, style=dashed, color={_GREY}]")
    lines.append('  node [shape=plaintext, style="", margin=0, height=0.2]')
    lines.append('  edge [arrowhead=vee, color="#1f4e9c"]')
    for number, (sender, receiver, *texts) in enumerate(STEPS, start=1):
        y = -48 * number
        text = f"{number}. {texts[language]}"
        if sender == receiver:
            lines.append(
                f'  step{number} [label="{text}", shape=box, style="filled", margin=0.08,'
                f' fillcolor="#fff8e1", color="#b08900", pos="{columns[sender]},{y}!"]'
            )
            continue
        middle = (columns[sender] + columns[receiver]) / 2
        lines.append(f'  step{number} [label="{text}", pos="{middle},{y + 10}!"]')
        for end, name in (("from", sender), ("to", receiver)):
            lines.append(f'  {end}{number} [shape=point, width=0.02, pos="{columns[name]},{y}!"]')
        lines.append(f"  from{number} -> to{number}")
    return "\n".join((*lines, "}"))


def diagrams() -> dict[str, str]:
    """Return the source of each picture in Graphviz's language, by its file."""
    return {
        "states.svg": states(),
        "payment.svg": sequence(0),
        "payment.zh_CN.svg": sequence(1),
    }


if __name__ == "__main__":
    for name, source in diagrams().items():
        subprocess.run(["dot", "-Tsvg", "-o", STATIC / name], input=source, text=True, check=True)
