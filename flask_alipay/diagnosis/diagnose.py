"""Diagnosis of a payload: whether it verifies, and otherwise the reason."""

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
from .hypotheses import UNSIGNED, Hypothesis, matching_charset
from .messages import NO_HINT, Hint, join_hints, message
from .mistakes import Mistake, find_mistakes
from .payload import ParsedPayload, parse_leniently, printable
from .reason import Reason
from .signature_mistakes import describe_damage, repaired_variants
from .signatures import MD5_SHAPE, SignatureCandidate, candidates, recover_signature, rsa_signature

_NO_OTHERS: Mapping[str, Signer] = {}
_SIGN_TYPES = ("MD5", "RSA", "RSA2", "DSA")


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of one payload."""

    #: ``True`` if it verifies with the configured key and algorithm, as in the notification route.
    valid: bool
    #: The reason for programs, one of :attr:`Reason.ALL`.
    reason: str
    #: The problem and its fix, for people; empty if there is no problem.
    hint: Hint
    #: The configured algorithm, used for the check.
    sign_type: str
    #: The charset in which it verifies.
    charset: str | None = None
    #: The RSA key that made the signature, if it is one of the known keys.
    key: rsa.RSAPublicKey | None = field(default=None, repr=False)
    #: The parameters, as far as they could be read.
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The reason of a second mistake, if only two mistakes explain it.
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
    """Diagnose whether a payload verifies and, if it does not, the reason.

    Each mistake in the result was proven by undoing it. If several causes cannot be distinguished
    (with MD5, altered content and a wrong key), the hint states all of them.

    :param payload: the raw form body or query string, or parameters that were decoded already,
        which reveal less.
    :param signer: the configured signer.
    :param charset: the configured charset.
    :param others: other known signers by their owner, a phrase that follows "signed with".
    :param merchant_key: the public key of the merchant's private key, to recognize its misuse; the
        signer's by default.
    :param production: whether the application is configured for production (``False``: for the
        sandbox); ``None`` if unknown.
    :return: the diagnosis.
    :raises ConfigurationError: if the signer has no key to verify with.
    """
    parsed = parse_leniently(payload, charset)
    params, rejected = _verify(payload, signer, charset)
    if parsed is None:
        hint = message(hints.UNREADABLE, refused=rejected or "it is empty")
        return Diagnosis(False, Reason.UNREADABLE, hint, signer.sign_type)
    if params:
        return _verified(params, signer, parsed)
    if merchant_key is None and isinstance(signer, RsaSigner):
        merchant_key = signer.own_public_key
    return _Case(parsed, signer, others, merchant_key, rejected, production).solve()


def verifies(payload: bytes | Mapping[str, str], signer: Signer, charset: str) -> bool:
    """Return whether the notification route would verify a payload."""
    return bool(_verify(payload, signer, charset)[0])


def _verify(
    payload: bytes | Mapping[str, str], signer: Signer, charset: str
) -> tuple[Mapping[str, str], str]:
    """Verify like the notification route; return the parameters, or the reason of a rejection."""
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


def _verified(params: Mapping[str, str], signer: Signer, parsed: ParsedPayload) -> Diagnosis:
    charset, key = None, None
    unsigned = ("sign",) if notification.signs_sign_type(params) else UNSIGNED
    for candidate in candidates(params.get("sign", ""), signer):
        charset = matching_charset(candidate, Hypothesis(params, exclude=unsigned), parsed)
        if charset is not None:
            key = candidate.key
            break
    return Diagnosis(True, Reason.OK, NO_HINT, signer.sign_type, charset, key, params)


@dataclass(frozen=True)
class _Case:
    """A payload that does not verify, with the checks that look for the reason."""

    parsed: ParsedPayload
    signer: Signer
    others: Mapping[str, Signer]
    merchant_key: rsa.RSAPublicKey | None
    #: The reason why the notification route rejects it unread; empty if it does not.
    rejected: str
    production: bool | None = None

    def solve(self) -> Diagnosis:
        checks: tuple[Callable[[], Diagnosis | None], ...] = (
            self._check_form,
            self._check_signed,
            self._check_wap,
            self._find_known_mistakes,
            self._check_altered,
            self._check_known_signers,
            self._check_algorithm,
            self._check_damage,
            self._check_merchant_key,
        )
        for check in checks:
            diagnosis = check()
            if diagnosis is not None:
                return diagnosis
        return self._unexplained()

    def _diagnosis(self, reason: str, hint: Hint, key: rsa.RSAPublicKey | None = None) -> Diagnosis:
        if self.rejected and reason not in (Reason.MALFORMED, Reason.CHARSET):
            hint = join_hints(hint, message(hints.REFUSED_UNREAD, refused=self.rejected))
        return Diagnosis(
            False, reason, hint, self.signer.sign_type, key=key, params=self.parsed.params
        )

    @property
    def _declared_sign_type(self) -> str:
        """The sign type that the payload declares; empty if it is unknown."""
        declared = self.parsed.params.get("sign_type", "")
        return declared if declared in _SIGN_TYPES else ""

    @property
    def _sign(self) -> str:
        """The signature with spaces replaced by ``+``: base64 has no spaces."""
        return self.parsed.sign.replace(" ", "+")

    def _check_form(self) -> Diagnosis | None:
        if self.parsed.repeated:
            names = ", ".join(printable(name) for name in self.parsed.repeated)
            return self._diagnosis(Reason.MALFORMED, message(hints.REPEATS, names=names))
        if self.rejected and self.parsed.declared in self.parsed.readings:
            return self._find_known_mistakes() or self._diagnosis(
                Reason.MALFORMED, message(hints.NO_FORM, refused=self.rejected)
            )
        return None

    def _check_signed(self) -> Diagnosis | None:
        if self._sign:
            return None
        return self._diagnosis(Reason.MISSING_SIGN, hints.NO_SIGN)

    def _check_wap(self) -> Diagnosis | None:
        """Check for the WAP gateway: its signed order is special, so no mistake can be undone."""
        if "notify_data" not in self.parsed.params or not self._sign:
            return None
        signer = wap_signer(self.signer)
        if any(candidate.key is not None for candidate in candidates(self._sign, signer)):
            return self._diagnosis(Reason.ALTERED, hints.ALTERED)
        if isinstance(signer, RsaSigner) and not describe_damage(self._sign, md5=False):
            return self._diagnosis(Reason.WRONG_KEY, hints.WAP_OTHER_KEY)
        return self._diagnosis(Reason.ALTERED, hints.ALTERED_OR_OTHER_KEY)

    def _find_known_mistakes(self) -> Diagnosis | None:
        """Look for one mistake in the signature's text or in the content, then for two."""
        for count in (1, 2):
            for sign, mistake in repaired_variants(self.parsed.sign):
                for candidate in candidates(sign, self.signer):
                    found = self._explain(candidate, mistake, count)
                    if found is not None:
                        return found
            if count == 1 and self._is_decoded_before():
                return self._diagnosis(Reason.DOUBLE_DECODED, hints.DECODED_BEFORE)
        return None

    def _is_decoded_before(self) -> bool:
        params = self.parsed.verbatim
        return any(
            matching_charset(candidate, Hypothesis(params), self.parsed) is not None
            for candidate in candidates(params.get("sign", ""), self.signer)
            if candidate.sign_type == self.signer.sign_type
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
            found = find_mistakes(candidate, self.parsed, left)
            return self._diagnose_mistakes((*made, *found), candidate.key) if found else None
        if left < 0:
            return None
        if self._matches(candidate):
            return self._diagnose_mistakes(made, candidate.key)
        if mistake is not None and left == 0:
            # The same mistake in the content and in the signature counts once.
            same = find_mistakes(candidate, self.parsed, 1)
            if same and same[0].reason == mistake.reason:
                return self._diagnose_mistakes((*made[:-1], *same), candidate.key)
        return None

    def _diagnose_mistakes(
        self, mistakes: tuple[Mistake, ...], key: rsa.RSAPublicKey | None = None
    ) -> Diagnosis:
        first, *others = mistakes
        more = [part for other in others for part in (hints.BESIDES, other.hint)]
        hint = join_hints(first.hint, *more)
        also = tuple(other.reason for other in others)
        return replace(self._diagnosis(first.reason, hint, key), also=also)

    def _check_altered(self) -> Diagnosis | None:
        """Check for altered content: an RSA key that recovers the signature has made it."""
        for sign, _mistake in repaired_variants(self.parsed.sign):
            for candidate in candidates(sign, self.signer):
                if candidate.key is None:
                    continue
                if candidate.sign_type != self.signer.sign_type:
                    mismatch = self._mismatched(hints.SIGNED_WITH, candidate.sign_type)
                    changed = join_hints(mismatch, hints.CHANGED_BESIDES)
                    return self._diagnosis(Reason.SIGN_TYPE_MISMATCH, changed, candidate.key)
                return self._diagnosis(
                    Reason.ALTERED,
                    join_hints(hints.ALTERED, self._missing_params_hint()),
                    candidate.key,
                )
        return None

    def _missing_params_hint(self) -> Hint:
        """Return a hint about missing parameters, for a payload that no known mistake explains."""
        lost = missing_params(self.parsed.params)
        return message(hints.LACKS, names=", ".join(lost)) if lost else NO_HINT

    def _check_known_signers(self) -> Diagnosis | None:
        signature = rsa_signature(self._sign)
        if self.merchant_key and signature and recover_signature(signature, self.merchant_key):
            return self._diagnosis(
                Reason.OWN_SIGNATURE, hints.MERCHANT_SIGNATURE, self.merchant_key
            )
        if isinstance(self.signer, Md5Signer):
            for clean in self.signer.with_cleaned_key():
                for candidate in candidates(self._sign, clean):
                    stray = Mistake(Reason.WRONG_KEY, hints.STRAY_SPACE)
                    if self._matches(candidate):
                        return self._diagnose_mistakes((stray,))
                    if found := find_mistakes(candidate, self.parsed, 1):
                        return self._diagnose_mistakes((stray, *found))
        for owner, other in self.others.items():
            for candidate in candidates(self._sign, other):
                matches = self._matches(candidate)
                found = () if matches else find_mistakes(candidate, self.parsed, 1)
                if matches or found or candidate.key is not None:
                    return self._signed_by(owner, candidate, matches, found)
        return None

    def _signed_by(
        self, owner: str, candidate: SignatureCandidate, matches: bool, found: tuple[Mistake, ...]
    ) -> Diagnosis:
        more = [hints.BESIDES, found[0].hint] if found else []
        if not matches and not found:
            more = [hints.CHANGED_BESIDES]
        if candidate.sign_type != self.signer.sign_type:
            mismatch = self._mismatched(hints.SIGNED_WITH_BY, candidate.sign_type, whose=owner)
            return self._diagnosis(
                Reason.SIGN_TYPE_MISMATCH, join_hints(mismatch, *more), candidate.key
            )
        hint = join_hints(message(hints.SIGNED_BY, whose=owner), *more)
        return self._diagnosis(Reason.WRONG_KEY, hint, candidate.key)

    def _check_algorithm(self) -> Diagnosis | None:
        md5, configured_md5 = bool(MD5_SHAPE.fullmatch(self._sign)), self.signer.sign_type == "MD5"
        if md5 and not configured_md5:
            return self._mismatch(hints.LOOKS_LIKE, "MD5")
        if configured_md5 and not md5 and rsa_signature(self._sign) is not None:
            return self._mismatch(hints.LOOKS_LIKE, self._rsa_sign_type())
        if self._declared_sign_type and self._declared_sign_type != self.signer.sign_type:
            return self._mismatch(hints.SELF_DECLARED, self._declared_sign_type)
        return None

    def _rsa_sign_type(self) -> str:
        return (
            self._declared_sign_type
            if self._declared_sign_type in ("RSA", "RSA2")
            else "RSA or RSA2"
        )

    def _mismatch(self, finding: str, sign_type: str) -> Diagnosis:
        return self._diagnosis(Reason.SIGN_TYPE_MISMATCH, self._mismatched(finding, sign_type))

    def _mismatched(self, finding: str, sign_type: str, **names: str) -> Hint:
        configured = self.signer.sign_type
        found = message(finding, sign_type=sign_type, configured=configured, **names)
        return join_hints(found, hints.SET_SIGN_TYPE)

    def _check_damage(self) -> Diagnosis | None:
        hint = describe_damage(self._sign, self.signer.sign_type == "MD5")
        return self._diagnosis(Reason.ALTERED, hint) if hint else None

    def _check_merchant_key(self) -> Diagnosis | None:
        if not isinstance(self.signer, RsaSigner) or self.merchant_key is None:
            return None
        merchant_key = public_key_der(self.merchant_key)
        if all(public_key_der(key) == merchant_key for key in self.signer.public_keys):
            return self._diagnosis(Reason.OWN_PUBLIC_KEY, hints.MERCHANT_PUBLIC_KEY)
        return None

    def _unexplained(self) -> Diagnosis:
        if not isinstance(self.signer, RsaSigner):
            hint = join_hints(hints.ALTERED_OR_OTHER_KEY, self._missing_params_hint())
            return self._diagnosis(Reason.ALTERED, hint)
        bits = 8 * len(rsa_signature(self._sign) or b"")
        sizes = sorted({key.key_size for key in self.signer.public_keys})
        if bits not in sizes:
            known = " and ".join(map(str, sizes))
            finding = message(hints.OTHER_SIZE, bits=str(bits), have=known)
        else:
            finding = hints.NONE_OF_THE_KEYS
        sandbox = is_sandbox(self.parsed.params)
        reason = Reason.WRONG_ENVIRONMENT if self.production and sandbox else Reason.WRONG_KEY
        return self._diagnosis(reason, join_hints(finding, self._key_location()))

    def _key_location(self) -> Hint:
        if is_sandbox(self.parsed.params):
            return hints.SANDBOX
        if self.parsed.params.get("app_id"):
            return hints.KEY_OF_THIS_APP
        return hints.KEY_OF_THE_LEGACY_GATEWAY

    def _matches(self, candidate: SignatureCandidate) -> bool:
        return matching_charset(candidate, Hypothesis(self.parsed.params), self.parsed) is not None
