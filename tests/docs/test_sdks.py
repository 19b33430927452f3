"""The settings for SDKs on the page "Develop without Alipay".

They run with the SDK itself or, for languages whose SDK is not installed, with a stub that has the
same interface.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flask_alipay.cli.sdk_settings import SDKS
from flask_alipay.testing import AlipayServer

from ..other_sdks import node_peer, python_peer
from ..requirements import missing
from .reading import code_blocks, page

TIMEOUT = 120


def documented(language: str) -> str:
    """Return the page's code for a language."""
    tabs = re.sub(r"^ {8}|^ {4}(?=\.\. tab)", "", page("offline.rst"), flags=re.MULTILINE)
    (found,) = [text for text in code_blocks(tabs, language) if "alipay-simulator" in text]
    return found


def block(language: str, server: AlipayServer) -> str:
    """Return the page's code for a language, with the URL and folder of the test's simulator."""
    found = documented(language)
    found = found.replace("http://127.0.0.1:8090", server.url)
    return found.replace("alipay-simulator", str(server.folder))


def run(command: list[str | Path], folder: Path) -> list[str]:
    """Run a program and return its output, line by line."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def program(name: str) -> str:
    found = shutil.which(name)
    return found if found is not None else missing(f"{name} is not installed")


def bare(text: str) -> str:
    return re.sub(r"-----[^-]+-----|\s", "", text)


def settings(server: AlipayServer, private: str, *, whole: bool = False) -> list[str]:
    """Return the gateway's URL, the APPID, the app's key and Alipay's; bare unless ``whole``."""
    merchant = json.loads((server.folder / "merchant.json").read_text("utf-8"))
    names = (private, "alipay_public_key.pem")
    keys = [(server.folder / name).read_text("utf-8") for name in names]
    return [
        merchant["gateway_url"],
        merchant["app_id"],
        *(keys if whole else map(bare, keys)),
    ]


