// A shop in C# without a library of Alipay's, which does as that library does: all parameters in
// the body and the charset in the query as well, escapes in lower case, connections kept.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Web;

using Params = System.Collections.Generic.SortedDictionary<string, string>;

static class Shop
{
    const string Subject = "龙井茶 '50g' + 100%";
    static readonly BlockingCollection<Params> Heard = new BlockingCollection<Params>();
    static string keys, prefix, merchant, gateway, root, appId, notifyUrl;
    static RSACryptoServiceProvider own, theirs;
    static string charset = "UTF-8";
    static bool encrypted;

    static void Main(string[] arguments)
    {
        keys = arguments[0];
        prefix = arguments[1];
        Console.OutputEncoding = new UTF8Encoding(false);
        merchant = File.ReadAllText(keys + "/merchant.json");
        gateway = Word(merchant, "gateway_url");
        root = gateway.Replace("/gateway.do", "");
        appId = Word(merchant, "app_id");
        own = PrivateKey(Pem("app_private_key_pkcs1.pem"));
        theirs = PublicKey(Pem("alipay_public_key.pem"));
        var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var address = "http://127.0.0.1:" + ((IPEndPoint)free.LocalEndpoint).Port + "/";
        free.Stop();
        var site = new HttpListener();
        site.Prefixes.Add(address);
        site.Start();
        notifyUrl = address + "notify";
        new Thread(() => Serve(site)) { IsBackground = true }.Start();
        Buy();
        Pages();
        Refusals();
        Dresses();
        Environment.Exit(0);
    }

    static void Serve(HttpListener site)
    {
        for (;;)
        {
            var one = site.GetContext();
            var form = new StreamReader(one.Request.InputStream, Encoding.ASCII).ReadToEnd();
            var answer = Encoding.ASCII.GetBytes("success");
            one.Response.OutputStream.Write(answer, 0, answer.Length);
            one.Response.Close();
            Heard.Add(Fields(form));
        }
    }

    static void Buy()
    {
        var number = prefix + "Q1";
        var trade = "'out_trade_no':'" + number + "'";
        Say("precreate", Ask("alipay.trade.precreate", Order("Q1")));
        Post(root + "/trades/" + number + "/pay", new Params());
        News("told that it is paid");
        Say("query", Ask("alipay.trade.query", "{" + trade + "}"));
        Action<string, string, string> refund = (step, amount, request) =>
            Say(step, Ask("alipay.trade.refund", "{" + trade + ",'refund_amount':'" + amount
                + "','out_request_no':'" + request + "'}"));
        refund("partial refund", "8.88", "R1");
        refund("the same again", "8.88", "R1");
        Say("refund query", Ask("alipay.trade.fastpay.refund.query",
            "{" + trade + ",'out_request_no':'R1'}"));
        refund("above the rest", "80.01", "R2");
        refund("full refund", "80.00", "R3");
        Say("closed", Ask("alipay.trade.query", "{" + trade + "}"));
        News("told of the partial refund");
        News("told of the full refund");
        var bill = Ask("alipay.data.dataservice.bill.downloadurl.query",
            "{'bill_type':'trade','bill_date':'" + Now().Substring(0, 10) + "'}");
        var zip = new WebClient().DownloadData(Word(bill, "bill_download_url"));
        var start = 30 + BitConverter.ToInt16(zip, 26) + BitConverter.ToInt16(zip, 28);
        var packed = new MemoryStream(zip, start, BitConverter.ToInt32(zip, 18));
        var table = new StreamReader(new DeflateStream(packed, CompressionMode.Decompress));
        Line("bill", "\"names_the_order\":" + Flag(table.ReadToEnd().Contains(number)));
    }

    static void Pages()
    {
        foreach (var way in new[] { "page", "wap" })
        {
            var code = way == "page" ? "FAST_INSTANT_TRADE_PAY" : "QUICK_WAP_WAY";
            var back = new Dictionary<string, string> { { "return_url", "http://127.0.0.1/return" } };
            var method = "alipay.trade." + way + ".pay";
            var sent = Signed(method, Order(way + "G", code), back);
            var cashier = Moved("GET", gateway + "?" + Query(sent));
            var told = Fields(new Uri(Moved("POST", cashier + "/pay")).Query.TrimStart('?'));
            Line(way, "\"verified\":" + Flag(Believed(told)));
            News("told of " + way);
            var form = "<form action='" + gateway + "?charset=" + charset + "' method='POST'>";
            foreach (var one in Signed(method, Order(way + "F", code), back))
                form += "<input name='" + one.Key + "' value='" + one.Value.Replace("'", "&#39;") + "'/>";
            Line("form of " + way, "\"html\":\"" + (form + "</form>").Replace("\"", "\\\"") + "\"");
        }
        var app = Signed("alipay.trade.app.pay", Order("A1", "QUICK_MSECURITY_PAY"));
        var result = Post(root + "/mobile/pay", app);
        var node = Node(result, "alipay_trade_app_pay_response");
        Line("app", "\"paid\":" + Flag(result.StartsWith("resultStatus={9000}"))
            + ",\"verified\":" + Flag(Verified(node, Word(result, "sign"))));
        News("told of app");
    }

