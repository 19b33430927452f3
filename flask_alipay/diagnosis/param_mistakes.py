"""Mistakes in which parameters are signed: too many, too few, or those that never are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from ..protocol.parameter_names import NOTIFICATION_NAMES
from . import hints
from .hypotheses import UNSIGNED, Hypothesis
from .messages import message
from .payload import ParsedPayload, printable

# Beyond so many strangers, none is left out together with another: there are too many pairs.
_MAX_PAIRED = 20

# What Alipay says in the same words to everybody.
_SAME_FOR_ALL = {
    "charset": ("utf-8", "UTF-8", "GBK", "gbk"),
    "version": ("1.0",),
    "notify_type": ("trade_status_sync",),
    "payment_type": ("1",),
}


def sign_type_in_string(evidence: ParsedPayload) -> Iterator[Hypothesis]:
    """The signature covers ``sign_type``, or it was lost from such words."""
    hint = message(
        "The signature covers sign_type as well. Requests to the open platform and its messages "
        "(msg_method) are signed like that, notifications and returns of payments are not: this "
        "is not about a payment, or the signer kept sign_type by mistake."
    )
    said = evidence.params.get("sign_type")
    for sign_type in (said,) if said else ("RSA2", "RSA", "MD5"):
        yield Hypothesis({**evidence.params, "sign_type": sign_type}, hint, exclude=("sign",))


def empty_kept(evidence: ParsedPayload) -> Iterator[Hypothesis]:
    """Values that are empty were signed."""
    hint = message(
        "The signed string contained parameters without a value. Alipay leaves them out, and so "
        "must every signer: remove empty values before signing."
    )
    if all(evidence.params.values()):
        return
    for exclude in (UNSIGNED, ("sign",)):
        yield Hypothesis(evidence.params, hint, exclude=exclude, keep_empty=True)


def extra_parameter(evidence: ParsedPayload) -> Iterator[Hypothesis]:
    """The shop's own parameters among Alipay's."""
    strangers = [
        name for name, value in evidence.params.items() if value and name not in NOTIFICATION_NAMES
    ]
    counts = (1, 2) if len(strangers) <= _MAX_PAIRED else (1,)
    removed = [extra for count in counts for extra in combinations(strangers, count)]
    if len(strangers) > 2:
        removed.append(tuple(strangers))
    for extra in removed:
        named = " and ".join(map(printable, extra[:5])) + (" and more" if extra[5:] else "")
        yield Hypothesis(
            {name: text for name, text in evidence.params.items() if name not in extra},
            message(hints.WITHOUT, names=named),
        )


def added_param(evidence: ParsedPayload) -> Iterator[Hypothesis]:
    """One of Alipay's was filled in after it was signed."""
    for extra, value in evidence.params.items():
        if value and extra in NOTIFICATION_NAMES and extra not in UNSIGNED:
            yield Hypothesis(
                {name: text for name, text in evidence.params.items() if name != extra},
                message(hints.FILLED_IN, name=printable(extra)),
            )


def missing_parameter(evidence: ParsedPayload) -> Iterator[Hypothesis]:
    """What has the same value for everybody, or is told elsewhere in it, was lost."""
    given = evidence.params
    known = dict(_SAME_FOR_ALL)
    for name, other in (("app_id", "auth_app_id"), ("auth_app_id", "app_id")):
        if given.get(other):
            known[name] = (given[other],)
    lost = {name: texts for name, texts in known.items() if not given.get(name)}
    for count in (1, 2):
        for names in combinations(lost, count):
            hint = message(hints.PUT_BACK, names=" and ".join(names))
            for texts in product(*(lost[name] for name in names)):
                yield Hypothesis({**given, **dict(zip(names, texts, strict=True))}, hint)
