"""Version 3 of the open platform: a path for each method, the signature in a header.

The methods are those of version 2. Source: Alipay's v3 documentation and SDKs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from ...exceptions import InvalidParameter
from .. import error_codes
from ..replies import ApiError, CallResult, V3Response
from .agreements import QUERY as QUERY_AGREEMENT
from .call import ApiCall, Context, Handler, Success
from .complaints import PATH as COMPLAINTS
from .complaints import QUERY as QUERY_COMPLAINT
from .content import read_content
from .oauth import APP_TOKEN_QUERY, check_app_auth_token
from .orders import PAGES, SIGN
from .signing import dump_json

_SCHEME = re.compile(r"ALIPAY-SHA256withRSA +(?P<auth>.+),sign=(?P<sign>[^,\s]+)", re.ASCII)
_BILL: Final = "alipay.data.dataservice.bill.downloadurl.query"
#: Methods that use GET; some older SDKs post all but the first.
GET: Final = (
    _BILL,
    "alipay.data.bill.accountlog.query",
    "alipay.data.bill.balance.query",
    "alipay.data.bill.ereceipt.query",
    "alipay.fund.account.query",
    "alipay.fund.trans.common.query",
    "alipay.trade.order.settle.query",
    "alipay.open.app.alipaycert.download",
    APP_TOKEN_QUERY,
    QUERY_AGREEMENT,
    QUERY_COMPLAINT,
)
_SKEW_MS = 10 * 60 * 1000
_CONFIRMING = "10003"


@dataclass(frozen=True)
class RestRequest:
    """A received request."""

    http_method: str
    #: What stands behind ``/v3/``.
    path: str
    query: str
    #: The path with the query as it may have been signed: with, or without where the simulator is.
    uris: tuple[str, ...]
    #: The body or, of a multipart body, its part ``data``: what is signed.
    body: bytes = field(repr=False)
    #: By names in lower case.
    headers: Mapping[str, str] = field(repr=False)
    #: The content of each uploaded file by the name of its field.
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class V3:
    """Alipay's open platform, version 3.

    :param context: shared objects.
    :param methods: the methods of the open platform by name.
    """

    def __init__(self, context: Context, methods: Mapping[str, Handler]) -> None:
        self._context = context
        self._methods = {name: run for name, run in methods.items() if name not in (*PAGES, SIGN)}

    def reply(self, request: RestRequest, now: datetime, root: str) -> CallResult:
        """Handle a request; never raise for its content. Errors of the gateway are not signed.

        :param root: the simulator's URL, without a trailing slash.
        """
        method, variables = _method(request.path)
        changed: list[Any] = []
        certified = False
        try:
            certified = self._admit(request, method, now)
            content = {**self._content(request), **variables}
            urls = {name: str(content.get(name) or "") for name in ("notify_url", "return_url")}
            token = request.headers.get("alipay-app-auth-token", "")
            params = {**urls, "app_auth_token": token}
            call = ApiCall(
                method,
                content,
                params,
                "utf-8",
                "RSA2",
                now,
                root,
                changed,
                certified,
                request.files,
            )
            check_app_auth_token(self._context, call)
            params["app_auth_token"] = self._context.authorizations.first_token(token)
            answer = self._done(request, self._run(call), now, certified)
        except ApiError as refusal:
            answer = self._refused(refusal, now, certified)
        return CallResult(answer, trades=tuple(changed))

    def _admit(self, request: RestRequest, method: str, now: datetime) -> bool:
        """Authenticate a request; return True in certificate mode."""
        posted = request.http_method == "POST" and method != _BILL
        is_get = request.http_method == "GET" and method in GET
        if method not in self._methods or not (posted or is_get):
            raise ApiError("isv.invalid-method")
        found = _SCHEME.fullmatch(request.headers.get("authorization", ""))
        if found is None:  # Alipay's own wording
            raise ApiError("isv.missing-timestamp")
        auth = dict(pair.partition("=")[::2] for pair in found["auth"].split(","))
        if not auth.get("app_id"):
            raise ApiError("isv.missing-app-id")
        if auth["app_id"] != self._context.merchant.app_id:
            raise ApiError("isv.invalid-app-id")
        root_cert_sn = request.headers.get("alipay-root-cert-sn", "")
        self._context.signer.check_certificates(
            auth.get("app_cert_sn", ""), root_cert_sn, root_required=False
        )
        _check_time(auth.get("timestamp", ""), now, self._context.ahead())
        if not auth.get("nonce"):
            raise ApiError("isv.invalid-parameter", "nonce is missing")
        self._verify(request, found["auth"], found["sign"])
        return bool(auth.get("app_cert_sn"))

    def _verify(self, request: RestRequest, auth: str, sign: str) -> None:
        token = request.headers.get("alipay-app-auth-token", "")
        for uri in request.uris:
            head = f"{auth}\n{request.http_method}\n{uri}\n".encode("utf-8", "replace")
            tail = f"\n{token}\n" if token else "\n"
            content = head + request.body + tail.encode("utf-8", "replace")
            if self._context.signer.verifies_text(content, sign):
                return
        raise ApiError("isv.invalid-signature", "signed with another key, or altered on the way")

    def _content(self, request: RestRequest) -> dict[str, Any]:
        if request.http_method == "GET" or (request.query and not request.body):
            return dict(parse_qsl(request.query, errors="replace"))
        body: bytes | None = request.body
        if request.headers.get("alipay-encrypt-type"):
            body = self._context.signer.cipher.decrypt(request.body.decode("latin-1").strip())
        if body is None:
            raise ApiError("isv.decryption-error-unknown")
        try:
            return read_content(body.decode("utf-8"))
        except (UnicodeDecodeError, InvalidParameter):
            raise ApiError("isv.illegal-json") from None

    def _run(self, call: ApiCall) -> Success:
        try:
            done = self._context.run(call, self._methods[call.method])
        except InvalidParameter as error:
            raise ApiError(error_codes.invalid_parameter(call.method), str(error)) from None
        if not isinstance(done, Success):  # a page has no path here
            raise ApiError("isv.invalid-method")
        return done

    def _done(
        self, request: RestRequest, done: Success, now: datetime, certified: bool
    ) -> V3Response:
        status = 202 if done.code == _CONFIRMING else 200
        encrypted = bool(request.headers.get("alipay-encrypt-type"))
        return self._signed(status, done.fields, now, certified, encrypted=encrypted)

    def _refused(self, refusal: ApiError, now: datetime, certified: bool) -> V3Response:
        """Return an error as plain JSON, also to an encrypted request: three official SDKs cannot
        read another. The gateway's own errors are not signed, those of a method are.
        """
        meaning = error_codes.OPENAPI[refusal.code][1]
        message = f"{meaning}: {refusal.detail}" if refusal.detail else meaning
        node = {"code": error_codes.without_prefix(refusal.code), "message": message}
        if refusal.code.startswith(error_codes.GATEWAY_PREFIXES):
            status = 401 if refusal.code.startswith("aop.") else 400
            body = dump_json(node, "utf-8").encode("utf-8")
            return V3Response(status, body, {"alipay-trace-id": secrets.token_hex(16)})
        status = 500 if error_codes.is_unknown_outcome(refusal.code) else 400
        return self._signed(status, node, now, certified, encrypted=False)

    def _signed(
        self,
        status: int,
        node: Mapping[str, object],
        now: datetime,
        certified: bool,
        *,
        encrypted: bool,
    ) -> V3Response:
        body = dump_json(node, "utf-8")
        if encrypted:
            body = self._context.signer.cipher.encrypt(body.encode("utf-8"))
        time, nonce = str(int(now.timestamp() * 1000)), secrets.token_hex(16)
        headers = {
            "alipay-timestamp": time,
            "alipay-nonce": nonce,
            "alipay-signature": self._context.signer.sign_text(f"{time}\n{nonce}\n{body}\n"),
            "alipay-trace-id": secrets.token_hex(16),
        }
        if certified:
            headers["alipay-sn"] = self._context.merchant.certificates.alipay_cert_sn
        media_type = "text/plain" if encrypted else "application/json"
        return V3Response(status, body.encode("utf-8"), headers, media_type)


def _method(path: str) -> tuple[str, dict[str, str]]:
    """Return the method of a path, and the values in the path."""
    number = path.removeprefix(COMPLAINTS)
    if number not in (path, "") and "/" not in number and number != "batchquery":
        return QUERY_COMPLAINT, {"complain_event_id": number}
    return path.replace("/", "."), {}


def _check_time(text: str, now: datetime, ahead: timedelta) -> None:
    if not text:
        raise ApiError("isv.missing-timestamp")
    if re.fullmatch(r"[0-9]{1,15}", text, re.ASCII) is None:
        raise ApiError("isv.invalid-timestamp", "timestamp must be milliseconds since 1970")
    # The merchant's clock was not put on with ours.
    earliest, latest = (int(limit.timestamp() * 1000) for limit in (now - ahead, now))
    if not earliest - _SKEW_MS <= int(text) <= latest + _SKEW_MS:
        raise ApiError("isv.invalid-timestamp", "timestamp is more than ten minutes off")
