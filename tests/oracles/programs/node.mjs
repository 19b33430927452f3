// The official alipay-sdk for Node.js, of its majors 3 and 4: buys, and asks in both protocols.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { generateKeyPairSync, verify } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import * as library from "alipay-sdk";

const [keys, prefix, journey] = process.argv.slice(2);
const AlipaySdk = library.AlipaySdk ?? library.default;
const AlipayFormData = library.AlipayFormData;
const file = (name) => readFileSync(`${keys}/${name}`, "utf8");
const merchant = JSON.parse(file("merchant.json"));
const root = merchant.gateway_url.replace("/gateway.do", "");
const said = (step, about) => console.log(JSON.stringify({ step, ...about }));

const config = {
  appId: merchant.app_id,
  privateKey: file("app_private_key.pem"),
  keyType: "PKCS8",
  alipayPublicKey: file("alipay_public_key.pem"),
  gateway: merchant.gateway_url,
  endpoint: root,
  encryptKey: merchant.aes_key,
  camelcase: false,
};
const certificates = {
  ...config,
  alipayPublicKey: undefined,
  appCertContent: file("app_cert.crt"),
  alipayPublicCertContent: file("alipay_cert.crt"),
  alipayRootCertContent: file("alipay_root_cert.crt"),
};
const sdk = new AlipaySdk({ ...config });
const certified = new AlipaySdk({ ...certificates });
const believed = (fields) => (sdk.checkNotifySignV2?.(fields) ?? sdk.checkNotifySign(fields, true));

function verified(text, name) {
  const sign = Buffer.from(JSON.parse(text).sign, "base64");
  const content = Buffer.from(sdk.getSignStr(text, name));
  return verify("sha256", content, file("alipay_public_key.pem"), sign);
}

// The shop's site.
const heard = [];
let wake = () => {};
const site = createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    heard.push(Object.fromEntries(new URLSearchParams(Buffer.concat(pieces).toString())));
    response.end("success");
    wake();
  });
});
await new Promise((ready) => site.listen(0, "127.0.0.1", ready));
const notifyUrl = `http://127.0.0.1:${site.address().port}/notify`;

async function news(step) {
  while (heard.length === 0) await new Promise((woken) => { wake = woken; });
  const { sign, ...fields } = heard.shift();
  said(step, {
    notify_type: fields.notify_type,
    trade_status: fields.trade_status,
    refund_fee: fields.refund_fee ?? "",
    subject: fields.subject,
    auth_app_id: fields.auth_app_id,
    rest_amount: fields.rest_amount,
    action: fields.action,
    status: fields.status,
    verified: believed({ ...fields, sign }),
    forgery_believed: believed({ ...fields, total_amount: "0.01", sign }),
  });
}

// Throws where the signature of the answer does not hold.
async function exec(step, method, params, { by = sdk, signed = true } = {}) {
  const node = await by.exec(method, params, { validateSign: signed });
  if (step) said(step, { ...node, signed, verified: signed });
  return node;
}

const ask = (step, method, bizContent, { by, signed, ...more } = {}) =>
  exec(step, method, { bizContent, notifyUrl, ...more }, { by, signed });

// It throws at an error_response, in which it looks for the signed text of the method's response.
const rejected = (step, method, params) => exec(null, method, params).catch((error) => {
  const text = error.responseDataRaw ?? error.serverResult.data;
  const { error_response, sign } = JSON.parse(text);
  said(step, { ...error_response, signed: !!sign, verified: verified(text, "error_response") });
});

const order = (number, more) => ({
  out_trade_no: prefix + number, total_amount: "88.88", subject: "龙井茶 '50g' + 100%", ...more,
});
const control = (path, about = {}) => fetch(root + path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(about),
});
const moved = async (method, url) => {
  const answer = await fetch(url, { method, redirect: "manual" });
  return new URL(answer.headers.get("location"), url).toString();
};

