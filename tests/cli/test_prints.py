"""Printed maps of many languages, and gateway responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flask_alipay.cli.captured_notifications import read_captures
from flask_alipay.cli.payloads import UnreadablePayload
from flask_alipay.diagnosis import Reason
from flask_alipay.keys import generate_private_key, private_pem, public_pem
from flask_alipay.signer import Md5Signer, Rsa2Signer

from ..conftest import Keys
from .conftest import MD5_KEY, Params, Run, body, make_app, notification_params, signed
from .test_verify_notify import report, verify_in

BILL = '[{"amount":"88.88","fundChannel":"ALIPAYACCOUNT"}]'


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def single(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def lines(form: str) -> Callable[[Params], str]:
    return lambda params: "".join(form.format(n, t) + "\n" for n, t in params.items())


def inline(opening: str, form: str, separator: str, closing: str) -> Callable[[Params], str]:
    return lambda params: (
        opening + separator.join(form.format(n, t) for n, t in params.items()) + closing
    )


def literals(
    opening: str, form: str, closing: str, quote: Callable[[str], str] = quoted
) -> Callable[[Params], str]:
    return lambda params: (
        opening + "".join(form.format(n, quote(t)) for n, t in params.items()) + closing
    )


LOG = "2026-11-20 10:00:06.123  INFO 4711 --- [nio-8080-exec-1] shop.Pay : params: "

PRINTS: dict[str, Callable[[Params], str]] = {
    "java map in a log line": inline(LOG + "{", "{}={}", ", ", "}"),
    "java map of lists": inline("{", "{}=[{}]", ", ", "} after"),
    "go map": inline("notify map[", "{}:{}", " ", "]"),
    "go url.Values": inline("map[", "{}:[{}]", " ", "]"),
    "go syntax": literals("url.Values{", "{0}:[]string{{{1}}}, ", "}", quoted),
    "c# dictionary": inline("", "[{}, {}]", ", ", ""),
    "c# anonymous object": inline("{{ ", "{} = {}", ", ", " }}"),
    "node console.log": literals("notify {\n", "  {}: {},\n", "}", single),
    "node console.log of a Map": literals("Map(12) {\n", "  '{}' => {},\n", "}", single),
    "node broken string": literals(
        "{\n", "  {}: {},\n", "}", lambda t: single(t[:9]) + " +\n    " + single(t[9:])
    ),
    "node console.table": lines("│ {} │ '{}' │"),
    "python 2 dict": literals("{", "u'{}': u{}, ", "}", single),
    "python dict of bytes": lambda p: repr({n.encode(): t.encode() for n, t in p.items()}),
    "python print of each": lines("{} {}"),
    "php print_r": literals("[x] INFO: Array\n(\n", "    [{}] => {}\n", ")\n", str),
    "php lines in a log": lines("[2026-11-20 10:00:00] local.INFO: {}=>{}"),
    "ruby hash": literals("Parameters: {{", '"{}" => {}, ', "}}"),
    "ruby symbols": literals("{{", ":{}=>{}, ", "}}"),
    "yaml": literals("", "{}: {}\n", "", lambda t: "'" + t.replace("'", "''") + "'"),
    "swift": literals("[", '"{}": {}, ', "]"),
    "elixir": literals("%{{", '"{}" => {}, ', "}}"),
    "logfmt": literals("level=info msg=paid ", "{}={} ", ""),
    "lines of name=value": lines("{}={}"),
    "lines of name: value": lines("{}: {}"),
    "lines of name = value in a log": lines("10:00:00 INFO [main] {} = {}"),
    "a name and its value on two lines": lines("{}:\n{}"),
    "columns": lines("{}\t{}"),
    "a table": lines("| {} | {} |"),
    "a form after decoding": inline("", "{}={}", "&", ""),
    "a form after decoding in a log line": inline(LOG, "{}={}", "&", ""),
    "json in a log line": lambda p: LOG + json.dumps({"level": "info", "body": p}) + " []",
    "json as a string": lambda p: LOG + json.dumps(json.dumps(p)),
    "json of names and values": lambda p: json.dumps(
        [{"key": n, "value": t} for n, t in p.items()]
    ),
    "json around a form": lambda p: json.dumps({"path": "/notify", "body": body(p).decode()}),
    "curl --data-urlencode": lambda p: (
        "curl https://shop.example/notify "
        + " ".join(f"--data-urlencode '{n}={t}'" for n, t in p.items())
    ),
}


@pytest.mark.parametrize("language", PRINTS)
@pytest.mark.parametrize("sign_last", [True, False], ids=["sign last", "sign first"])
def test_a_printed_map_of_any_language_is_verified(
    language: str, sign_last: bool, alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(
        notification_params(fund_bill_list=BILL, gmt_payment="2026-01-31 12:00:04"), alipay
    )
    if not sign_last:
        params = dict(sorted(params.items(), key=lambda pair: pair[0] != "sign"))
    printed = PRINTS[language](params).encode()
    result = alone("verify-notify", f"--public-key={files / 'alipay.pem'}", stdin=printed)
    assert (result.exit_code, "VERIFIED" in result.stdout) == (0, True), result.output


@pytest.mark.parametrize("language", ["java map in a log line", "go map", "c# anonymous object"])
def test_words_that_look_like_an_entry_may_be_part_of_a_value(
    language: str, alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(subject="Tea, size=XL, colour:red, a = b, c:d"), alipay)
    printed = PRINTS[language](params).encode()
    key = f"--public-key={files / 'alipay.pem'}"
    assert alone("verify-notify", key, stdin=printed).exit_code == 0


def test_two_printed_maps_in_one_log_are_two_payloads(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    print_ = PRINTS["java map in a log line"]
    log = [print_(signed(notification_params(trade_no=number), alipay)) for number in ("1", "2")]
    key = f"--public-key={files / 'alipay.pem'}"
    result = alone("verify-notify", key, stdin="\n".join(log).encode())
    assert "2 payloads: 2 verified" in result.stdout


@pytest.mark.parametrize(
    "form",
    ["<{0}>{1}</{0}>\n", 's:9:"{0}";s:9:"{1}";', "{0}~{1}\n", '{{"n":"{0}","v":"{1}"}}\n'],
    ids=["xml", "php serialize", "strange", "json of other names"],
)
def test_an_unknown_format_is_not_reported_as_a_missing_signature(
    form: str, alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    params = signed(notification_params(fund_bill_list=BILL), alipay)
    printed = "".join(form.format(name, text) for name, text in params.items()).encode()
    key = f"--public-key={files / 'alipay.pem'}"
    result = alone("verify-notify", "--json", key, stdin=printed)
    assert (result.exit_code, report(result)["reason"]) == (2, Reason.UNREADABLE)
    assert "sign" not in report(result)["params"]


def test_a_printed_map_with_an_object_names_the_parameter() -> None:
    printed = b"notify { notify_id: '1', biz_content: { out_trade_no: '1' }, sign: 'x' }"
    with pytest.raises(UnreadablePayload, match="'biz_content' is not text"):
        read_captures(printed)


def response(signer: Rsa2Signer, **more: Any) -> str:
    node = {"code": "10000", "msg": "成功", "out_trade_no": "T1", "url": "https://x/", **more}
    text = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
    return (
        f'{{"alipay_trade_query_response":{text},"sign":"{signer.sign(text.encode())}",'
        '"sign_type":"RSA2"}'
    )


@pytest.mark.parametrize(
    "show",
    [
        str,
        lambda text: LOG + text,
        lambda text: f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{text}",
        lambda text: json.dumps({"resultStatus": "9000", "result": text, "memo": ""}),
        lambda text: "resultStatus={9000};memo={};result={" + text + "}",
        lambda text: f'{{\n    memo = "";\n    result = {json.dumps(text)};\n}}',
    ],
    ids=["response", "in a log", "over http", "app result", "android", "ios"],
)
def test_a_response_and_the_result_of_an_app_are_verified(
    show: Callable[[str], str], alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    key = f"--public-key={files / 'alipay.pem'}"
    printed = show(response(alipay)).encode()
    result = alone("verify-notify", "--json", key, stdin=printed)
    found = report(result)
    assert (result.exit_code, found["valid"], found["reason"]) == (0, True, Reason.OK)
    assert found["params"]["out_trade_no"] == "T1"
    assert "not a notification" in found["hint"]


def test_a_response_in_gbk_is_verified(alone: Run, files: Path, alipay: Rsa2Signer) -> None:
    node = '{"code":"40004","sub_msg":"交易不存在"}'.encode("gbk")
    printed = b'{"alipay_trade_query_response":%b,"sign":"%b"}' % (
        node,
        alipay.sign(node).encode(),
    )
    key = f"--public-key={files / 'alipay.pem'}"
    assert report(alone("verify-notify", "--json", key, stdin=printed))["valid"]


def test_the_reason_is_given_for_a_response_that_does_not_verify(
    alone: Run, files: Path, keys: Keys, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ALIPAY_PRIVATE_KEY_PATH", str(files / "merchant.pem"))
    good = response(alipay)
    cases = {
        Reason.ALTERED: good.replace('"T1"', '"T2"'),
        Reason.REFORMATTED: json.dumps(json.loads(good), indent=1),
        Reason.WRONG_KEY: response(Rsa2Signer(generate_private_key())),
        Reason.OWN_SIGNATURE: response(Rsa2Signer(keys.merchant)),
        Reason.MISSING_SIGN: '{"error_response":{"code":"20000"}}',
    }
    for reason, printed in cases.items():
        key = f"--public-key={files / 'alipay.pem'}"
        result = alone("verify-notify", "--json", key, stdin=printed.encode())
        assert (result.exit_code, report(result)["reason"]) == (1, reason)


def test_a_message_of_the_open_platform_is_not_called_a_request(
    alone: Run, files: Path, alipay: Rsa2Signer
) -> None:
    message = {"msg_method": "alipay.fund.trans.order.changed", "biz_content": '{"status":"OK"}'}
    message |= {"app_id": "2021000000000000", "charset": "UTF-8", "version": "1.1"}
    key = f"--public-key={files / 'alipay.pem'}"
    result = alone("verify-notify", key, stdin=body(signed(message, alipay)))
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "This is a message from Alipay (alipay.fund.trans.order.changed)" in text
    assert "request to Alipay" not in text


def test_a_response_is_not_replayed(keys: Keys, alipay: Rsa2Signer) -> None:
    app = make_app(
        ALIPAY_APP_ID="2021000000000000",
        ALIPAY_PRIVATE_KEY=private_pem(keys.merchant),
        ALIPAY_PUBLIC_KEY=public_pem(keys.alipay.public_key()),
    )
    result = app.test_cli_runner().invoke(
        args=("alipay", "replay", "-", "--yes"), input=response(alipay)
    )
    assert result.exit_code == 2
    assert "a response of Alipay's, not a notification" in result.output


def test_a_configured_key_is_used_beside_a_given_one(
    alone: Run, files: Path, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy = body(signed({"notify_id": "1", "out_trade_no": "1"}, Md5Signer(MD5_KEY)))
    modern = body(signed(notification_params(), alipay))
    monkeypatch.setenv("FLASK_ALIPAY_KEY", MD5_KEY)
    key = f"--public-key={files / 'alipay.pem'}"
    assert alone("verify-notify", key, stdin=legacy).exit_code == 0
    monkeypatch.setenv("FLASK_ALIPAY_PUBLIC_KEY_PATH", str(files / "alipay.pem"))
    assert alone("verify-notify", f"--key={MD5_KEY}", stdin=modern).exit_code == 0
    assert alone("verify-notify", stdin=legacy).exit_code == 0


def test_every_key_is_tried_if_the_payload_names_no_sign_type(
    alone: Run, files: Path, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy = signed({"notify_id": "1", "out_trade_no": "1"}, Md5Signer(MD5_KEY))
    del legacy["sign_type"]
    monkeypatch.setenv("FLASK_ALIPAY_KEY", MD5_KEY)
    monkeypatch.setenv("FLASK_ALIPAY_PUBLIC_KEY_PATH", str(files / "alipay.pem"))
    assert alone("verify-notify", stdin=body(legacy)).exit_code == 0


def test_in_a_legacy_app_its_md5_key_is_used_beside_a_public_key(files: Path) -> None:
    app = make_app(ALIPAY_PARTNER="2088000000000000", ALIPAY_KEY=MD5_KEY)
    payload = body(signed(notification_params(), Md5Signer(MD5_KEY)))
    result = verify_in(app, payload, "--public-key", str(files / "alipay.pem"))
    assert report(result)["valid"]
