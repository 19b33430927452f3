// A shop in Go without a library of Alipay's, which does as those in Go do: all parameters in one
// sorted form, answers cut out by their neighbours, connections kept.
package main

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"time"
)

const subject = "龙井茶 '50g' + 100%"

type fields = map[string]any

var (
	keys, prefix            = os.Args[1], os.Args[2]
	merchant                map[string]string
	gateway, root, appID    string
	ownKey                  *rsa.PrivateKey
	alipayKey               *rsa.PublicKey
	notifyURL               string
	heard                   = make(chan url.Values, 100)
	certificates, encrypted bool
	client                  = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	china                   = time.FixedZone("China", 8*3600)
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func block(name string) []byte {
	found, _ := pem.Decode(must(os.ReadFile(keys + "/" + name)))
	return found.Bytes
}

func main() {
	if err := json.Unmarshal(must(os.ReadFile(keys+"/merchant.json")), &merchant); err != nil {
		panic(err)
	}
	gateway, appID = merchant["gateway_url"], merchant["app_id"]
	root = strings.TrimSuffix(gateway, "/gateway.do")
	ownKey = must(x509.ParsePKCS1PrivateKey(block("app_private_key_pkcs1.pem")))
	alipayKey = must(x509.ParsePKIXPublicKey(block("alipay_public_key.pem"))).(*rsa.PublicKey)
	site := must(net.Listen("tcp", "127.0.0.1:0"))
	notifyURL = "http://" + site.Addr().String() + "/notify"
	go http.Serve(site, http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		request.ParseForm()
		heard <- request.Form
		answer.Write([]byte("success"))
	}))
	buy()
	pages()
	refusals()
	dresses()
}

func buy() {
	number := prefix + "Q1"
	refund := func(step, amount, request string) {
		answered(step, ask("alipay.trade.refund", fields{
			"out_trade_no": number, "refund_amount": amount, "out_request_no": request,
		}))
	}
	answered("precreate", ask("alipay.trade.precreate", order(number, "")))
	must(client.Post(root+"/trades/"+number+"/pay", "application/json", strings.NewReader("{}"))).Body.Close()
	news("told that it is paid")
	answered("query", ask("alipay.trade.query", fields{"out_trade_no": number}))
	refund("partial refund", "8.88", "R1")
	refund("the same again", "8.88", "R1")
	answered("refund query", ask("alipay.trade.fastpay.refund.query", fields{
		"out_trade_no": number, "out_request_no": "R1",
	}))
	refund("above the rest", "80.01", "R2")
	refund("full refund", "80.00", "R3")
	answered("closed", ask("alipay.trade.query", fields{"out_trade_no": number}))
	news("told of the partial refund")
	news("told of the full refund")
	bill := ask("alipay.data.dataservice.bill.downloadurl.query", fields{
		"bill_type": "trade", "bill_date": time.Now().In(china).Format("2006-01-02"),
	})
	node := read(bill, "alipay_data_dataservice_bill_downloadurl_query_response")
	packed := body(client.Get(node["bill_download_url"].(string)))
	file := must(must(zip.NewReader(bytes.NewReader(packed), int64(len(packed)))).File[0].Open())
	table := must(io.ReadAll(file))
	say("bill", fields{"names_the_order": bytes.Contains(table, []byte(number))})
}

func pages() {
	for way, code := range map[string]string{"page": "FAST_INSTANT_TRADE_PAY", "wap": "QUICK_WAP_WAY"} {
		method := "alipay.trade." + way + ".pay"
		params := signed(method, order(prefix+way+"G", code))
		opened := must(client.Get(gateway + "?" + params.Encode()))
		opened.Body.Close()
		cashier := must(opened.Location()).String()
		paid := must(client.PostForm(cashier+"/pay", nil))
		paid.Body.Close()
		told := must(paid.Location()).Query()
		say(way, fields{"out_trade_no": told.Get("out_trade_no"), "verified": believed(told)})
		news("told of " + way)
		form := "<form action='" + gateway + "?charset=utf-8' method='POST'>"
		for name, values := range signed(method, order(prefix+way+"F", code)) {
			form += "<input type='hidden' name='" + name + "' value='" + html.EscapeString(values[0]) + "'>"
		}
		say("form of "+way, fields{"html": form + "</form>"})
	}
	params := signed("alipay.trade.app.pay", order(prefix+"A1", "QUICK_MSECURITY_PAY"))
	result := string(body(client.Post(root+"/mobile/pay", "text/plain", strings.NewReader(params.Encode()))))
	text := strings.TrimSuffix(result[strings.Index(result, "result={")+8:], "}")
	node, _, sign := cut(text, "alipay_trade_app_pay_response")
	say("app", fields{
		"paid": strings.HasPrefix(result, "resultStatus={9000}"), "verified": verified(node, sign),
	})
	news("told of app")
}

func refusals() {
	right := ownKey
	ownKey = must(rsa.GenerateKey(rand.Reader, 2048))
	answered("wrong key", ask("alipay.trade.query", fields{"out_trade_no": "x"}))
	ownKey = right
	appID = "2021000000000000"
	answered("unknown app", ask("alipay.trade.query", fields{"out_trade_no": "x"}))
	appID = merchant["app_id"]
}

func dresses() {
	encrypted = true
	answered("encrypted", ask("alipay.trade.precreate", order(prefix+"E1", "")))
	certificates = true
	answered("encrypted, with certificates", ask("alipay.trade.precreate", order(prefix+"E2", "")))
	encrypted = false
	answered("with certificates", ask("alipay.trade.precreate", order(prefix+"C1", "")))
	certificates = false
	// A body whose length the client does not know goes out in chunks.
	params := signed("alipay.trade.precreate", order(prefix+"K1", ""))
	request := must(http.NewRequest("POST", gateway, io.MultiReader(strings.NewReader(params.Encode()))))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
	answered("in chunks", string(body(client.Do(request))))
}