async function buy() {
  const out_trade_no = `${prefix}Q1`;
  const refund = (step, refund_amount, out_request_no) =>
    ask(step, "alipay.trade.refund", { out_trade_no, refund_amount, out_request_no });
  await ask("precreate", "alipay.trade.precreate", order("Q1"));
  await control(`/trades/${out_trade_no}/pay`);
  await news("told that it is paid");
  await ask("query", "alipay.trade.query", { out_trade_no });
  await refund("partial refund", "8.88", "R1");
  await refund("the same again", "8.88", "R1");
  const asked = { out_trade_no, out_request_no: "R1" };
  await ask("refund query", "alipay.trade.fastpay.refund.query", asked);
  await refund("above the rest", "80.01", "R2");
  await refund("full refund", "80.00", "R3");
  await ask("closed", "alipay.trade.query", { out_trade_no });
  await news("told of the partial refund");
  await news("told of the full refund");
  const bill_date = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
  const bill = await ask(null, "alipay.data.dataservice.bill.downloadurl.query",
    { bill_type: "trade", bill_date });
  const zip = Buffer.from(await (await fetch(bill.bill_download_url)).arrayBuffer());
  const start = 30 + zip.readUInt16LE(26) + zip.readUInt16LE(28);
  const table = inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(18)));
  said("bill", { names_the_order: table.includes(out_trade_no) });
}

async function pages() {
  const codes = { page: "FAST_INSTANT_TRADE_PAY", wap: "QUICK_WAP_WAY" };
  for (const [way, product_code] of Object.entries(codes)) {
    const params = (number) => ({
      bizContent: order(way + number, { product_code }), notifyUrl,
      returnUrl: "http://127.0.0.1/return",
    });
    const name = `alipay.trade.${way}.pay`;
    const cashier = await moved("GET", sdk.pageExec(name, { method: "GET", ...params("G") }));
    const back = new URL(await moved("POST", `${cashier}/pay`));
    said(way, { verified: believed(Object.fromEntries(back.searchParams)) });
    await news(`told of ${way}`);
    said(`form of ${way}`, { html: sdk.pageExec(name, { method: "POST", ...params("F") }) });
  }
  const params = { bizContent: order("A1", { product_code: "QUICK_MSECURITY_PAY" }), notifyUrl };
  const body = sdk.sdkExec("alipay.trade.app.pay", params);
  const result = await (await fetch(`${root}/mobile/pay`, { method: "POST", body })).text();
  const [, text] = /result=\{(.*)\}$/s.exec(result);
  said("app", {
    paid: result.startsWith("resultStatus={9000}"),
    verified: verified(text, "alipay_trade_app_pay_response"),
  });
  await news("told of app");
}

async function refusals() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const other = privateKey.export({ type: "pkcs8", format: "pem" }).trim();
  const x = { out_trade_no: "x" };
  const stranger = new AlipaySdk({ ...config, privateKey: other });
  await ask("wrong key", "alipay.trade.query", x, { by: stranger });
  const nobody = new AlipaySdk({ ...config, appId: "2021000000000000" });
  await ask("unknown app", "alipay.trade.query", x, { by: nobody, signed: false });
}

async function dresses() {
  const precreate = "alipay.trade.precreate";
  await ask("with certificates", precreate, order("C1"), { by: certified });
  // What it checks of an answer is an object, and so it cannot check an encrypted one.
  const encrypted = { needEncrypt: true, signed: false };
  await ask("encrypted", precreate, order("E1"), encrypted);
  await ask("encrypted, with certificates", precreate, order("E2"), { by: certified, ...encrypted });
}

// The newer protocol, which the older major does not speak. It checks each answer.
async function post(step, path, body, { by = sdk, ...more } = {}) {
  const { data, responseHttpStatus } = await by.curl("POST", `/v3/alipay/${path}`, { body, ...more });
  said(step, { ...data, http_status: responseHttpStatus });
  return data;
}

const failed = (step, path, body, more) => post(step, path, body, more).catch((error) =>
  said(step, { code: error.code, http_status: error.responseHttpStatus }));

