// The Node.js alipay-sdk, likewise.
import { readFileSync } from "node:fs";
import { AlipaySdk } from "alipay-sdk";

const told = JSON.parse(readFileSync(0, "utf8"));
const [appCertContent, alipayPublicCertContent, alipayRootCertContent] = told.certificates ?? [];
const sdk = new AlipaySdk({
  appId: told.app_id,
  privateKey: told.private_key,
  keyType: told.private_key.includes("RSA PRIVATE") ? "PKCS1" : "PKCS8",
  gateway: told.gateway,
  endpoint: told.root,
  camelcase: false,
  ...(told.certificates
    ? { appCertContent, alipayPublicCertContent, alipayRootCertContent }
    : { alipayPublicKey: told.public_key }),
});

const tell = (path) => fetch(told.root + path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
});
const ask = (method, bizContent) =>
  sdk.exec(`alipay.trade.${method}`, { bizContent, notifyUrl: told.notify_url });

const said = {};
said["verifies ours"] = sdk.checkNotifySignV2(told.notification);
said["refuses a changed one"] = !sdk.checkNotifySignV2({ ...told.notification, total_amount: "0.01" });

const order = { subject: "龙井茶 50g", total_amount: "88.88" };
const pay = { out_trade_no: "P1", product_code: "FAST_INSTANT_TRADE_PAY", ...order };
said.page = sdk.pageExec("alipay.trade.page.pay", { method: "GET", bizContent: pay }).split("?")[1];
said.form = sdk.pageExec("alipay.trade.page.pay", { method: "POST", bizContent: { ...pay, out_trade_no: "P2" } });
said.wap = sdk.pageExec("alipay.trade.wap.pay", {
  method: "GET", bizContent: { out_trade_no: "W1", product_code: "QUICK_WAP_WAY", ...order },
}).split("?")[1];
said.app = sdk.sdkExec("alipay.trade.app.pay", {
  bizContent: { out_trade_no: "A1", product_code: "QUICK_MSECURITY_PAY", ...order },
});
said.precreate = await ask("precreate", { out_trade_no: "Q1", ...order });
await tell("/trades/Q1/pay");
said.query = await ask("query", { out_trade_no: "Q1" });
said.refunds = [];
for (const out_request_no of ["R1", "R1", "R2"]) {
  said.refunds.push(await ask("refund", { out_trade_no: "Q1", refund_amount: "8.88", out_request_no }));
}
said["too much"] = JSON.stringify(
  await ask("refund", { out_trade_no: "Q1", refund_amount: "88.88", out_request_no: "R3" }));
said["refund query"] = await ask("fastpay.refund.query", { out_trade_no: "Q1", out_request_no: "R1" });
await ask("refund", { out_trade_no: "Q1", refund_amount: "71.12", out_request_no: "R4" });
said.closed = await ask("query", { out_trade_no: "Q1" });
said.pay = await ask("pay", {
  out_trade_no: "B1", scene: "bar_code", auth_code: "281234567890123456", ...order,
});
said.cancel = await ask("cancel", { out_trade_no: "B1" });
await ask("create", { out_trade_no: "C1", buyer_id: told.buyer_id, ...order });
said.close = await ask("close", { out_trade_no: "C1" });
said["nothing there"] = JSON.stringify(await ask("query", { out_trade_no: "nothing" }));
const notifications = await (await fetch(`${told.site}/heard`)).json();
said.heard = notifications.filter((one) => one.out_trade_no === "Q1").map((one) => one.trade_status);
said["believes all"] = notifications.every((one) => sdk.checkNotifySignV2(one));
process.stdout.write(JSON.stringify(said));
