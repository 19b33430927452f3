"""Masking of credentials: whoever reads a token or an authorization code may use it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: What replaces a credential.
MASK: Final = "***"

_NAME: Final = re.compile(r"(?:token|auth_?code)$", re.IGNORECASE)
#: Occurs in every text in lower case that contains the name of a credential.
CREDENTIAL_NAMES: Final = re.compile(r"token|auth_?code")


def mask_credential_fields(params: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with the fields masked that are credentials by their name.

    All other values stay as they are signed.
    """
    if not CREDENTIAL_NAMES.search("\0".join(params).lower()):
        return dict(params)
    return {name: MASK if _NAME.search(name) else value for name, value in params.items()}


def mask_credentials(params: Mapping[str, str]) -> dict[str, str]:
    """Return parameters with all credentials masked: fields, and members of objects in JSON.

    A text without credentials stays as it is signed.
    """
    return {name: _masked(value) for name, value in mask_credential_fields(params).items()}


def mask_credentials_in_json(text: str) -> str:
    """Return a text with the credentials masked that it contains as JSON, also if a string of it is
    JSON. Any other text is returned unchanged.
    """
    # A member's name may be escaped.
    if not text.lstrip().startswith(("{", "[")) or not (
        "\\u" in text or CREDENTIAL_NAMES.search(text.lower())
    ):
        return text
    try:
        value = json.loads(text)
        masked = _masked(value)
    except ValueError:
        return text
    except RecursionError:
        return MASK
    if masked == value:
        return text
    # Half of a surrogate pair stays escaped: no database can store it.
    written = json.dumps(masked, ensure_ascii=False)
    return written.encode("utf-8", "backslashreplace").decode("utf-8")


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK if _NAME.search(name) and member not in (None, "") else _masked(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return mask_credentials_in_json(value) if isinstance(value, str) else value
