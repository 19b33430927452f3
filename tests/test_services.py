"""Fixtures that need servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text


def test_each_test_gets_an_empty_database(database_url: str) -> None:
    engine = create_engine(database_url)
    try:
        assert inspect(engine).get_table_names() == []
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE tea (name VARCHAR(10))"))
            connection.execute(text("INSERT INTO tea VALUES ('龙井')"))
            assert connection.execute(text("SELECT name FROM tea")).scalar_one() == "龙井"
    finally:
        engine.dispose()


@pytest.mark.service
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_no_two_tests_share_a_database(request: pytest.FixtureRequest, kind: str) -> None:
    url = make_url(request.getfixturevalue(f"{kind}_url"))
    assert url.database is not None
    assert url.database.startswith("flask_alipay_test_")


@pytest.mark.parametrize(("every", "outcome"), [("", "1 skipped"), ("1", "1 failed")])
def test_a_missing_service_skips_unless_all_tests_are_required(
    tmp_path: Path, every: str, outcome: str
) -> None:
    test = tmp_path / "test_it.py"
    test.write_text("from tests.requirements import missing\ndef test_it(): missing('no tea')\n")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rsf",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            tmp_path,
            test,
        ],
        env=os.environ
        | {"FLASK_ALIPAY_TEST_ALL": every, "PYTHONPATH": str(Path(__file__).parent.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in ran.stdout
    assert "no tea" in ran.stdout
