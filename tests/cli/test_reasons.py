"""Every reason is told in Chinese, too; programs hear the same in both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flask_alipay.cli.reasons import SENTENCES, sentence_for
from flask_alipay.diagnosis import Reason
from flask_alipay.signer import Rsa2Signer

from .conftest import Run, body, news, signed


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Reason.ALL) - {Reason.OK}


def test_in_english_the_hint_says_it() -> None:
    assert sentence_for(Reason.ALTERED) == ""


def test_a_verdict_is_told_in_the_readers_language(
    alone: Run, files: Path, alipay: Rsa2Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = body({**signed(news(), alipay), "total_amount": "0.01"})
    args = ("verify-notify", "--public-key", str(files / "alipay.pem"))
    english = alone(*args, "--json", stdin=payload)
    monkeypatch.setenv("LANGUAGE", "zh")
    chinese = alone(*args, stdin=payload)
    assert "标准输入: 验签未通过 (altered)" in chinese.stdout
    assert "内容与签名时不一致。" in chinese.stdout
    assert chinese.exit_code == english.exit_code == 1
    told = alone(*args, "--json", stdin=payload)
    assert json.loads(told.stdout) == json.loads(english.stdout)
