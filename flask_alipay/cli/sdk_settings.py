"""Code that configures SDKs of other languages for the simulator.

It reads the keys from the simulator's folder, so it contains no secret. The documentation shows the
same code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Sdk:
    """An SDK and its settings."""

    #: The language and the package.
    title: str
    #: The characters that a backslash escapes in the string with the folder.
    special: str
    #: The code, with ``<folder>``, ``<gateway>`` and ``<app_id>``.
    code: str

    def settings(self, folder: Path, gateway_url: str, app_id: str) -> str:
        """Return the code for a simulator.

        :param folder: with the keys.
        :param gateway_url: of the simulator.
        :param app_id: of its merchant.
        :return: the code, to be pasted into an app.
        """
        escaped = re.sub(f"[{re.escape(self.special)}]", r"\\\g<0>", folder.as_posix())
        values = {"<folder>": escaped, "<gateway>": gateway_url, "<app_id>": app_id}
        return re.sub("|".join(values), lambda found: values[found[0]], self.code)


_NODE = """\
import { readFileSync } from "node:fs";
import { AlipaySdk } from "alipay-sdk";

const file = (name) => readFileSync(`<folder>/${name}`, "utf8");
const merchant = JSON.parse(file("merchant.json"));
const sdk = new AlipaySdk({
  appId: merchant.app_id,
  privateKey: file("app_private_key.pem"),
  keyType: "PKCS8",
  alipayPublicKey: file("alipay_public_key.pem"),
  gateway: merchant.gateway_url,
  endpoint: new URL(merchant.gateway_url).origin, // for sdk.curl("POST", "/v3/…")
});
"""

_JAVA = r"""static String key(String name) throws IOException {
    String text = Files.readString(Path.of("<folder>", name));
    return text.replaceAll("-----[^-]+-----|\\s", "");
}

static AlipayClient client() throws IOException {
    return new DefaultAlipayClient("<gateway>", "<app_id>",
        key("app_private_key.pem"), "json", "UTF-8", key("alipay_public_key.pem"), "RSA2");
}
"""

_PHP = r"""function key_of($name) {
    return preg_replace('/-----[^-]+-----|\s/', '', file_get_contents("<folder>/$name"));
}

$aop = new AopClient();
$aop->gatewayUrl = '<gateway>';
$aop->appId = '<app_id>';
$aop->rsaPrivateKey = key_of('app_private_key_pkcs1.pem');
$aop->alipayrsaPublicKey = key_of('alipay_public_key.pem');
$aop->signType = 'RSA2';
"""

_RUBY = """\
require "alipay"

client = Alipay::Client.new(
  url: "<gateway>",
  app_id: "<app_id>",
  app_private_key: File.read("<folder>/app_private_key.pem"),
  alipay_public_key: File.read("<folder>/alipay_public_key.pem")
)
"""

_GO = """\
func newClient() (*alipay.Client, error) {
    appKey, err := os.ReadFile("<folder>/app_private_key_pkcs1.pem")
    if err != nil {
        return nil, err
    }
    alipayKey, err := os.ReadFile("<folder>/alipay_public_key.pem")
    if err != nil {
        return nil, err
    }
    gateway := alipay.WithSandboxGateway("<gateway>")
    client, err := alipay.New("<app_id>", string(appKey), false, gateway)
    if err != nil {
        return nil, err
    }
    return client, client.LoadAliPayPublicKey(string(alipayKey))
}
"""

_PYTHON = """\
from pathlib import Path

from alipay import AliPay

folder = Path("<folder>")
alipay = AliPay(
    appid="<app_id>",
    app_private_key_string=(folder / "app_private_key.pem").read_text(),
    alipay_public_key_string=(folder / "alipay_public_key.pem").read_text(),
)
alipay._gateway = "<gateway>"
"""

#: The SDKs by the names of ``--sdk``.
SDKS: Final = {
    "node": Sdk("Node.js: alipay-sdk", "\\`$", _NODE),
    "java": Sdk("Java: com.alipay.sdk:alipay-sdk-java", '\\"', _JAVA),
    "php": Sdk("PHP: alipaysdk/openapi", '\\"$', _PHP),
    "ruby": Sdk("Ruby: alipay", '\\"#', _RUBY),
    "go": Sdk("Go: github.com/smartwalle/alipay/v3", '\\"', _GO),
    "python": Sdk("Python: python-alipay-sdk", '\\"', _PYTHON),
}
