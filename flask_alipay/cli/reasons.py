"""Each reason of a diagnosis in one sentence, for readers of another language than its hints'.

A hint is made of the payload at hand and is in English; the sentence here says the same in general,
in the reader's language, and stands before it.
"""

from __future__ import annotations

from ..diagnosis import Reason
from .wording import N_, _, language

SENTENCES = {
    Reason.UNREADABLE: N_("There are no parameters to be read in it."),
    Reason.MALFORMED: N_("There are parameters, but not as Alipay sends them."),
    Reason.MISSING_SIGN: N_("It has no signature."),
    Reason.SIGN_TYPE_MISMATCH: N_("It was signed with another algorithm than the configured one."),
    Reason.CHARSET: N_("It was read or written in another charset than it was signed in."),
    Reason.SIGN_TYPE_IN_STRING: N_("The signature holds with sign_type among the words signed."),
    Reason.EMPTY_KEPT: N_("The signature holds with empty values among the words signed."),
    Reason.DOUBLE_DECODED: N_("A value was percent-decoded once too often."),
    Reason.PLUS_SPACE: N_("Plus signs and spaces were exchanged."),
    Reason.HTML_ESCAPED: N_("It was escaped for HTML: verify the raw body."),
    Reason.NOT_DECODED: N_("Values are still percent-encoded."),
    Reason.BACKSLASHES: N_("Quotes in the values carry backslashes."),
    Reason.LIST_VALUES: N_("Each value is a list: take its one item."),
    Reason.EXTRA_PARAMETER: N_("A parameter was added to those that were signed."),
    Reason.MISSING_PARAMETER: N_("A parameter that was signed is missing."),
    Reason.REFORMATTED: N_("Values were read into types and written anew."),
    Reason.TRUNCATED: N_("A value was cut off at its end."),
    Reason.SIGN_CHANGED: N_("The signature's own text was changed."),
    Reason.ALTERED: N_("The words are not those that were signed."),
    Reason.WRONG_KEY: N_("None of the configured keys made the signature."),
    Reason.WRONG_ENVIRONMENT: N_("It comes from Alipay's sandbox."),
    Reason.OWN_PUBLIC_KEY: N_(
        "The key configured as Alipay's is your own: set Alipay's (支付宝公钥)."
    ),
    Reason.OWN_SIGNATURE: N_("Your own private key made the signature, not Alipay's."),
}


def sentence_for(reason: str) -> str:
    """Returns a reason in the reader's language; empty where its hint is in it already."""
    sentence = SENTENCES.get(reason)
    return _(sentence) if sentence and language() else ""