    static void Refusals()
    {
        var right = own;
        own = new RSACryptoServiceProvider(2048);
        Say("wrong key", Ask("alipay.trade.query", "{'out_trade_no':'x'}"));
        own = right;
        var mine = appId;
        appId = "2021000000000000";
        Say("unknown app", Ask("alipay.trade.query", "{'out_trade_no':'x'}"));
        appId = mine;
    }

    static void Dresses()
    {
        encrypted = true;
        Say("encrypted", Ask("alipay.trade.precreate", Order("E1")));
    }

    // What goes out.

    static string Order(string number, string code = null)
    {
        return "{\"out_trade_no\":\"" + prefix + number + "\",\"total_amount\":\"88.88\",\"subject\":\""
            + Subject + "\"" + (code == null ? "" : ",\"product_code\":\"" + code + "\"") + "}";
    }

    static Params Signed(string method, string content, Dictionary<string, string> more = null)
    {
        if (content.StartsWith("{'")) content = content.Replace('\'', '"');
        var sent = new Params(more ?? new Dictionary<string, string>(), StringComparer.Ordinal)
        {
            { "app_id", appId }, { "method", method }, { "format", "json" }, { "charset", charset },
            { "sign_type", "RSA2" }, { "version", "1.0" }, { "notify_url", notifyUrl },
            { "timestamp", Now() }, { "alipay_sdk", "none" },
        };
        if (encrypted)
        {
            sent["encrypt_type"] = "AES";
            var plain = Encoding.GetEncoding(charset).GetBytes(content);
            content = Convert.ToBase64String(Aes().CreateEncryptor()
                .TransformFinalBlock(plain, 0, plain.Length));
        }
        sent["biz_content"] = content;
        sent["sign"] = Convert.ToBase64String(own.SignData(Content(sent, false), "SHA256"));
        return sent;
    }

    static string Ask(string method, string content)
    {
        return Post(gateway + "?charset=" + charset, Signed(method, content));
    }

    static HttpWebRequest Request(string method, string url)
    {
        var request = (HttpWebRequest)WebRequest.Create(url);
        request.Method = method;
        request.KeepAlive = true;
        request.UserAgent = "Aop4Net";
        request.AllowAutoRedirect = false;
        return request;
    }

    static string Post(string url, Params sent)
    {
        var request = Request("POST", url);
        request.ContentType = "application/x-www-form-urlencoded;charset=" + charset;
        var body = Encoding.GetEncoding(charset).GetBytes(Query(sent));
        using (var stream = request.GetRequestStream()) stream.Write(body, 0, body.Length);
        using (var answer = (HttpWebResponse)request.GetResponse())
        {
            var named = string.IsNullOrEmpty(answer.CharacterSet) ? "UTF-8" : answer.CharacterSet;
            return new StreamReader(answer.GetResponseStream(), Encoding.GetEncoding(named)).ReadToEnd();
        }
    }

    static string Moved(string method, string url)
    {
        var request = Request(method, url);
        if (method == "POST") request.ContentLength = 0;
        using (var answer = (HttpWebResponse)request.GetResponse())
            return new Uri(new Uri(url), answer.Headers["Location"]).ToString();
    }

    static string Query(Params sent)
    {
        var encoding = Encoding.GetEncoding(charset);
        return string.Join("&", sent.Select(one => one.Key + "=" + HttpUtility.UrlEncode(one.Value, encoding)));
    }

    static string Now()
    {
        return DateTime.UtcNow.AddHours(8).ToString("yyyy-MM-dd HH:mm:ss");
    }

    // Keys and signatures.

    static byte[] Content(Params all, bool told)
    {
        var pairs = all.Where(one => one.Value != "" && one.Key != "sign" && !(told && one.Key == "sign_type"));
        var text = string.Join("&", pairs.Select(one => one.Key + "=" + one.Value));
        return Encoding.GetEncoding(charset).GetBytes(text);
    }

    static bool Verified(string text, string sign)
    {
        var bytes = Encoding.GetEncoding(charset).GetBytes(text);
        return theirs.VerifyData(bytes, "SHA256", Convert.FromBase64String(sign));
    }

    static bool Believed(Params told)
    {
        return theirs.VerifyData(Content(told, true), "SHA256", Convert.FromBase64String(told["sign"]));
    }

