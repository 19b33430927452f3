"""Mistakes in the choice of signed parameters: too many, too few, or ones never signed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from ..protocol.parameter_names import NOTIFICATION_NAMES
from . import hints
from .hypotheses import UNSIGNED, Hypothesis
from .messages import message
from .payload import ParsedPayload, printable

# Above this number of unknown parameters, pairs of them are not tried.
_MAX_PAIRED = 20

# Parameters with the same values for all merchants.
_SAME_FOR_ALL = {
    "charset": ("utf-8", "UTF-8", "GBK", "gbk"),
    "version": ("1.0",),
    "notify_type": ("trade_status_sync",),
    "payment_type": ("1",),
}


def sign_type_in_string(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Include ``sign_type`` in the signed content, also if it was lost since."""
    hint = message(
        "The signature covers sign_type as well. Requests to the open platform and its messages "
        "(msg_method) are signed like that, notifications and returns of payments are not: this "
        "is not about a payment, or the signer kept sign_type by mistake."
    )
    declared = parsed.params.get("sign_type")
    for sign_type in (declared,) if declared else ("RSA2", "RSA", "MD5"):
        yield Hypothesis({**parsed.params, "sign_type": sign_type}, hint, exclude=("sign",))


def empty_kept(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Include empty values in the signed content."""
    hint = message(
        "The signed string contained parameters without a value. Alipay leaves them out, and so "
        "must every signer: remove empty values before signing."
    )
    if all(parsed.params.values()):
        return
    for exclude in (UNSIGNED, ("sign",)):
        yield Hypothesis(parsed.params, hint, exclude=exclude, keep_empty=True)


def extra_parameter(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Remove parameters that are not Alipay's."""
    unknown = [
        name for name, value in parsed.params.items() if value and name not in NOTIFICATION_NAMES
    ]
    counts = (1, 2) if len(unknown) <= _MAX_PAIRED else (1,)
    removed = [extra for count in counts for extra in combinations(unknown, count)]
    if len(unknown) > 2:
        removed.append(tuple(unknown))
    for extra in removed:
        named = " and ".join(map(printable, extra[:5])) + (" and more" if extra[5:] else "")
        yield Hypothesis(
            {name: text for name, text in parsed.params.items() if name not in extra},
            message(hints.WITHOUT, names=named),
        )


def added_param(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Remove one of Alipay's parameters, added after signing."""
    for extra, value in parsed.params.items():
        if value and extra in NOTIFICATION_NAMES and extra not in UNSIGNED:
            yield Hypothesis(
                {name: text for name, text in parsed.params.items() if name != extra},
                message(hints.FILLED_IN, name=printable(extra)),
            )


def missing_parameter(parsed: ParsedPayload) -> Iterator[Hypothesis]:
    """Restore lost parameters with values that are the same for all merchants, or that another
    parameter repeats.
    """
    given = parsed.params
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
