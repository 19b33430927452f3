"""Diagnosis of gateway responses, and of results that Alipay's SDK gives to a phone app.

Both are an envelope in JSON, with a signature over the exact text of one node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import rsa

from ..diagnosis import Diagnosis, Hint, Reason, hints
from ..diagnosis.messages import NO_HINT, join_hints, message
from ..diagnosis.payload import CHARSETS
from ..diagnosis.signatures import candidates, recover_signature, rsa_signature
from ..exceptions import InvalidParameter, OutcomeUnknown
from ..gateways.openapi.responses import Envelope, open_envelope
from ..signer import RsaSigner, Signer

_NODE = re.compile(rb'"(\w{1,128})_response"')
_UNREADABLE = message("It contains no readable response of Alipay's gateway.")


def diagnose_response(
    body: bytes, signer: Signer, others: Mapping[str, Signer], merchant_key: rsa.RSAPublicKey | None
) -> Diagnosis:
    """Diagnose whether a response verifies and, if it does not, why.

    :param body: the JSON in UTF-8, as it was captured.
    :param signer: the configured signer.
    :param others: other known signers by their owner.
    :param merchant_key: the public half of the merchant's private key.
    :return: the diagnosis.
    """
    node = _NODE.search(body)
    try:
        envelope = open_envelope(body, node[1].decode() if node else "")
    except OutcomeUnknown:
        return Diagnosis(False, Reason.UNREADABLE, _UNREADABLE, signer.sign_type)
    charset = _charset(envelope, signer)
    if charset is None:
        reason, hint = _reason(envelope, signer, others, merchant_key)
    else:
        reason, hint = Reason.OK, NO_HINT
    keys = (candidate.key for candidate in candidates(envelope.sign, signer))
    key = next((each for each in keys if each is not None), None)
    params, valid = _params(envelope), charset is not None
    return Diagnosis(valid, reason, hint, signer.sign_type, charset, key, params)


def _reason(
    envelope: Envelope,
    signer: Signer,
    others: Mapping[str, Signer],
    merchant_key: rsa.RSAPublicKey | None,
) -> tuple[str, Hint]:
    """Return the reason why it does not verify, the proven ones first."""
    signature = rsa_signature(envelope.sign)
    if not envelope.sign:
        return Reason.MISSING_SIGN, hints.RESPONSE_NOT_SIGNED
    if signature is None:
        return Reason.ALTERED, hints.DAMAGED
    if any(_charset(each, signer) for each in _rewritten(envelope)):
        return Reason.REFORMATTED, hints.RESPONSE_REWRITTEN
    if any(candidate.key is not None for candidate in candidates(envelope.sign, signer)):
        return Reason.ALTERED, hints.ALTERED
    for owner, other in others.items():
        if _charset(envelope, other):
            return Reason.WRONG_KEY, message(hints.SIGNED_BY, owner=owner)
    if merchant_key is not None and recover_signature(signature, merchant_key):
        return Reason.OWN_SIGNATURE, hints.MERCHANT_SIGNATURE
    if not isinstance(signer, RsaSigner):
        return Reason.SIGN_TYPE_MISMATCH, hints.RESPONSE_OF_RSA
    return Reason.WRONG_KEY, join_hints(hints.NONE_OF_THE_KEYS, hints.KEY_OF_THIS_APP)


def _charset(envelope: Envelope, signer: Signer) -> str | None:
    """Return the charset in which it verifies; ``None`` if it does not."""
    for charset in CHARSETS:
        try:
            if replace(envelope, charset=charset).signed_by(signer):
                return charset
        except (UnicodeEncodeError, InvalidParameter):
            continue
    return None


def _rewritten(envelope: Envelope) -> Iterator[Envelope]:
    """Yield the node as Alipay formats it, in case a program parsed and reformatted it."""
    try:
        value = json.loads(envelope.node)
    except ValueError:
        return
    for ascii_only in (False, True):
        node = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
        yield replace(envelope, node=node)
        yield replace(envelope, node=node.replace("/", "\\/"))


def _params(envelope: Envelope) -> dict[str, str]:
    value = envelope.value if isinstance(envelope.value, dict) else {}
    params = {
        name: each if isinstance(each, str) else json.dumps(each, ensure_ascii=False, default=str)
        for name, each in value.items()
    }
    return {**params, "sign": envelope.sign} if envelope.sign else params
