"""Reasons of a diagnosis, as constants for programs."""

from __future__ import annotations

from typing import Final


class Reason:
    """Reasons why a payload does not verify. Later versions may add reasons.

    A reason that names a mistake (from ``CHARSET`` to ``TRUNCATED``) is only given if the signature
    verifies with the mistake undone: it is proven, not guessed.
    """

    #: It verifies.
    OK: Final = "ok"
    #: It contains no parameters.
    UNREADABLE: Final = "unreadable"
    #: It contains parameters in a form that Alipay never sends: a repeated name, a NUL …
    MALFORMED: Final = "malformed"
    #: It has no ``sign``.
    MISSING_SIGN: Final = "missing_sign"
    #: It was signed with another algorithm than the configured one.
    SIGN_TYPE_MISMATCH: Final = "sign_type_mismatch"
    #: It was decoded or encoded in another charset than the one it was signed in.
    CHARSET: Final = "charset"
    #: The signature covers ``sign_type``, as in requests and messages.
    SIGN_TYPE_IN_STRING: Final = "sign_type_in_string"
    #: The signature covers empty values.
    EMPTY_KEPT: Final = "empty_kept"
    #: A value was percent-decoded twice.
    DOUBLE_DECODED: Final = "double_decoded"
    #: ``+`` and space were exchanged: in the signature, or because ``+`` was not decoded.
    PLUS_SPACE: Final = "plus_space"
    #: ``"`` or ``&`` was escaped as ``&quot;`` or ``&amp;``.
    HTML_ESCAPED: Final = "html_escaped"
    #: Values are still percent-encoded.
    NOT_DECODED: Final = "not_decoded"
    #: Quotes in the values carry backslashes.
    BACKSLASHES: Final = "backslashes"
    #: Each value is a list: ``['88.88']``.
    LIST_VALUES: Final = "list_values"
    #: A parameter was added to those that were signed.
    EXTRA_PARAMETER: Final = "extra_parameter"
    #: A signed parameter is missing, and could be restored.
    MISSING_PARAMETER: Final = "missing_parameter"
    #: Values were converted and formatted again (``88.90`` became ``88.9``), or trimmed.
    REFORMATTED: Final = "reformatted"
    #: A value was cut off at its end.
    TRUNCATED: Final = "truncated"
    #: The signature's text was changed (its case, its padding), and could be restored.
    SIGN_CHANGED: Final = "sign_changed"
    #: The key matches, the content does not; or the signature itself is damaged.
    ALTERED: Final = "altered"
    #: None of the configured keys made the signature.
    WRONG_KEY: Final = "wrong_key"
    #: It comes from Alipay's sandbox; the application is configured for production.
    WRONG_ENVIRONMENT: Final = "wrong_environment"
    #: The key configured as Alipay's is the merchant's public key.
    OWN_PUBLIC_KEY: Final = "own_public_key"
    #: The merchant's private key made the signature, not Alipay's.
    OWN_SIGNATURE: Final = "own_signature"

    #: All reasons.
    ALL: Final = (
        OK,
        UNREADABLE,
        MALFORMED,
        MISSING_SIGN,
        SIGN_TYPE_MISMATCH,
        CHARSET,
        SIGN_TYPE_IN_STRING,
        EMPTY_KEPT,
        DOUBLE_DECODED,
        PLUS_SPACE,
        HTML_ESCAPED,
        NOT_DECODED,
        BACKSLASHES,
        LIST_VALUES,
        EXTRA_PARAMETER,
        MISSING_PARAMETER,
        REFORMATTED,
        TRUNCATED,
        SIGN_CHANGED,
        ALTERED,
        WRONG_KEY,
        WRONG_ENVIRONMENT,
        OWN_PUBLIC_KEY,
        OWN_SIGNATURE,
    )