async function anew() {
  const trade = (step, what, ...more) => post(step, `trade/${what}`, ...more);
  const out_trade_no = `${prefix}V1`;
  await trade("v3: precreate", "precreate", order("V1", { notify_url: notifyUrl }));
  await control(`/trades/${out_trade_no}/pay`);
  await news("v3: told that it is paid");
  const refund = { out_trade_no, refund_amount: "8.88", out_request_no: "R1" };
  await trade("v3: refund", "refund", refund);
  await trade("v3: the same again", "refund", refund, { needEncrypt: true });
  await trade("v3: query", "query", { out_trade_no }, { by: certified });
  await trade("v3: encrypted, with certificates", "query", { out_trade_no },
    { by: certified, needEncrypt: true });
  const bill_date = new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10);
  const path = "/v3/alipay/data/dataservice/bill/downloadurl/query";
  const { data } = await sdk.curl("GET", path, { query: { bill_type: "trade", bill_date } });
  said("v3: bill", { there: (await fetch(data.bill_download_url)).ok });
  const stranger = new AlipaySdk({ ...config, appId: "2021000000000000" });
  for (const [step, by, what] of [
    ["v3: unknown app", stranger, out_trade_no], ["v3: nothing there", sdk, "x"],
  ]) {
    await failed(step, "trade/query", { out_trade_no: what }, { by });
  }
  const png = Buffer.from("89504e470d0a1a0a00", "hex");
  const form = new AlipayFormData();
  form.addField("imageType", "png");
  form.addFile("imageContent", "tea.png", png);
  const method = "alipay.merchant.image.upload";
  const answer = await certified.exec(method, {}, { formData: form, validateSign: true });
  said("a file", answer);
  const fields = new AlipayFormData();
  fields.addField("image_type", "png");
  fields.addFile("image_content", "tea.png", png);
  const { data: image } = await sdk.curl("POST", "/v3/alipay/merchant/image/upload", { form: fields });
  said("v3: a file", { there: image.image_id.length === 32 });
  const complaint = `${prefix}00100000000000000001`;
  await fetch(`${root}/messages`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      kind: "alipay.merchant.tradecomplain.changed",
      content: { complain_event_id: complaint },
      url: notifyUrl,
    }),
  });
  heard.shift();
  const { data: details } = await sdk.curl("GET", `/v3/alipay/merchant/tradecomplain/${complaint}`);
  said("v3: a complaint", { status: details.status });
}

// Messages, which are not about a trade: in both forms, each kind with its own rule.
async function messages() {
  for (const kind of ["alipay.fund.trans.order.changed", "dut_user_sign", "servicemarket_order_notify"]) {
    await fetch(`${root}/messages`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, url: notifyUrl }),
    });
    const { sign, ...fields } = heard.shift();
    said(`message ${kind}`, {
      verified: believed({ ...fields, sign }),
      forgery_believed: believed({ ...fields, notify_id: "1", sign }),
    });
  }
}

// Notifications of the trades before may still wait, or come between.
async function told(step) {
  const ours = (one) => one.msg_method === "alipay.fund.trans.order.changed";
  while (!heard.some(ours)) await new Promise((woken) => { wake = woken; });
  const [{ sign, ...fields }] = heard.splice(heard.findIndex(ours), 1);
  said(step, {
    status: JSON.parse(fields.biz_content).status,
    msg_method: fields.msg_method,
    verified: believed({ ...fields, sign }),
    forgery_believed: believed({ ...fields, biz_content: "{}", sign }),
  });
}

