"""From a payload and keys to a verdict with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric import rsa

from ..exceptions import BadNotification, BadSignature
from ..keys import public_key_der
from ..protocol import notification
from ..protocol.wap_notification import is_wap_notification, verify_wap, wap_signer
from ..signer import Md5Signer, RsaSigner, Signer
from . import hints
from .alipay_params import is_sandbox, missing_params
from .hypotheses import Hypothesis, matching_charset
from .messages import NO_HINT, Hint, join_hints, message
from .mistakes import Mistake, find_mistakes
from .payload import ParsedPayload, parse_leniently, printable
from .reason import Reason
from .seal import MD5_SHAPE, SignatureCandidate, candidates, recover_signature, rsa_signature
from .signature_mistakes import describe_damage, repaired_variants

_NO_OTHERS: Mapping[str, Signer] = {}
_SIGN_TYPES = ("MD5", "RSA", "RSA2", "DSA")


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with one payload."""

    #: Whether it verifies with the configured key and algorithm, as the notification route would
    #: have it.
    valid: bool
    #: A word for programs, one of :attr:`Reason.ALL`.
    reason: str
    #: What is wrong and what to do, for people; empty if nothing is.
    hint: Hint
    #: The configured algorithm, with which it was checked.
    sign_type: str
    #: The charset in which it verifies.
    charset: str | None = None
    #: The RSA key that made the signature, where one of those at hand did.
    key: rsa.RSAPublicKey | None = field(default=None, repr=False)
    #: The parameters, as far as they could be read.
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The reason of a second mistake, where it takes two to explain it.
    also: tuple[str, ...] = ()


def diagnose(
    payload: bytes | Mapping[str, str],
    signer: Signer,
    *,
    charset: str = "utf-8",
    others: Mapping[str, Signer] = _NO_OTHERS,
    merchant_key: rsa.RSAPublicKey | None = None,
    production: bool | None = None,
) -> Diagnosis:
    """Tells whether a payload verifies and, if it does not, why.

    Whatever mistake it names was proven by undoing it; where several causes look the same (with MD5
    an altered word and a wrong key do), it says that they do.

    :param payload: the form body or query string as it came over the wire or, with less to go by,
        parameters that somebody has decoded.
    :param signer: the configured signer.
    :param charset: the configured charset.
    :param others: signers that are not configured but known, by whose they are, in words that
        follow "signed with".
    :param own_key: the public half of the merchant's own private key, to recognise it where it does
        not belong; the signer's by default.
    :param production: whether the app is configured for production, or for the sandbox; ``None``
        where nobody knows.
    :raises ConfigurationError: if the signer has no key to verify with.
    """
    evidence = parse_leniently(payload, charset)
    params, refused = _verify(payload, signer, charset)
    if evidence is None:
        hint = message(hints.UNREADABLE, refused=refused or "it is empty")
        return Diagnosis(False, Reason.UNREADABLE, hint, signer.sign_type)
    if params:
        return _verified(params, signer, evidence)
    if merchant_key is None and isinstance(signer, RsaSigner):
        merchant_key = signer.own_public_key
    return _Case(evidence, signer, others, merchant_key, refused, production).solve()


def verifies(payload: bytes | Mapping[str, str], signer: Signer, charset: str) -> bool:
    """Tell whether a payload verifies, as the notification route would have it."""
    return bool(_verify(payload, signer, charset)[0])


def _verify(
    payload: bytes | Mapping[str, str], signer: Signer, charset: str
) -> tuple[Mapping[str, str], str]:
    """Does what the notification route does. Returns the parameters, or why they cannot be read."""
    try:
        if isinstance(payload, bytes):
            if is_wap_notification(payload):
                return verify_wap(payload, wap_signer(signer), charset), ""
            return notification.verified_params(payload, signer, charset), ""
        return (payload if notification.verify_params(payload, signer, charset) else {}), ""
    except BadSignature:
        return {}, ""
    except BadNotification as error:
        return {}, str(error)


def _verified(params: Mapping[str, str], signer: Signer, evidence: ParsedPayload) -> Diagnosis:
    charset, key = None, None
    for seal in candidates(params.get("sign", ""), signer):
        charset = matching_charset(seal, Hypothesis(params), evidence)
        if charset is not None:
            key = seal.key
            break
    return Diagnosis(True, Reason.OK, NO_HINT, signer.sign_type, charset, key, params)


