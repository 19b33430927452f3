"""What the programs with Python's SDKs have in common: the folder of keys, the shop's site, a line
for each step. Imports nothing but Python, since the SDKs live in environments of their own.
"""

import io
import json
import queue
import re
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

KEYS, PREFIX = Path(sys.argv[1]), sys.argv[2]
SUBJECT = "龙井茶 '50g' + 100%"


def after(days):
    """A day in China, some days from today."""
    return (datetime.now(timezone.utc) + timedelta(days=days, hours=8)).strftime("%Y-%m-%d")


TODAY = after(0)
merchant = json.loads((KEYS / "merchant.json").read_text())
GATEWAY = merchant["gateway_url"]
ROOT = GATEWAY.removesuffix("/gateway.do")
_heard = queue.Queue()


def key(name):
    return (KEYS / name).read_text()


def say(step, about):
    print(json.dumps({**about, "step": step}), flush=True)


class _Site(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
        _heard.put(dict(parse_qsl(body, strict_parsing=True)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"success")

    def log_message(self, *about):
        pass


_server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
threading.Thread(target=_server.serve_forever, daemon=True).start()
NOTIFY_URL = f"http://127.0.0.1:{_server.server_port}/notify"


def news(step, believed):
    """Waits for the next notification, and has the SDK look at it."""
    fields = _heard.get(timeout=20)
    about = {
        "notify_type": fields["notify_type"],
        "trade_status": fields.get("trade_status"),
        "refund_fee": fields.get("refund_fee", ""),
        "subject": fields.get("subject"),
        "auth_app_id": fields.get("auth_app_id"),
        "rest_amount": fields.get("rest_amount"),
        "action": fields.get("action"),
        "status": fields.get("status"),
        "verified": believed(dict(fields)),
        "forgery_believed": believed({**fields, "total_amount": "0.01"}),
    }
    say(step, about)


def order(number, **more):
    return {
        "out_trade_no": PREFIX + number,
        "total_amount": "88.88",
        "subject": SUBJECT,
        **more,
    }


def control(path, **about):
    body = json.dumps(about).encode("ascii")
    asked = urllib.request.Request(ROOT + path, data=body, headers={"Content-Type": "text/json"})
    return json.loads(_open(asked)[1])


def connect(number):
    """A merchant authorises the third-party application on Alipay's page, and comes back."""
    about = {"app_id": merchant["app_id"], "redirect_uri": "http://127.0.0.1/connected"}
    url = f"{ROOT}/oauth2/appToAppAuth.htm?{urlencode({**about, 'state': 'c3RhdGU='})}"
    found = re.findall(r'name="auth_app_id" value="(\d+)"', _open(url)[1].decode())
    form = urlencode({"auth_app_id": found[number], "decision": "allow"}).encode("ascii")
    back = _open(urllib.request.Request(url, data=form))[0]["Location"]
    return dict(parse_qsl(urlsplit(back).query))


def _open(asked):
    opener = urllib.request.build_opener(_Still)
    try:
        with opener.open(asked, timeout=30) as answer:
            return answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        if answer.code != 303:
            raise
        with answer:
            return answer.headers, b""


class _Still(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *about):
        return None


def page(step, url, believed):
    """The buyer goes to the cashier, pays, and comes back."""
    cashier = urljoin(url, _open(url)[0]["Location"])
    back = _open(urllib.request.Request(f"{cashier}/pay", data=b""))[0]["Location"]
    say(step, {"verified": believed(dict(parse_qsl(urlsplit(back).query)))})
    news(f"told of {step}", believed)


def sign(url):
    """The buyer opens the page of an agreement, and signs."""
    page = urljoin(url, _open(url)[0]["Location"])
    _open(urllib.request.Request(page, data=b"decision=sign"))


def app(order_string, verified):
    """The app hands an order string to Alipay's library; the SDK looks at its result."""
    body = order_string.encode("ascii")
    result = _open(urllib.request.Request(f"{ROOT}/mobile/pay", data=body))[1].decode()
    text = result.partition("result={")[2].removesuffix("}")
    paid = result.startswith("resultStatus={9000}")
    say("app", {"paid": paid, "verified": verified(text)})


def bill(url, number):
    with zipfile.ZipFile(io.BytesIO(_open(url)[1])) as bundle:
        table = bundle.read(bundle.namelist()[0]).decode("gbk")
    say("bill", {"names_the_order": number in table})