// Money that leaves the account, and what the account says of it.
async function payouts() {
  const by = { by: certified };
  const out_biz_no = `${prefix}T1`, direct = { biz_scene: "DIRECT_TRANSFER" };
  const account = { product_code: "TRANS_ACCOUNT_NO_PWD", ...direct };
  const payee_info = { identity_type: "ALIPAY_USER_ID", identity: "2088000000000002", name: "黄龙" };
  const transfer = "alipay.fund.trans.uni.transfer";
  const content = { out_biz_no, trans_amount: "1.00", payee_info, ...account };
  const paid = await ask("transfer", transfer, content, by);
  await told("told of the transfer");
  await ask("transfer query", "alipay.fund.trans.common.query", { out_biz_no, ...account }, by);
  const card = {
    identity_type: "BANKCARD_ACCOUNT", identity: "6222", name: "黄龙",
    bankcard_ext_info: { account_type: "2", inst_name: "招商银行" },
  };
  await ask("transfer to a card", transfer, {
    out_biz_no: `${prefix}T2`, trans_amount: "2.00", payee_info: card,
    product_code: "TRANS_BANKCARD_NO_PWD", ...direct,
  }, by);
  await told("told of the card");
  await control(`/transfers/${prefix}T2/succeed`);
  await told("told of the bank");
  await ask("confirmed by the bank", "alipay.fund.trans.common.query", {
    out_biz_no: `${prefix}T2`, product_code: "TRANS_BANKCARD_NO_PWD", ...direct,
  }, by);
  await ask("account", "alipay.fund.account.query", {
    alipay_user_id: merchant.partner ?? "2088000000000001", account_type: "ACCTRANS_ACCOUNT",
  });
  await ask("balance", "alipay.data.bill.balance.query", {});
  const china = (ms) => new Date(ms + 8 * 3600_000).toISOString().slice(0, 19).replace("T", " ");
  const log = await ask(null, "alipay.data.bill.accountlog.query", {
    start_time: china(Date.now() - 3600_000), end_time: china(Date.now() + 3600_000),
    page_no: "1", page_size: "1000", merchant_order_no: out_biz_no,
  });
  said("account log", { found: log.detail_list?.[0]?.trans_amount ?? log.detailList?.[0]?.transAmount });
  const applied = await ask("receipt", "alipay.data.bill.ereceipt.apply", {
    type: "FUND_DETAIL", key: paid.pay_fund_order_id,
  });
  const { file_id } = applied;
  const receipt = await ask(null, "alipay.data.bill.ereceipt.query", { file_id });
  said("receipt download", { there: (await fetch(receipt.download_url)).ok });
  const receiver = { type: "userId", account: "2088000000000003", memo: "seller" };
  const bound = { out_request_no: "R1", receiver_list: [receiver] };
  await ask("bind", "alipay.trade.royalty.relation.bind", bound);
  await ask("relations", "alipay.trade.royalty.relation.batchquery", { out_request_no: "R2" });
  const till = order("S1", { scene: "bar_code", auth_code: "281234567890123456" });
  const { trade_no } = await ask(null, "alipay.trade.pay", till);
  const part = { trans_in: "2088000000000003", trans_in_type: "userId", amount: "1.00" };
  const share = { out_request_no: `${prefix}S1`, trade_no };
  await ask("settle", "alipay.trade.order.settle", { ...share, royalty_parameters: [part] });
  const split = await ask(null, "alipay.trade.order.settle.query", share);
  said("settle query", { state: split.royalty_detail_list[0].state });
  await ask("unsettled", "alipay.trade.order.onsettle.query", { trade_no, royalty_source: "unsettled" });
  await ask("unbind", "alipay.trade.royalty.relation.unbind", bound);
}

// A buyer in a mini-program, whom the shop knows by an OpenID.
async function miniProgram() {
  const app = async (name, about) => (await control(`/mini-program/${name}`, about)).json();
  const { authCode: code } = await app("auth-code", { scopes: "auth_user" });
  const exchange = { grant_type: "authorization_code", code };
  const user = await exec("buyer's token", "alipay.system.oauth.token", exchange);
  await rejected("code used twice", "alipay.system.oauth.token", exchange);
  await exec("profile", "alipay.user.info.share", { auth_token: user.access_token });
  const product = { product_code: "JSAPI_PAY", op_app_id: merchant.app_id };
  const create = "alipay.trade.create";
  await ask("create for a buyer_id", create, order("M0", { buyer_id: merchant.buyer_id, ...product }));
  const mine = order("M1", { buyer_open_id: user.open_id, ...product });
  const { out_trade_no, trade_no } = await ask("create", create, mine);
  const again = await ask("create again", create, mine);
  said("trade", { same: again.trade_no === trade_no });
  if (sdk.curl) {
    const { authCode } = await app("auth-code", { scopes: "auth_user" });
    const granted = { grant_type: "authorization_code", code: authCode };
    const { access_token } = await post("v3: buyer's token", "system/oauth/token", granted);
    await failed("v3: code used twice", "system/oauth/token", granted);
    await post("v3: profile", "user/info/share", { auth_token: access_token });
    const made = await post("v3: create again", "trade/create", { ...mine, notify_url: notifyUrl });
    said("v3: trade", { same: made.trade_no === trade_no });
  }
  said("pay by out_trade_no", await app("pay", { tradeNO: out_trade_no }));
  said("pay", await app("pay", { tradeNO: trade_no }));
  await news("told that it is paid");
  await ask("query", "alipay.trade.query", { out_trade_no });
}