@dataclass(frozen=True)
class _Case:
    """A payload that does not verify, before the questions that are asked of it in order."""

    evidence: ParsedPayload
    signer: Signer
    others: Mapping[str, Signer]
    merchant_key: rsa.RSAPublicKey | None
    #: Why the notification route would not even read it.
    refused: str
    production: bool | None = None

    def solve(self) -> Diagnosis:
        questions: tuple[Callable[[], Diagnosis | None], ...] = (
            self._is_it_a_form,
            self._is_it_signed,
            self._is_it_of_the_wap_gateway,
            self._is_something_known_wrong,
            self._did_the_key_sign_other_words,
            self._did_somebody_known_sign,
            self._is_it_another_algorithm,
            self._is_the_signature_damaged,
            self._is_merchant_key,
        )
        for question in questions:
            answer = question()
            if answer is not None:
                return answer
        return self._unexplained()

    def _because(self, reason: str, hint: Hint, key: rsa.RSAPublicKey | None = None) -> Diagnosis:
        if self.refused and reason not in (Reason.MALFORMED, Reason.CHARSET):
            hint = join_hints(hint, message(hints.REFUSED_UNREAD, refused=self.refused))
        return Diagnosis(
            False, reason, hint, self.signer.sign_type, key=key, params=self.evidence.params
        )

    @property
    def _message(self) -> str:
        """The sign type that the payload gives itself, if it is one."""
        said = self.evidence.params.get("sign_type", "")
        return said if said in _SIGN_TYPES else ""

    @property
    def _sign(self) -> str:
        """The signature, with ``+`` put back where a form lost them: base64 has no spaces."""
        return self.evidence.sign.replace(" ", "+")

    def _is_it_a_form(self) -> Diagnosis | None:
        if self.evidence.repeated:
            names = ", ".join(printable(name) for name in self.evidence.repeated)
            return self._because(Reason.MALFORMED, message(hints.REPEATS, names=names))
        if self.refused and self.evidence.declared in self.evidence.readings:
            return self._is_something_known_wrong() or self._because(
                Reason.MALFORMED, message(hints.NO_FORM, refused=self.refused)
            )
        return None

    def _is_it_signed(self) -> Diagnosis | None:
        if self._sign:
            return None
        return self._because(Reason.MISSING_SIGN, hints.NO_SIGN)

    def _is_it_of_the_wap_gateway(self) -> Diagnosis | None:
        """Signed in an order of its own, so none of the common mistakes can be undone."""
        if "notify_data" not in self.evidence.params or not self._sign:
            return None
        signer = wap_signer(self.signer)
        if any(seal.key is not None for seal in candidates(self._sign, signer)):
            return self._because(Reason.ALTERED, hints.ALTERED)
        if isinstance(signer, RsaSigner) and not describe_damage(self._sign, md5=False):
            return self._because(Reason.WRONG_KEY, hints.WAP_OTHER_KEY)
        return self._because(Reason.ALTERED, hints.ALTERED_OR_OTHER_KEY)

    def _is_something_known_wrong(self) -> Diagnosis | None:
        """One mistake in the signature's text or in the words, then two."""
        for count in (1, 2):
            for sign, mistake in repaired_variants(self.evidence.sign):
                for seal in candidates(sign, self.signer):
                    found = self._explain(seal, mistake, count)
                    if found is not None:
                        return found
            if count == 1 and self._was_decoded_before():
                return self._because(Reason.DOUBLE_DECODED, hints.DECODED_BEFORE)
        return None

    def _was_decoded_before(self) -> bool:
        words = self.evidence.verbatim
        return any(
            matching_charset(seal, Hypothesis(words), self.evidence) is not None
            for seal in candidates(words.get("sign", ""), self.signer)
            if seal.sign_type == self.signer.sign_type
        )

    def _explain(
        self, candidate: SignatureCandidate, mistake: Mistake | None, count: int
    ) -> Diagnosis | None:
        mismatch = None
        if candidate.sign_type != self.signer.sign_type:
            mismatch = Mistake(
                Reason.SIGN_TYPE_MISMATCH, self._mismatched(hints.SIGNED_WITH, candidate.sign_type)
            )
        made = tuple(filter(None, (mismatch, mistake)))
        left = count - len(made)
        if left > 0:
            found = find_mistakes(candidate, self.evidence, left)
            return self._proven((*made, *found), candidate.key) if found else None
        if left < 0:
            return None
        if self._matches(candidate):
            return self._proven(made, candidate.key)
        if mistake is not None and left == 0:
            # What was done to the words was done to the signature, too: that is one mistake.
            same = find_mistakes(candidate, self.evidence, 1)
            if same and same[0].reason == mistake.reason:
                return self._proven((*made[:-1], *same), candidate.key)
        return None

    def _proven(
        self, mistakes: tuple[Mistake, ...], key: rsa.RSAPublicKey | None = None
    ) -> Diagnosis:
        first, *others = mistakes
        more = [part for other in others for part in (hints.BESIDES, other.hint)]
        hint = join_hints(first.hint, *more)
        also = tuple(other.reason for other in others)
        return replace(self._because(first.reason, hint, key), also=also)

    def _did_the_key_sign_other_words(self) -> Diagnosis | None:
        """An RSA key that opens the signature made it, whatever was done to the words since."""
        for sign, _mistake in repaired_variants(self.evidence.sign):
            for seal in candidates(sign, self.signer):
                if seal.key is None:
                    continue
                if seal.sign_type != self.signer.sign_type:
                    told = self._mismatched(hints.SIGNED_WITH, seal.sign_type)
                    changed = join_hints(told, hints.CHANGED_BESIDES)
                    return self._because(Reason.SIGN_TYPE_MISMATCH, changed, seal.key)
                return self._because(
                    Reason.ALTERED, join_hints(hints.ALTERED, self._clues()), seal.key
                )
        return None

    def _clues(self) -> Hint:
        """What strikes the eye in a payload that no known mistake explains."""
        lost = missing_params(self.evidence.params)
        return message(hints.LACKS, names=", ".join(lost)) if lost else NO_HINT

    def _did_somebody_known_sign(self) -> Diagnosis | None:
        signature = rsa_signature(self._sign)
        if self.merchant_key and signature and recover_signature(signature, self.merchant_key):
            return self._because(Reason.OWN_SIGNATURE, hints.MERCHANT_SIGNATURE, self.merchant_key)
        if isinstance(self.signer, Md5Signer):
            for clean in self.signer.with_cleaned_key():
                for seal in candidates(self._sign, clean):
                    slip = Mistake(Reason.WRONG_KEY, hints.STRAY_SPACE)
                    if self._matches(seal):
                        return self._proven((slip,))
                    if found := find_mistakes(seal, self.evidence, 1):
                        return self._proven((slip, *found))
        for whose, other in self.others.items():
            for seal in candidates(self._sign, other):
                fits = self._matches(seal)
                found = () if fits else find_mistakes(seal, self.evidence, 1)
                if fits or found or seal.key is not None:
                    return self._signed_by(whose, seal, fits, found)
        return None

    def _signed_by(
        self, whose: str, candidate: SignatureCandidate, fits: bool, found: tuple[Mistake, ...]
    ) -> Diagnosis:
        more = [hints.BESIDES, found[0].hint] if found else []
        if not fits and not found:
            more = [hints.CHANGED_BESIDES]
        if candidate.sign_type != self.signer.sign_type:
            told = self._mismatched(hints.SIGNED_WITH_BY, candidate.sign_type, whose=whose)
            return self._because(Reason.SIGN_TYPE_MISMATCH, join_hints(told, *more), candidate.key)
        hint = join_hints(message(hints.SIGNED_BY, whose=whose), *more)
        return self._because(Reason.WRONG_KEY, hint, candidate.key)

    def _is_it_another_algorithm(self) -> Diagnosis | None:
        md5, configured_md5 = bool(MD5_SHAPE.fullmatch(self._sign)), self.signer.sign_type == "MD5"
        if md5 and not configured_md5:
            return self._mismatch(hints.LOOKS_LIKE, "MD5")
        if configured_md5 and not md5 and rsa_signature(self._sign) is not None:
            return self._mismatch(hints.LOOKS_LIKE, self._rsa_message())
        if self._message and self._message != self.signer.sign_type:
            return self._mismatch(hints.SELF_DECLARED, self._message)
        return None

    def _rsa_message(self) -> str:
        return self._message if self._message in ("RSA", "RSA2") else "RSA or RSA2"

    def _mismatch(self, finding: str, sign_type: str) -> Diagnosis:
        return self._because(Reason.SIGN_TYPE_MISMATCH, self._mismatched(finding, sign_type))

    def _mismatched(self, finding: str, sign_type: str, **names: str) -> Hint:
        configured = self.signer.sign_type
        found = message(finding, sign_type=sign_type, configured=configured, **names)
        return join_hints(found, hints.SET_SIGN_TYPE)

    def _is_the_signature_damaged(self) -> Diagnosis | None:
        look = describe_damage(self._sign, self.signer.sign_type == "MD5")
        return self._because(Reason.ALTERED, look) if look else None

    def _is_merchant_key(self) -> Diagnosis | None:
        if not isinstance(self.signer, RsaSigner) or self.merchant_key is None:
            return None
        own = public_key_der(self.merchant_key)
        if all(public_key_der(key) == own for key in self.signer.public_keys):
            return self._because(Reason.OWN_PUBLIC_KEY, hints.MERCHANT_PUBLIC_KEY)
        return None

    def _unexplained(self) -> Diagnosis:
        if not isinstance(self.signer, RsaSigner):
            hint = join_hints(hints.ALTERED_OR_OTHER_KEY, self._clues())
            return self._because(Reason.ALTERED, hint)
        bits = 8 * len(rsa_signature(self._sign) or b"")
        sizes = sorted({key.key_size for key in self.signer.public_keys})
        if bits not in sizes:
            have = " and ".join(map(str, sizes))
            finding = message(hints.OTHER_SIZE, bits=str(bits), have=have)
        else:
            finding = hints.NONE_OF_THE_KEYS
        sandbox = is_sandbox(self.evidence.params)
        reason = Reason.WRONG_ENVIRONMENT if self.production and sandbox else Reason.WRONG_KEY
        return self._because(reason, join_hints(finding, self._where_to_find_the_key()))

    def _where_to_find_the_key(self) -> Hint:
        if is_sandbox(self.evidence.params):
            return hints.SANDBOX
        if self.evidence.params.get("app_id"):
            return hints.KEY_OF_THIS_APP
        return hints.KEY_OF_THE_LEGACY_GATEWAY

    def _matches(self, candidate: SignatureCandidate) -> bool:
        return (
            matching_charset(candidate, Hypothesis(self.evidence.params), self.evidence) is not None
        )
