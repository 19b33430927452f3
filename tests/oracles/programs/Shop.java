// A shop in Java without a library of Alipay's, which asks as that library does: the common
// parameters in the query, biz_content in the body, over HttpURLConnection and kept connections.

import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URL;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.zip.ZipInputStream;
import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public class Shop {
    static final String SUBJECT = "龙井茶 '50g' + 100%";
    static final LinkedBlockingQueue<Map<String, String>> heard = new LinkedBlockingQueue<>();
    static Path keys;
    static String prefix, merchant, gateway, root, appId, notifyUrl;
    static PrivateKey privateKey;
    static PublicKey alipayKey;
    // What changes from step to step.
    static String charset = "UTF-8";
    static boolean certificates, encrypted;

    public static void main(String[] arguments) throws Exception {
        keys = Path.of(arguments[0]);
        prefix = arguments[1];
        merchant = Files.readString(keys.resolve("merchant.json"));
        gateway = text(merchant, "gateway_url");
        root = gateway.replace("/gateway.do", "");
        appId = text(merchant, "app_id");
        KeyFactory rsa = KeyFactory.getInstance("RSA");
        privateKey = rsa.generatePrivate(new PKCS8EncodedKeySpec(pem("app_private_key.pem")));
        alipayKey = rsa.generatePublic(new X509EncodedKeySpec(pem("alipay_public_key.pem")));
        HttpServer site = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        site.createContext("/notify", exchange -> {
            String body = new String(exchange.getRequestBody().readAllBytes(), "ISO-8859-1");
            heard.add(fields(body));
            exchange.sendResponseHeaders(200, 7);
            exchange.getResponseBody().write("success".getBytes());
            exchange.close();
        });
        site.start();
        notifyUrl = "http://127.0.0.1:" + site.getAddress().getPort() + "/notify";
        try {
            buy();
            pages();
            refusals();
            dresses();
        } finally {
            site.stop(0);
        }
    }

    static void buy() throws Exception {
        String number = prefix + "Q1";
        say("precreate", ask("alipay.trade.precreate", order(number)));
        post(root + "/trades/" + number + "/pay", "");
        news("told that it is paid");
        say("query", ask("alipay.trade.query", "{'out_trade_no':'" + number + "'}"));
        say("partial refund", refund(number, "8.88", "R1"));
        say("the same again", refund(number, "8.88", "R1"));
        String asked = "{'out_trade_no':'" + number + "','out_request_no':'R1'}";
        say("refund query", ask("alipay.trade.fastpay.refund.query", asked));
        say("above the rest", refund(number, "80.01", "R2"));
        say("full refund", refund(number, "80.00", "R3"));
        say("closed", ask("alipay.trade.query", "{'out_trade_no':'" + number + "'}"));
        news("told of the partial refund");
        news("told of the full refund");
        String day = now().substring(0, 10);
        String bill = ask("alipay.data.dataservice.bill.downloadurl.query",
            "{'bill_type':'trade','bill_date':'" + day + "'}");
        ZipInputStream zip = new ZipInputStream(
            new URL(text(bill, "bill_download_url")).openStream(), Charset.forName("GBK"));
        zip.getNextEntry();
        boolean there = new String(zip.readAllBytes(), "GBK").contains(number);
        System.out.println("{\"step\":\"bill\",\"names_the_order\":" + there + "}");
    }

    static void pages() throws Exception {
        for (String way : new String[] {"page", "wap"}) {
            Map<String, String> params = page(way, prefix + way + "G");
            String cashier = location("GET", gateway + "?" + query(params));
            String back = location("POST", cashier + "/pay");
            Map<String, String> told = fields(URI.create(back).getRawQuery());
            boolean verified = verify(content(told, true), told.get("sign"));
            System.out.println("{\"step\":\"" + way + "\",\"verified\":" + verified
                + ",\"out_trade_no\":\"" + told.get("out_trade_no") + "\"}");
            news("told of " + way);
            params = page(way, prefix + way + "F");
            String content = params.remove("biz_content").replace("\"", "&quot;");
            String form = "<form method='post' action='" + gateway + "?" + query(params) + "'>"
                + "<input type='hidden' name='biz_content' value=\"" + content + "\"/></form>";
            System.out.println("{\"step\":\"form of " + way + "\",\"html\":\""
                + form.replace("\"", "\\\"") + "\"}");
        }
        Map<String, String> params = params("alipay.trade.app.pay",
            order(prefix + "A1").replace("}", ",\"product_code\":\"QUICK_MSECURITY_PAY\"}"));
        params.put("sign", sign(content(params, false), privateKey));
        String result = post(root + "/mobile/pay", query(params));
        String signed = node(result, "alipay_trade_app_pay_response");
        System.out.println("{\"step\":\"app\",\"paid\":" + result.startsWith("resultStatus={9000}")
            + ",\"verified\":" + verify(signed.getBytes(charset), text(result, "sign")) + "}");
        news("told of app");
    }

    static void refusals() throws Exception {
        PrivateKey right = privateKey;
        privateKey = KeyPairGenerator.getInstance("RSA").generateKeyPair().getPrivate();
        say("wrong key", ask("alipay.trade.query", "{'out_trade_no':'x'}"));
        privateKey = right;
        String own = appId;
        appId = "2021000000000000";
        say("unknown app", ask("alipay.trade.query", "{'out_trade_no':'x'}"));
        appId = own;
    }

    static void dresses() throws Exception {
        charset = "GBK";
        say("in GBK", ask("alipay.trade.precreate", order(prefix + "G1")));
        post(root + "/trades/" + prefix + "G1/pay", "");
        news("told in GBK");
        charset = "UTF-8";
        encrypted = true;
        say("encrypted", ask("alipay.trade.precreate", order(prefix + "E1")));
        certificates = true;
        say("encrypted, with certificates", ask("alipay.trade.precreate", order(prefix + "E2")));
        encrypted = false;
        say("with certificates", ask("alipay.trade.precreate", order(prefix + "C1")));
        certificates = false;
        // The newer client offers HTTP/2 first.
        Map<String, String> params = params("alipay.trade.precreate", order(prefix + "N1"));
        params.put("sign", sign(content(params, false), privateKey));
        HttpRequest request = HttpRequest.newBuilder(URI.create(gateway))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(query(params))).build();
        say("by the newer client",
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }

    // A request.

    static String order(String number) {
        return "{\"out_trade_no\":\"" + number + "\",\"total_amount\":\"88.88\",\"subject\":\""
            + SUBJECT + "\"}";
    }

    static String refund(String number, String amount, String request) throws Exception {
        return ask("alipay.trade.refund", "{'out_trade_no':'" + number + "','refund_amount':'"
            + amount + "','out_request_no':'" + request + "'}");
    }

    static Map<String, String> page(String way, String number) throws Exception {
        String code = way.equals("page") ? "FAST_INSTANT_TRADE_PAY" : "QUICK_WAP_WAY";
        Map<String, String> params = params("alipay.trade." + way + ".pay",
            order(number).replace("}", ",\"product_code\":\"" + code + "\"}"));
        params.put("return_url", "http://127.0.0.1/return?own=1");
        params.put("sign", sign(content(params, false), privateKey));
        return params;
    }

    static Map<String, String> params(String method, String content) throws Exception {
        Map<String, String> params = new TreeMap<>(Map.of("method", method, "app_id", appId,
            "format", "json", "charset", charset, "sign_type", "RSA2", "version", "1.0",
            "alipay_sdk", "none", "notify_url", notifyUrl, "timestamp", now()));
        content = content.startsWith("{'") ? content.replace("'", "\"") : content;
        if (encrypted) {
            params.put("encrypt_type", "AES");
            byte[] sealed = aes(Cipher.ENCRYPT_MODE).doFinal(content.getBytes(charset));
            content = Base64.getEncoder().encodeToString(sealed);
        }
        if (certificates) {
            params.put("app_cert_sn", serial("app_cert.crt"));
            params.put("alipay_root_cert_sn", serial("alipay_root_cert.crt"));
        }
        params.put("biz_content", content);
        return params;
    }

    /** Asks as the library does; returns the node of the answer, with what the signature says. */
    static String ask(String method, String content) throws Exception {
        Map<String, String> params = params(method, content);
        params.put("sign", sign(content(params, false), privateKey));
        String biz = params.remove("biz_content");
        return post(gateway + "?" + query(params), "biz_content=" + URLEncoder.encode(biz, charset));
    }

    static String post(String url, String body) throws IOException {
        HttpURLConnection line = (HttpURLConnection) new URL(url).openConnection();
        line.setRequestMethod("POST");
        line.setDoOutput(true);
        line.setRequestProperty("Accept", "text/plain,text/xml,text/javascript,text/html");
        line.setRequestProperty("User-Agent", "aop-sdk-java");
        line.setRequestProperty("Content-Type",
            "application/x-www-form-urlencoded;charset=" + charset);
        line.getOutputStream().write(body.getBytes(charset));
        // The answer is in the charset that it names.
        String named = line.getContentType().replaceAll("[^;]*(;.*charset=)?", "");
        named = named.isEmpty() ? "UTF-8" : named;
        return new String(line.getInputStream().readAllBytes(), named);
    }

    static String location(String method, String url) throws IOException {
        HttpURLConnection line = (HttpURLConnection) new URL(url).openConnection();
        line.setInstanceFollowRedirects(false);
        line.setRequestMethod(method);
        return URI.create(url).resolve(line.getHeaderField("Location")).toString();
    }

    static String query(Map<String, String> params) throws IOException {
        StringBuilder query = new StringBuilder();
        for (Map.Entry<String, String> one : params.entrySet()) {
            query.append(query.isEmpty() ? "" : "&").append(one.getKey()).append('=');
            query.append(URLEncoder.encode(one.getValue(), charset));
        }
        return query.toString();
    }

    // Keys and signatures.

    static byte[] content(Map<String, String> params, boolean told) throws IOException {
        StringBuilder content = new StringBuilder();
        for (Map.Entry<String, String> one : new TreeMap<>(params).entrySet()) {
            String name = one.getKey();
            // What a shop adds to its own return_url is none of Alipay's.
            boolean not = name.equals("sign") || name.equals("own") || one.getValue().isEmpty();
            if (!not && !(told && name.equals("sign_type"))) {
                content.append(content.isEmpty() ? "" : "&").append(name).append('=');
                content.append(one.getValue());
            }
        }
        return content.toString().getBytes(params.getOrDefault("charset", "UTF-8"));
    }

    static String sign(byte[] content, PrivateKey key) throws Exception {
        Signature signature = Signature.getInstance("SHA256WithRSA");
        signature.initSign(key);
        signature.update(content);
        return Base64.getEncoder().encodeToString(signature.sign());
    }

    static boolean verify(byte[] content, String sign) throws Exception {
        Signature signature = Signature.getInstance("SHA256WithRSA");
        signature.initVerify(alipayKey);
        signature.update(content);
        return signature.verify(Base64.getDecoder().decode(sign));
    }

    static byte[] pem(String name) throws IOException {
        String text = Files.readString(keys.resolve(name));
        return Base64.getMimeDecoder().decode(text.replaceAll("-----[^-]+-----", ""));
    }

    static String serial(String name) throws Exception {
        X509Certificate one = (X509Certificate) CertificateFactory.getInstance("X.509")
            .generateCertificate(new ByteArrayInputStream(Files.readAllBytes(keys.resolve(name))));
        String text = one.getIssuerX500Principal().getName() + one.getSerialNumber();
        byte[] digest = MessageDigest.getInstance("MD5").digest(text.getBytes());
        return HexFormat.of().formatHex(digest);
    }

    static Cipher aes(int mode) throws Exception {
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding");
        byte[] key = Base64.getDecoder().decode(text(merchant, "aes_key"));
        cipher.init(mode, new SecretKeySpec(key, "AES"), new IvParameterSpec(new byte[16]));
        return cipher;
    }

    // What comes back.

    static void say(String step, String answer) throws Exception {
        String name = answer.substring(2, answer.indexOf("\":"));
        String node = node(answer, name);
        String sign = text(answer, "sign");
        boolean verified = sign != null && verify(node.getBytes(charset), sign);
        String read = node;
        if (node.startsWith("\"")) {
            byte[] sealed = Base64.getDecoder().decode(node.replace("\\/", "/").replace("\"", ""));
            read = new String(aes(Cipher.DECRYPT_MODE).doFinal(sealed), charset);
        }
        String about = ",\"signed\":" + (sign != null) + ",\"verified\":" + verified;
        String number = text(answer, "alipay_cert_sn");
        if (number != null) {
            about += ",\"named\":" + number.equals(serial("alipay_cert.crt"));
        }
        System.out.println("{\"step\":\"" + step + "\"," + read.substring(1, read.length() - 1)
            + about + "}");
    }

    static void news(String step) throws Exception {
        Map<String, String> told = heard.poll(20, TimeUnit.SECONDS);
        boolean verified = verify(content(told, true), told.get("sign"));
        Map<String, String> forged = new TreeMap<>(told);
        forged.put("total_amount", "0.01");
        boolean believed = verify(content(forged, true), told.get("sign"));
        System.out.println("{\"step\":\"" + step + "\",\"trade_status\":\""
            + told.get("trade_status") + "\",\"refund_fee\":\"" + told.getOrDefault("refund_fee", "")
            + "\",\"subject\":\"" + told.get("subject") + "\",\"verified\":" + verified
            + ",\"forgery_believed\":" + believed + "}");
    }

    static String node(String answer, String name) {
        int start = answer.indexOf("\"" + name + "\":") + name.length() + 3;
        int end = answer.indexOf(",\"alipay_cert_sn\":", start);
        end = end < 0 ? answer.indexOf(",\"sign\":", start) : end;
        return answer.substring(start, end < 0 ? answer.lastIndexOf('}') : end);
    }

    static Map<String, String> fields(String form) throws IOException {
        String named = form.matches("(?i).*charset=gbk.*") ? "GBK" : "UTF-8";
        Map<String, String> fields = new TreeMap<>();
        for (String pair : form.split("&")) {
            String[] both = pair.split("=", 2);
            fields.put(both[0], URLDecoder.decode(both[1], named));
        }
        return fields;
    }

    static String text(String json, String name) {
        var found = Pattern.compile("\"" + name + "\": ?\"([^\"]*)\"").matcher(json);
        return found.find() ? found.group(1).replace("\\/", "/") : null;
    }

    static String now() {
        return LocalDateTime.now(ZoneId.of("Asia/Shanghai"))
            .format(DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss"));
    }
}