// A merchant authorises the third-party application on Alipay's page, and comes back.
async function connect(number) {
  const page = new URL(`${root}/oauth2/appToAppAuth.htm`);
  const about = { app_id: merchant.app_id, redirect_uri: "http://127.0.0.1/connected", state: "c3RhdGU=" };
  page.search = new URLSearchParams(about);
  const found = [...(await (await fetch(page)).text()).matchAll(/name="auth_app_id" value="(\d+)"/g)];
  const body = new URLSearchParams({ auth_app_id: found[number][1], decision: "allow" });
  const answer = await fetch(page, { method: "POST", body, redirect: "manual" });
  return Object.fromEntries(new URL(answer.headers.get("location")).searchParams);
}

async function thirdParty() {
  const exchange = "alipay.open.auth.token.app", tokens = [];
  for (const number of [0, 1]) {
    const back = await connect(number);
    said(`authorisation ${number}`, back);
    const granted = { grant_type: "authorization_code", code: back.app_auth_code };
    tokens.push(await ask(`token ${number}`, exchange, granted));
    await ask(`code used twice ${number}`, exchange, granted);
  }
  const [first, second] = tokens.map((token) => ({ appAuthToken: token.app_auth_token }));
  const precreate = "alipay.trade.precreate", query = "alipay.trade.query";
  const out_trade_no = `${prefix}I1`;
  await ask("token query", `${exchange}.query`, { app_auth_token: first.appAuthToken });
  await ask("without a token", precreate, order("I1"));
  const wrong = { bizContent: order("I1"), appAuthToken: "202611BBx" };
  await rejected("with a wrong token", precreate, wrong);
  await ask("not found", query, { out_trade_no }, first);
  await ask("precreate", precreate, order("I1"), first);
  await control(`/trades/${out_trade_no}/pay`);
  await news("told that it is paid");
  await ask("query", query, { out_trade_no }, first);
  await ask("query by another merchant", query, { out_trade_no }, second);
  if (sdk.curl) {
    const asked = { app_auth_token: first.appAuthToken };
    await post("v3: token query", "open/auth/token/app/query", asked);
    await post("v3: query", "trade/query", { out_trade_no }, first);
    await failed("v3: query by another merchant", "trade/query", { out_trade_no }, second);
    await failed("v3: without a token", "trade/query", { out_trade_no });
  }
  const { app_refresh_token: refresh_token, auth_app_id } = tokens[0];
  const renewed = await ask("renewed token", exchange, { grant_type: "refresh_token", refresh_token });
  const by = { appAuthToken: renewed.app_auth_token };
  const all = { out_trade_no, refund_amount: "88.88", out_request_no: "R1" };
  await ask("refund", "alipay.trade.refund", all, by);
  await control(`/authorizations/${auth_app_id}/withdraw`);
  await ask("withdrawn token query", `${exchange}.query`, { app_auth_token: by.appAuthToken });
  await rejected("after the withdrawal", query, { bizContent: { out_trade_no }, ...by });
}

// A hotel freezes by app, by QR code and by the payer's code, takes a part, gives back.
async function deposits() {
  const product_code = "PREAUTH_PAY", fund = "alipay.fund.auth.";
  const named = (number) => ({ out_order_no: prefix + number, out_request_no: `${prefix}${number}F` });
  const deposit = (number, more) => ({
    ...named(number), order_title: "龙井茶 '50g' + 100%", amount: "500.00", product_code, ...more,
  });
  const params = { bizContent: deposit("DA"), notifyUrl };
  const body = sdk.sdkExec(`${fund}order.app.freeze`, params);
  const result = await (await fetch(`${root}/mobile/pay`, { method: "POST", body })).text();
  const [, text] = /result=\{(.*)\}$/s.exec(result);
  said("app", {
    paid: result.startsWith("resultStatus={9000}"),
    verified: verified(text, "alipay_fund_auth_order_app_freeze_response"),
  });
  await news("told of the app");
  await ask("voucher", `${fund}order.voucher.create`, deposit("DV"));
  const query = `${fund}operation.detail.query`, unfreeze = `${fund}order.unfreeze`;
  await ask("not opened", query, named("DV"));
  await control(`/preauthorizations/${prefix}DV/freeze`);
  await news("told of the voucher");
  const code = { auth_code: "281234567890123456", auth_code_type: "bar_code" };
  const held = await ask("freeze", `${fund}order.freeze`, deposit("DC", code));
  const { auth_no, operation_id } = held, grant = { auth_no, product_code };
  await news("told of the code");
  await ask("the same again", `${fund}order.freeze`, deposit("DC", code));
  const pay = "alipay.trade.pay", part = { auth_no, out_request_no: `${prefix}U`, remark: "left" };
  const { trade_no } = await ask("capture", pay, order("D1", grant));
  await news("told of the capture");
  await ask("above the rest", pay, order("D2", { ...grant, total_amount: "411.13" }));
  await ask("release", unfreeze, { ...part, amount: "200.00" });
  await ask("released again", unfreeze, { ...part, amount: "200.00" });
  await news("told of the release");
  await ask("query", query, { auth_no, operation_id });
  const captured = { ...named("DC"), out_request_no: `${prefix}D1`, operation_type: "PAY" };
  await ask("query of the capture", query, captured);
  if (sdk.curl) {
    const path = "fund/auth/operation/detail/query";
    await post("v3: query", path, { auth_no, operation_id });
    await failed("v3: not there", path, named("DX"));
    await post("v3: released again", "fund/auth/order/unfreeze", { ...part, amount: "200.00" });
  }
  const last = { ...grant, total_amount: "100.00", auth_confirm_mode: "COMPLETE" };
  await ask("last capture", pay, order("D3", last));
  await news("told of the last capture");
  await ask("finished", unfreeze, { ...part, out_request_no: "V", amount: "1.00" });
  await ask("cancel", `${fund}operation.cancel`, { ...named("DV"), remark: "no stay" });
  await news("told of the cancellation");
  const order_biz_info = '{"status":"COMPLETE"}';
  const sync = { trade_no, out_request_no: "S1", biz_type: "CREDIT_AUTH", order_biz_info };
  await ask("synchronised", "alipay.trade.orderinfo.sync", sync);
}

