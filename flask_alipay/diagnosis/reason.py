"""The words in which a diagnosis gives its reason."""

from __future__ import annotations

from typing import Final


class Reason:
    """Why a payload does not verify; plain text, for programs. More words may be added.

    A reason that undoes a mistake (from ``CHARSET`` to ``TRUNCATED``) is only given when the
    signature verifies with the mistake undone: it is proven, not guessed.
    """

    #: It verifies.
    OK: Final = "ok"
    #: There are no parameters in it at all.
    UNREADABLE: Final = "unreadable"
    #: There are parameters, but not as Alipay ever sends them: a name occurs twice, a NUL …
    MALFORMED: Final = "malformed"
    #: It has no ``sign``.
    MISSING_SIGN: Final = "missing_sign"
    #: It was signed with another algorithm than the configured one.
    SIGN_TYPE_MISMATCH: Final = "sign_type_mismatch"
    #: It was read, or written, in another charset than the one it was signed in.
    CHARSET: Final = "charset"
    #: The signature holds with ``sign_type`` among the words signed, as in requests and messages.
    SIGN_TYPE_IN_STRING: Final = "sign_type_in_string"
    #: The signature holds with empty values among the words signed.
    EMPTY_KEPT: Final = "empty_kept"
    #: A value was percent-decoded once more than it should have been.
    DOUBLE_DECODED: Final = "double_decoded"
    #: ``+`` and space were exchanged: in the signature, or because ``+`` was not decoded.
    PLUS_SPACE: Final = "plus_space"
    #: ``"`` or ``&`` was turned into ``&quot;`` or ``&amp;``.
    HTML_ESCAPED: Final = "html_escaped"
    #: Values are still percent-encoded.
    NOT_DECODED: Final = "not_decoded"
    #: Quotes in the values carry backslashes.
    BACKSLASHES: Final = "backslashes"
    #: Each value is a list: ``['88.88']``.
    LIST_VALUES: Final = "list_values"
    #: A parameter was added to those that were signed.
    EXTRA_PARAMETER: Final = "extra_parameter"
    #: A parameter that was signed is missing, and could be put back.
    MISSING_PARAMETER: Final = "missing_parameter"
    #: Values were read into types and written anew (``88.90`` became ``88.9``), or trimmed.
    REFORMATTED: Final = "reformatted"
    #: A value was cut off at its end.
    TRUNCATED: Final = "truncated"
    #: The signature's text was changed (its case, its padding), and could be restored.
    SIGN_CHANGED: Final = "sign_changed"
    #: The key fits, the words do not; or the signature itself is damaged.
    ALTERED: Final = "altered"
    #: None of the configured keys made the signature.
    WRONG_KEY: Final = "wrong_key"
    #: It comes from Alipay's sandbox, and the app is configured for production.
    WRONG_ENVIRONMENT: Final = "wrong_environment"
    #: The key configured as Alipay's is the merchant's own.
    OWN_PUBLIC_KEY: Final = "own_public_key"
    #: The merchant's own private key made the signature, not Alipay's.
    OWN_SIGNATURE: Final = "own_signature"

    #: All of them.
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