def test_the_sdk_for_nodejs_accepts_the_settings(
    alipay_server: AlipayServer, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(node_peer("alipay-sdk@4") / "node_modules")
    call = """
const bizContent = { out_trade_no: "x" };
console.log((await sdk.exec("alipay.trade.query", { bizContent }, { validateSign: true })).subCode);
await sdk.curl("POST", "/v3/alipay/trade/query", { body: bizContent })
  .catch((error) => console.log(error.code));
"""
    text = block("javascript", alipay_server) + call
    (tmp_path / "shop.mjs").write_text(text, encoding="utf-8")
    assert run(["node", "shop.mjs"], tmp_path) == ["ACQ.TRADE_NOT_EXIST"] * 2


def test_python_alipay_sdk_accepts_the_settings(
    alipay_server: AlipayServer, tmp_path: Path
) -> None:
    call = 'print(alipay.api_alipay_trade_query(out_trade_no="x")["sub_code"])\n'
    (tmp_path / "shop.py").write_text(block("python", alipay_server) + call, encoding="utf-8")
    printed = run([python_peer("python-alipay-sdk"), "shop.py"], tmp_path)
    assert printed == ["ACQ.TRADE_NOT_EXIST"]


def test_the_sdk_for_java_accepts_the_settings(alipay_server: AlipayServer, tmp_path: Path) -> None:
    text = """
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

public class Shop {
    public static void main(String[] arguments) throws IOException {
        client();
    }
"""
    library = """
}

interface AlipayClient {}

class DefaultAlipayClient implements AlipayClient {
    DefaultAlipayClient(String serverUrl, String appId, String privateKey, String format,
            String charset, String alipayPublicKey, String signType) {
        for (String one : new String[] {serverUrl, appId, privateKey, alipayPublicKey,
                format, charset, signType}) {
            System.out.println(one);
        }
    }
}
"""
    text += block("java", alipay_server) + library
    (tmp_path / "Shop.java").write_text(text, encoding="utf-8")
    printed = run([program("java"), "-XX:TieredStopAtLevel=1", "Shop.java"], tmp_path)
    expected = settings(alipay_server, "app_private_key.pem")  # PKCS#8
    assert printed == [*expected, "json", "UTF-8", "RSA2"]


def test_the_sdk_for_php_accepts_the_settings(alipay_server: AlipayServer, tmp_path: Path) -> None:
    library = """<?php
class AopClient {
    public $gatewayUrl, $appId, $rsaPrivateKey, $alipayrsaPublicKey, $signType;
}
"""
    output = """
foreach ($aop as $value) {
    echo $value, "\\n";
}
"""
    text = library + block("php", alipay_server) + output
    (tmp_path / "shop.php").write_text(text, encoding="utf-8")
    # The SDK adds the header "RSA PRIVATE KEY": PKCS#1.
    expected = settings(alipay_server, "app_private_key_pkcs1.pem")
    assert run([program("php"), "shop.php"], tmp_path) == [*expected, "RSA2"]


def test_the_gem_for_ruby_accepts_the_settings(alipay_server: AlipayServer, tmp_path: Path) -> None:
    library = """
module Alipay
  class Client
    def initialize(options)
      puts options.values_at(:url, :app_id, :app_private_key, :alipay_public_key)
    end
  end
end
"""
    (tmp_path / "alipay.rb").write_text(library, encoding="utf-8")
    (tmp_path / "shop.rb").write_text(block("ruby", alipay_server), encoding="utf-8")
    printed = run([program("ruby"), "-I.", "shop.rb"], tmp_path)
    expected = settings(alipay_server, "app_private_key.pem", whole=True)
    assert printed == "\n".join(text.rstrip("\n") for text in expected).splitlines()


def test_the_library_for_go_accepts_the_settings(
    alipay_server: AlipayServer, tmp_path: Path
) -> None:
    name = "github.com/smartwalle/alipay/v3"
    library = """package alipay

type Client struct{}
type OptionFunc func(*Client)

func WithSandboxGateway(gateway string) OptionFunc {
	println(gateway)
	return nil
}

func New(appID, privateKey string, isProduction bool, options ...OptionFunc) (*Client, error) {
	println(appID)
	println(privateKey)
	return &Client{}, nil
}

func (client *Client) LoadAliPayPublicKey(key string) error {
	println(key)
	return nil
}
"""
    (tmp_path / "alipay").mkdir()
    (tmp_path / "alipay" / "alipay.go").write_text(library, encoding="utf-8")
    (tmp_path / "alipay" / "go.mod").write_text(f"module {name}\n", encoding="utf-8")
    module = f"module shop\nrequire {name} v3.0.0\nreplace {name} => ./alipay\n"
    (tmp_path / "go.mod").write_text(module, encoding="utf-8")
    head = f'package main\n\nimport (\n\t"os"\n\n\t"{name}"\n)\n\n'
    text = head + block("go", alipay_server) + "\nfunc main() { newClient() }\n"
    (tmp_path / "main.go").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [program("go"), "run", "."], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    expected = settings(alipay_server, "app_private_key_pkcs1.pem", whole=True)
    printed = "".join(done.stderr.split())
    assert printed == "".join("".join(expected).split())


def test_the_page_names_only_files_that_exist(alipay_server: AlipayServer) -> None:
    named = set(re.findall(r"\w+\.(?:pem|crt)", page("offline.rst")))
    assert named <= {file.name for file in alipay_server.folder.iterdir()}


@pytest.mark.parametrize("name", SDKS)
def test_the_simulator_prints_the_code_of_the_page(name: str) -> None:
    language = {"node": "javascript"}.get(name, name)
    printed = SDKS[name].settings(
        Path("alipay-simulator"), "http://127.0.0.1:8090/gateway.do", "9021000000000001"
    )
    assert printed.strip() == documented(language).strip()
    assert SDKS[name].title.split(":", 1)[1].strip() in page("offline.rst")


def test_the_simulator_prints_the_code_of_each_sdk_on_the_page() -> None:
    tabs = re.findall(r":sync: (\w+)", page("offline.rst"))
    assert sorted(tabs) == sorted(SDKS)