// A shop deducts by an agreement of weeks, moves its plan, and ends it.
async function agreements() {
  const after = (days) =>
    new Date(Date.now() + (24 * days + 8) * 3600_000).toISOString().slice(0, 10);
  const method = (name) => `alipay.user.agreement.${name}`, pay = "alipay.trade.pay";
  const named = {
    personal_product_code: "CYCLE_PAY_AUTH_P", sign_scene: "INDUSTRY|DIGITAL_MEDIA",
    external_agreement_no: `${prefix}S1`,
  };
  const period_rule_params = {
    period_type: "DAY", period: 7, execute_time: after(2), single_amount: "88.88",
  };
  const bizContent = { ...named, access_params: { channel: "QRCODE" }, period_rule_params };
  await ask("not signed", method("query"), named);
  const page = sdk.pageExec(method("page.sign"), { method: "GET", bizContent, notifyUrl });
  const body = new URLSearchParams({ decision: "sign" });
  await fetch(await moved("GET", page), { method: "POST", body, redirect: "manual" });
  await news("told of the signature");
  const { agreement_no } = await ask("query", method("query"), named);
  const by = { agreement_params: { agreement_no }, product_code: "GENERAL_WITHHOLDING" };
  await ask("too much", pay, order("A0", { ...by, total_amount: "88.89" }));
  await ask("deduction", pay, order("A1", by));
  await news("told of the deduction");
  await ask("the same again", pay, order("A1", by));
  await ask("twice in a period", pay, order("A2", by));
  const plan = (days) => ({ agreement_no, deduct_time: after(days) });
  await ask("later", method("executionplan.modify"), plan(20));
  await ask("earlier", method("executionplan.modify"), plan(10));
  if (sdk.curl) {
    const path = "/v3/alipay/user/agreement/query";
    const { data, responseHttpStatus } = await sdk.curl("GET", path, { query: { agreement_no } });
    said("v3: query", { status: data.status, http_status: responseHttpStatus });
    await post("v3: later", "user/agreement/executionplan/modify", plan(30));
    await failed("v3: not due", "trade/pay", order("A4", by));
  }
  await ask("end", method("unsign"), { agreement_no });
  await news("told of the end");
  await ask("ended again", method("unsign"), { agreement_no });
  await ask("ended query", method("query"), { agreement_no });
  await ask("ended deduction", pay, order("A3", by));
}

const journeys = {
  trades: [buy, pages, refusals, dresses, messages, ...(sdk.curl ? [anew] : []), payouts],
  "mini-program": [miniProgram],
  "third-party": [thirdParty],
  deposits: [deposits],
  agreements: [agreements],
};
for (const part of journeys[journey]) await part();
site.close();
site.closeAllConnections();
