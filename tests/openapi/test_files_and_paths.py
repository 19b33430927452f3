"""Calls of any method that upload a file or, in version 3, have a path of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from flask_alipay.exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from flask_alipay.gateways.openapi.encryption import ContentCipher
from flask_alipay.gateways.transport import HttpResponse
from flask_alipay.protocol.charsets import python_codec

from ..conftest import Keys
from ..doubles.openapi import AES_KEY, DONE, LOST, Alipay, answer
from ..doubles.openapi_v3 import Alipay3, answer3, verified
from .test_with_the_simulator import gateway_in

METHOD = "alipay.merchant.image.upload"
PNG = b"\x89PNG\r\n\x1a\n\x00--b\r\n"
FILES = {"image_content": ("茶.png", PNG)}
COMPLAINT = "/v3/alipay/merchant/tradecomplain/{complain_event_id}"


class Parts:
    """A multipart body, read by another library."""

    def __init__(self, body: bytes, content_type: str) -> None:
        mimetype, options = parse_options_header(content_type)
        assert mimetype == "multipart/form-data"
        _, texts, files = FormDataParser().parse(BytesIO(body), mimetype, len(body), options)
        self.texts = texts.to_dict()
        self.types = {name: file.content_type for name, file in files.items()}
        self.files = {name: (file.filename, file.read()) for name, file in files.items()}
        for file in files.values():
            file.close()


class Uploads(Alipay):
    """Alipay as it takes files in version 2."""

    def __init__(self, keys: Keys, node: Any, **envelope: Any) -> None:
        super().__init__(keys, node, **envelope)
        self.parts: Parts | None = None
        self.status = 200

    def post(self, *_: Any, **__: Any) -> bytes:
        raise AssertionError("a file is sent in parts")

    def request(
        self,
        http_method: str,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        repeatable: bool = False,
    ) -> HttpResponse:
        assert (http_method, repeatable) == ("POST", False)
        query = urlsplit(url).query
        charset = dict(parse_qsl(query))["charset"]
        params = dict(parse_qsl(query, encoding=python_codec(charset), strict_parsing=True))
        self.parts = Parts(body, headers["Content-Type"])
        texts = self.parts.texts
        assert params.keys().isdisjoint(texts)
        self.requested.append((url.partition("?")[0], {**params, **texts}, charset, repeatable))
        if isinstance(self.node, Exception):
            raise self.node
        if isinstance(self.node, bytes):
            return HttpResponse(self.status, {}, self.node)
        sent = answer(METHOD, self.node, **{"signer": self.signer, **self.envelope})
        return HttpResponse(self.status, {}, sent)


def test_a_file_is_posted_beside_the_signed_texts(keys: Keys) -> None:
    alipay = Uploads(keys, {**DONE, "image_id": "I1"})
    node = alipay.gateway().call(METHOD, {"a": "茶"}, files=FILES, image_type="png")
    assert node["image_id"] == "I1"
    assert alipay.parts is not None
    assert alipay.parts.files == FILES
    assert alipay.parts.types == {"image_content": "image/png"}
    assert alipay.parts.texts == {"biz_content": '{"a":"茶"}', "image_type": "png"}
    assert alipay.params["image_type"] == "png"  # signed, and the file is not


def test_the_texts_beside_a_file_are_encrypted_and_the_file_is_not(keys: Keys) -> None:
    cipher = ContentCipher(AES_KEY)
    alipay = Uploads(keys, {**DONE, "image_id": "I1"}, cipher=cipher)
    alipay.gateway(aes_key=AES_KEY).call(METHOD, {"a": "茶"}, files=FILES)
    assert alipay.parts is not None
    assert cipher.decrypt(alipay.params["biz_content"]).decode() == '{"a":"茶"}'
    assert alipay.parts.files == FILES


@pytest.mark.parametrize("aes_key", [None, AES_KEY])
def test_version_3_signs_the_part_with_the_fields(keys: Keys, aes_key: str | None) -> None:
    received: list[tuple[Parts, Mapping[str, str]]] = []

    class Uploads3(Alipay3):
        def request(
            self,
            http_method: str,
            url: str,
            body: bytes,
            headers: Mapping[str, str],
            *,
            repeatable: bool = False,
        ) -> HttpResponse:
            parts = Parts(body, headers["Content-Type"])
            data = parts.texts["data"].encode()
            verified(self.signer, http_method, urlsplit(url).path, data, headers)
            received.append((parts, headers))
            return answer3({"image_id": "I1"}, self.signer, **self.options)

    cipher = None if aes_key is None else ContentCipher(aes_key)
    gateway = Uploads3(keys, {}, cipher=cipher).gateway(aes_key=aes_key)
    assert gateway.call(METHOD, {"image_type": "png"}, files=FILES) == {"image_id": "I1"}
    [(parts, headers)] = received
    data = parts.texts["data"]
    text = data if cipher is None else cipher.decrypt(data).decode()
    assert json.loads(text) == {"image_type": "png"}
    assert parts.files == FILES
    assert ("alipay-encrypt-type" in headers) is (aes_key is not None)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"image_content": PNG}, "image_content"),
        ({"image_content": ("a.png", "PNG")}, "image_content"),
        ({"image_content": ("a.png", b"")}, "image_content"),
        ({"image_content": ("", PNG)}, "image_content"),
        ({"image_content": ("a\r\nb.png", PNG)}, "image_content"),
        ({"image_content": ("a.png", PNG, "image/png")}, "image_content"),
        ({"image_type": ("a.png", PNG)}, "image_type"),
        ({'x"; filename="y': ("a.png", PNG)}, "files"),
        ([("image_content", PNG)], "files"),
    ],
)
@pytest.mark.parametrize("kind", [Alipay, Alipay3])
def test_a_file_that_cannot_be_sent_is_reported(
    keys: Keys, kind: Any, files: Any, name: str
) -> None:
    alipay = kind(keys, DONE)
    with pytest.raises(InvalidParameter) as caught:
        alipay.gateway().call(METHOD, {"image_type": "png"}, files=files)
    assert caught.value.parameter == name
    assert alipay.requested == []


@pytest.mark.parametrize("trouble", [LOST, b'{"alipay_merchant_image_upload_response":{"code":"1'])
def test_the_outcome_of_an_upload_without_a_complete_response_is_unknown(
    keys: Keys, trouble: Any
) -> None:
    with pytest.raises(OutcomeUnknown):
        Uploads(keys, trouble).gateway().call(METHOD, files=FILES, image_type="png")


def test_the_outcome_of_an_upload_with_another_status_is_unknown(keys: Keys) -> None:
    alipay = Uploads(keys, {**DONE, "image_id": "I1"})
    alipay.status = 502
    with pytest.raises(OutcomeUnknown, match="502"):
        alipay.gateway().call(METHOD, files=FILES, image_type="png")


def test_the_value_of_a_path_is_no_field(keys: Keys) -> None:
    alipay = Alipay3(keys, {"status": "FINISHED"})
    fields = {"complain_event_id": "2025/1 茶", "a": 1}
    gateway = alipay.gateway()
    node = gateway.call(
        "alipay.merchant.tradecomplain.query", fields, http_method="GET", path=COMPLAINT
    )
    assert node == {"status": "FINISHED"}
    [(http_method, uri, body, _, _)] = alipay.requested
    assert (http_method, body) == ("GET", b"")
    assert uri == "/v3/alipay/merchant/tradecomplain/2025%2F1%20%E8%8C%B6?a=1"


@pytest.mark.parametrize("http_method", ["POST", "PUT", "PATCH"])
def test_a_method_with_a_body_posts_the_other_fields(keys: Keys, http_method: str) -> None:
    alipay = Alipay3(keys, {})
    fields = {"id": "A1", "a": "茶"}
    path = "/v3/alipay/x/{id}/close"
    alipay.gateway().call("alipay.x.close", fields, http_method=http_method, path=path)
    [(used, uri, body, _, _)] = alipay.requested
    assert (used, uri) == (http_method, "/v3/alipay/x/A1/close")
    assert json.loads(body) == {"a": "茶"}


def test_a_delete_has_its_fields_in_the_query(keys: Keys) -> None:
    alipay = Alipay3(keys, {})
    path = "/v3/alipay/x/{id}"
    alipay.gateway().call("alipay.x.delete", {"id": 5, "a": "1"}, http_method="DELETE", path=path)
    [(http_method, uri, body, _, _)] = alipay.requested
    assert (http_method, uri, body) == ("DELETE", "/v3/alipay/x/5?a=1", b"")


def test_version_2_sends_the_value_of_a_path_like_other_fields(keys: Keys) -> None:
    alipay = Alipay(keys, DONE)
    fields = {"complain_event_id": "A1"}
    method = "alipay.merchant.tradecomplain.query"
    alipay.gateway().call(method, fields, http_method="GET", path=COMPLAINT)
    assert alipay.content == fields
    assert "path" not in alipay.params


@pytest.mark.parametrize("kind", [Alipay, Alipay3])
@pytest.mark.parametrize(
    ("fields", "path", "name"),
    [
        ({}, COMPLAINT, "complain_event_id"),
        ({"complain_event_id": ""}, COMPLAINT, "complain_event_id"),
        ({"complain_event_id": ".."}, COMPLAINT, "complain_event_id"),
        ({"complain_event_id": ["1"]}, COMPLAINT, "complain_event_id"),
        ({"id": "1"}, "/gateway.do", "path"),
        ({"id": "1"}, "/v3/alipay/../{id}", "path"),
        ({"id": "1"}, "/v3/alipay/x?a={id}", "path"),
        ({"id": "1"}, "https://elsewhere.example/v3/{id}", "path"),
    ],
)
def test_a_path_that_cannot_be_filled_is_rejected(
    keys: Keys, kind: Any, fields: dict[str, Any], path: str, name: str
) -> None:
    alipay = kind(keys, DONE)
    with pytest.raises(InvalidParameter) as caught:
        alipay.gateway().call("alipay.x", fields, path=path)
    assert caught.value.parameter == name
    assert alipay.requested == []


@pytest.mark.parametrize("http_method", ["GET", "DELETE"])
def test_a_file_cannot_be_sent_without_a_body(keys: Keys, http_method: str) -> None:
    with pytest.raises(InvalidParameter, match=r"^files "):
        Alipay3(keys, {}).gateway().call(METHOD, {}, http_method=http_method, files=FILES)


def test_files_are_not_sent_with_a_method_that_is_a_get_by_default(keys: Keys) -> None:
    alipay = Alipay3(keys, {})
    with pytest.raises(InvalidParameter, match="cannot be sent by GET") as caught:
        alipay.gateway().call("alipay.data.bill.balance.query", {}, files=FILES)
    assert caught.value.parameter == "files"
    assert alipay.requested == []


# With the simulator


MODES = ["utf-8", "gbk", "AES", "certificates", "v3", "v3 AES", "exchanged certificates, v3"]


@pytest.mark.parametrize("mode", MODES)
def test_an_image_is_uploaded(mode: str) -> None:
    gateway = gateway_in(mode)
    node = (
        gateway.call(METHOD, {"image_type": "png"}, files=FILES)
        if "v3" in mode
        else gateway.call(METHOD, image_type="png", files=FILES)
    )
    assert len(node["image_id"]) == 32


@pytest.mark.parametrize("mode", ["utf-8", "v3"])
@pytest.mark.parametrize(
    ("image_type", "files", "sub_code"),
    [
        ("png", {"image_content": ("a.png", b"GIF89a")}, "PARAM_ILLEGAL"),
        ("mp4", FILES, "PARAM_ILLEGAL"),
        ("png", {"other": ("a.png", PNG)}, "PARAM_ILLEGAL"),
        (
            "png",
            {"image_content": ("a.png", PNG + bytes(5 * 1024 * 1024))},
            "IMAGE_SIZE_OVERRANGE",
        ),
    ],
    ids=["content", "type", "missing", "size"],
)
def test_the_simulator_rejects_an_image_as_alipay_does(
    mode: str, image_type: str, files: Any, sub_code: str
) -> None:
    gateway = gateway_in(mode)
    with pytest.raises(GatewayError) as caught:
        gateway.call(METHOD, {"image_type": image_type}, files=files)
    assert (caught.value.code, caught.value.sub_code) == ("40004", sub_code)