// What goes out.

func order(number, code string) fields {
	order := fields{"out_trade_no": number, "total_amount": "88.88", "subject": subject}
	if code != "" {
		order["product_code"] = code
	}
	return order
}

func signed(method string, content fields) url.Values {
	text := must(json.Marshal(content))
	params := url.Values{
		"app_id": {appID}, "method": {method}, "format": {"JSON"}, "charset": {"utf-8"},
		"sign_type": {"RSA2"}, "version": {"1.0"}, "notify_url": {notifyURL},
		"timestamp": {time.Now().In(china).Format("2006-01-02 15:04:05")},
	}
	if strings.HasSuffix(method, "page.pay") || strings.HasSuffix(method, "wap.pay") {
		params.Set("return_url", "http://127.0.0.1/return")
	}
	if encrypted {
		params.Set("encrypt_type", "AES")
		rest := aes.BlockSize - len(text)%aes.BlockSize
		text = append(text, bytes.Repeat([]byte{byte(rest)}, rest)...)
		cipher.NewCBCEncrypter(secret(), make([]byte, aes.BlockSize)).CryptBlocks(text, text)
		text = []byte(base64.StdEncoding.EncodeToString(text))
	}
	params.Set("biz_content", string(text))
	if certificates {
		params.Set("app_cert_sn", serial("app_cert.crt"))
		params.Set("alipay_root_cert_sn", serial("alipay_root_cert.crt"))
	}
	digest := sha256.Sum256([]byte(joined(params, "sign")))
	sign := must(rsa.SignPKCS1v15(rand.Reader, ownKey, crypto.SHA256, digest[:]))
	params.Set("sign", base64.StdEncoding.EncodeToString(sign))
	return params
}

func ask(method string, content fields) string {
	return string(body(client.PostForm(gateway, signed(method, content))))
}

func body(answer *http.Response, err error) []byte {
	defer must(answer, err).Body.Close()
	return must(io.ReadAll(answer.Body))
}

func joined(params url.Values, without ...string) string {
	pairs := []string{}
	for name, values := range params {
		if values[0] != "" && !strings.Contains(" "+strings.Join(without, " ")+" ", " "+name+" ") {
			pairs = append(pairs, name+"="+values[0])
		}
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

func secret() cipher.Block {
	return must(aes.NewCipher(must(base64.StdEncoding.DecodeString(merchant["aes_key"]))))
}

func serial(name string) string {
	certificate := must(x509.ParseCertificate(block(name)))
	sum := md5.Sum([]byte(certificate.Issuer.String() + certificate.SerialNumber.String()))
	return hex.EncodeToString(sum[:])
}

// What comes in.

func verified(content, sign string) bool {
	digest := sha256.Sum256([]byte(content))
	signature := must(base64.StdEncoding.DecodeString(sign))
	return rsa.VerifyPKCS1v15(alipayKey, crypto.SHA256, digest[:], signature) == nil
}

func believed(told url.Values) bool {
	return verified(joined(told, "sign", "sign_type"), told.Get("sign"))
}

func news(step string) {
	select {
	case told := <-heard:
		said := fields{
			"trade_status": told.Get("trade_status"), "refund_fee": told.Get("refund_fee"),
			"subject": told.Get("subject"), "verified": believed(told),
		}
		told.Set("total_amount", "0.01")
		said["forgery_believed"] = believed(told)
		say(step, said)
	case <-time.After(20 * time.Second):
		panic(step + ": nothing was heard")
	}
}

// The text of a node, the number of the certificate, and the signature.
func cut(answer, name string) (string, string, string) {
	start := strings.Index(answer, `"`+name+`":`) + len(name) + 3
	number, sign := "", ""
	end := strings.LastIndex(answer, `,"sign":"`)
	if end < 0 {
		return strings.TrimSuffix(answer[start:], "}"), "", ""
	}
	sign = answer[end+9:]
	sign = sign[:strings.Index(sign, `"`)]
	if at := strings.LastIndex(answer, `,"alipay_cert_sn":"`); at > 0 {
		number, end = answer[at+19:end-1], at
	}
	return answer[start:end], number, strings.ReplaceAll(sign, `\/`, "/")
}

func read(answer, name string) fields {
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(answer), &whole); err != nil {
		panic(err)
	}
	text := whole[name]
	if text[0] == '"' {
		var packed string
		json.Unmarshal(text, &packed)
		text = must(base64.StdEncoding.DecodeString(packed))
		cipher.NewCBCDecrypter(secret(), make([]byte, aes.BlockSize)).CryptBlocks(text, text)
		text = text[:len(text)-int(text[len(text)-1])]
	}
	node := fields{}
	if err := json.Unmarshal(text, &node); err != nil {
		panic(err)
	}
	return node
}

func answered(step, answer string) {
	name := answer[2:strings.Index(answer, `":`)]
	text, number, sign := cut(answer, name)
	said := read(answer, name)
	said["signed"] = sign != ""
	said["verified"] = sign != "" && verified(text, sign)
	if number != "" {
		said["named"] = number == serial("alipay_cert.crt")
	}
	say(step, said)
}

func say(step string, said fields) {
	said["step"] = step
	os.Stdout.Write(append(must(json.Marshal(said)), '\n'))
}
