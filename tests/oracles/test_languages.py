"""Shops in other languages, without a library of Alipay's: the simulator is an Alipay to them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..requirements import missing
from .journey import check
from .standalone import Standalone, run

PROGRAMS = Path(__file__).parent / "programs"


def program(name: str) -> str:
    found = shutil.which(name)
    return found if found is not None else missing(f"{name} is not installed")


def test_a_shop_in_java(standalone: Standalone) -> None:
    # It runs for seconds: no time is well spent on making it run faster.
    java = [program("java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"]
    output = run([*java, PROGRAMS / "Shop.java", standalone.keys, "java"])
    check(standalone, output, ["in GBK", "told in GBK", "by the newer client"])


def test_a_shop_in_php(standalone: Standalone) -> None:
    output = run([program("php"), PROGRAMS / "shop.php", standalone.keys, "php"])
    besides = ["in GBK", "told in GBK", "in parts", "in parts, in GBK", "asking first"]
    besides += ["legacy", "told of legacy", "legacy: query", "legacy: wrong key"]
    check(standalone, output, besides)


def test_a_shop_in_ruby(standalone: Standalone) -> None:
    output = run([program("ruby"), PROGRAMS / "shop.rb", standalone.keys, "ruby"], LANG="C.UTF-8")
    check(standalone, output, ["on one line: K1", "on one line: K2"])


def test_a_shop_in_csharp(standalone: Standalone, tmp_path: Path) -> None:
    mcs, mono = program("mcs"), program("mono")
    built = tmp_path / "shop.exe"
    subprocess.run([mcs, "-r:System.Web", f"-out:{built}", PROGRAMS / "shop.cs"], check=True)
    output = run([mono, built, standalone.keys, "csharp"])
    check(standalone, output, without=["with certificates", "encrypted, with certificates"])


def test_a_shop_in_go(standalone: Standalone) -> None:
    output = run([program("go"), "run", PROGRAMS / "shop.go", standalone.keys, "go"])
    check(standalone, output, ["in chunks"])
