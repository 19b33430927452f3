"""JSON bodies of requests to the control."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import BadRequest

from .rejections import ActionRejected


def read_body() -> dict[str, Any]:
    """Return the JSON object of a request with any content type: ``curl -d`` declares a form.

    :raises ActionRejected: if it is something else.
    """
    if not request.get_data():
        return {}
    try:
        body = request.get_json(force=True)
    except (BadRequest, RecursionError):  # which deeply nested JSON ends in
        body = None
    if not isinstance(body, dict):
        raise ActionRejected(400, "the body must be a JSON object")
    return body
