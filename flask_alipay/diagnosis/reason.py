"""The words in which a diagnosis gives its reason."""

from __future__ import annotations

from typing import Final


class Reason:
    """Why a payload does not verify; plain text, for programs. More words may be added.

    A reason that undoes a mistake (from ``CHARSET`` to ``HTML_ESCAPED``) is only given when the
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
    #: A parameter was added to those that were signed.
    EXTRA_PARAMETER: Final = "extra_parameter"
    #: The key fits, the words do not; or the signature itself is damaged.
    ALTERED: Final = "altered"
    #: None of the configured keys made the signature.
    WRONG_KEY: Final = "wrong_key"
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
        EXTRA_PARAMETER,
        ALTERED,
        WRONG_KEY,
        OWN_PUBLIC_KEY,
        OWN_SIGNATURE,
    )