    static byte[] Pem(string name)
    {
        var text = File.ReadAllText(keys + "/" + name);
        return Convert.FromBase64String(Regex.Replace(text, "-----[^-]+-----|\\s", ""));
    }

    // The numbers in a key's DER, one after the other, whatever they are wrapped in.
    static List<byte[]> Numbers(byte[] der, int at, int end)
    {
        var numbers = new List<byte[]>();
        while (at < end)
        {
            int kind = der[at++], length = der[at++];
            if (length > 0x80)
            {
                var bytes = length - 0x80;
                for (length = 0; bytes > 0; bytes--) length = length << 8 | der[at++];
            }
            if (kind == 0x30) numbers.AddRange(Numbers(der, at, at + length));
            if (kind == 0x03) numbers.AddRange(Numbers(der, at + 1, at + length));
            if (kind == 0x02) numbers.Add(der.Skip(at).Take(length).SkipWhile(one => one == 0).ToArray());
            at += length;
        }
        return numbers;
    }

    static RSACryptoServiceProvider PublicKey(byte[] der)
    {
        var numbers = Numbers(der, 0, der.Length);
        var key = new RSACryptoServiceProvider();
        key.ImportParameters(new RSAParameters { Modulus = numbers[0], Exponent = numbers[1] });
        return key;
    }

    static RSACryptoServiceProvider PrivateKey(byte[] der)
    {
        var numbers = Numbers(der, 0, der.Length);
        Func<int, byte[]> half = place =>
            new byte[Math.Max(0, 128 - numbers[place].Length)].Concat(numbers[place]).ToArray();
        var d = new byte[Math.Max(0, 256 - numbers[3].Length)].Concat(numbers[3]).ToArray();
        var key = new RSACryptoServiceProvider();
        key.ImportParameters(new RSAParameters
        {
            Modulus = numbers[1], Exponent = numbers[2], D = d, P = half(4), Q = half(5),
            DP = half(6), DQ = half(7), InverseQ = half(8),
        });
        return key;
    }

    static SymmetricAlgorithm Aes()
    {
        return new AesManaged
        {
            Key = Convert.FromBase64String(Word(merchant, "aes_key")),
            IV = new byte[16], Mode = CipherMode.CBC, Padding = PaddingMode.PKCS7,
        };
    }

    // What comes back.

    static void Say(string step, string answer)
    {
        var name = answer.Substring(2, answer.IndexOf("\":") - 2);
        var node = Node(answer, name);
        var sign = Word(answer, "sign");
        var read = node;
        if (node.StartsWith("\""))
        {
            var packed = Convert.FromBase64String(node.Trim('"').Replace("\\/", "/"));
            var plain = Aes().CreateDecryptor().TransformFinalBlock(packed, 0, packed.Length);
            read = Encoding.GetEncoding(charset).GetString(plain);
        }
        var verified = sign != null && Verified(node, sign);
        Line(step, read.Substring(1, read.Length - 2) + ",\"signed\":" + Flag(sign != null)
            + ",\"verified\":" + Flag(verified));
    }

    static void News(string step)
    {
        Params told;
        if (!Heard.TryTake(out told, 20000)) throw new Exception(step + ": nothing was heard");
        var verified = Believed(told);
        var refunded = told.ContainsKey("refund_fee") ? told["refund_fee"] : "";
        told["total_amount"] = "0.01";
        Line(step, "\"trade_status\":\"" + told["trade_status"] + "\",\"refund_fee\":\"" + refunded
            + "\",\"subject\":\"" + told["subject"] + "\",\"verified\":" + Flag(verified)
            + ",\"forgery_believed\":" + Flag(Believed(told)));
    }

    static string Node(string answer, string name)
    {
        var start = answer.IndexOf("\"" + name + "\":") + name.Length + 3;
        var end = answer.LastIndexOf(",\"sign\":");
        return answer.Substring(start, (end < 0 ? answer.LastIndexOf('}') : end) - start);
    }

    static Params Fields(string form)
    {
        var fields = new Params(StringComparer.Ordinal);
        foreach (var pair in form.Split('&'))
        {
            var both = pair.Split(new[] { '=' }, 2);
            fields[both[0]] = HttpUtility.UrlDecode(both[1], Encoding.UTF8);
        }
        return fields;
    }

    static string Word(string json, string name)
    {
        var found = Regex.Match(json, "\"" + name + "\": ?\"([^\"]*)\"");
        return found.Success ? found.Groups[1].Value.Replace("\\/", "/") : null;
    }

    static string Flag(bool value)
    {
        return value ? "true" : "false";
    }

    static void Line(string step, string about)
    {
        Console.WriteLine("{\"step\":\"" + step + "\"," + about + "}");
    }
}
