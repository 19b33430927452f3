# A shop in Ruby without a library of Alipay's, which does as the gem "alipay" does: everything in
# one form that Net::HTTP posts, content in ASCII, a notification as it was read off the form.

require "json"
require "net/http"
require "openssl"
require "socket"
require "timeout"
require "zlib"

SUBJECT = "龙井茶 '50g' + 100%"
KEYS, PREFIX = ARGV
MERCHANT = JSON.parse(File.read("#{KEYS}/merchant.json"))
GATEWAY = URI(MERCHANT["gateway_url"])
ROOT = MERCHANT["gateway_url"].delete_suffix("/gateway.do")
ALIPAY_KEY = OpenSSL::PKey::RSA.new(File.read("#{KEYS}/alipay_public_key.pem"))
CODES = { "page" => "FAST_INSTANT_TRADE_PAY", "wap" => "QUICK_WAP_WAY" }.freeze
HEARD = Queue.new

$own_key = OpenSSL::PKey::RSA.new(File.read("#{KEYS}/app_private_key.pem"))
$app_id = MERCHANT["app_id"]
$dress = {}

def content(params)
  params.sort.map { |pair| pair.join("=") }.join("&")
end

def verified?(content, sign)
  ALIPAY_KEY.verify("sha256", sign.unpack1("m0"), content)
end

def told?(fields)
  fields["sign_type"] == "RSA2" &&
    verified?(content(fields.except("sign", "sign_type")), fields["sign"])
end

def serial(name)
  certificate = OpenSSL::X509::Certificate.new(File.read("#{KEYS}/#{name}"))
  issuer = certificate.issuer.to_a.reverse.map { |key, value, _| "#{key}=#{value}" }.join(",")
  OpenSSL::Digest::MD5.hexdigest(issuer + certificate.serial.to_s)
end

def aes(way)
  cipher = OpenSSL::Cipher.new("aes-128-cbc").send(way)
  cipher.key = MERCHANT["aes_key"].unpack1("m0")
  cipher.iv = "\0" * 16
  cipher
end

def params(method, content, more = {})
  text = content.to_json(ascii_only: true)
  if $dress[:encrypted]
    cipher = aes(:encrypt)
    more = more.merge("encrypt_type" => "AES")
    text = [cipher.update(text) + cipher.final].pack("m0")
  end
  if $dress[:certificates]
    more = more.merge("app_cert_sn" => serial("app_cert.crt"),
                      "alipay_root_cert_sn" => serial("alipay_root_cert.crt"))
  end
  params = {
    "app_id" => $app_id, "charset" => "UTF-8", "sign_type" => "RSA2", "version" => "1.0",
    "timestamp" => Time.now.localtime("+08:00").strftime("%Y-%m-%d %H:%M:%S"),
    "method" => method, "notify_url" => $notify_url, "biz_content" => text
  }.merge(more)
  params.merge("sign" => [$own_key.sign("sha256", content(params))].pack("m0"))
end

def ask(method, content)
  Net::HTTP.post_form(GATEWAY, params(method, content)).body.force_encoding("UTF-8")
end

def control(path)
  Net::HTTP.post(URI(ROOT + path), "{}", "Content-Type" => "application/json").value
end

def say(step, **said)
  puts JSON.generate({ step: step, **said })
end

# What is signed of an answer: all between the name of its node and the signature.
def cut(answer, name)
  answer[/"#{name}":(.*?)(,"alipay_cert_sn":"\h+")?,"sign":"[^"]+"(,"sign_type":"RSA2")?}\z/m, 1]
end

def answered(step, answer)
  read = JSON.parse(answer)
  name, node = read.first
  sign = read["sign"]
  verified = !sign.nil? && verified?(cut(answer, name), sign)
  if node.is_a?(String)
    cipher = aes(:decrypt)
    text = cipher.update(node.unpack1("m0")) + cipher.final
    node = JSON.parse(text.force_encoding("UTF-8"))
  end
  named = read["alipay_cert_sn"] && { named: read["alipay_cert_sn"] == serial("alipay_cert.crt") }
  say(step, **node.transform_keys(&:to_sym), signed: !sign.nil?, verified: verified, **(named || {}))
end

def news(step)
  fields = Timeout.timeout(20) { HEARD.pop }
  say(step, trade_status: fields["trade_status"], refund_fee: fields["refund_fee"].to_s,
            subject: fields["subject"], verified: told?(fields),
            forgery_believed: told?(fields.merge("total_amount" => "0.01")))
end

def order(number, more = {})
  { out_trade_no: number, total_amount: "88.88", subject: SUBJECT }.merge(more)
end

def buy
  number = "#{PREFIX}Q1"
  give_back = lambda do |step, amount, request|
    content = { out_trade_no: number, refund_amount: amount, out_request_no: request }
    answered(step, ask("alipay.trade.refund", content))
  end
  answered("precreate", ask("alipay.trade.precreate", order(number)))
  control("/trades/#{number}/pay")
  news("told that it is paid")
  answered("query", ask("alipay.trade.query", { out_trade_no: number }))
  give_back.call("partial refund", "8.88", "R1")
  give_back.call("the same again", "8.88", "R1")
  asked = { out_trade_no: number, out_request_no: "R1" }
  answered("refund query", ask("alipay.trade.fastpay.refund.query", asked))
  give_back.call("above the rest", "80.01", "R2")
  give_back.call("full refund", "80.00", "R3")
  answered("closed", ask("alipay.trade.query", { out_trade_no: number }))
  news("told of the partial refund")
  news("told of the full refund")
  today = Time.now.localtime("+08:00").strftime("%Y-%m-%d")
  bill = JSON.parse(ask("alipay.data.dataservice.bill.downloadurl.query",
                        { bill_type: "trade", bill_date: today }))
  zip = Net::HTTP.get(URI(bill.values.first["bill_download_url"]))
  packed, _, name, more = zip.unpack("@18 V V v v")
  table = Zlib::Inflate.new(-Zlib::MAX_WBITS).inflate(zip[30 + name + more, packed])
  say("bill", names_the_order: table.force_encoding("GBK").encode("UTF-8").include?(number))
end

def pages
  CODES.each do |way, code|
    back = { "return_url" => "http://127.0.0.1/return" }
    content = order("#{PREFIX}#{way}G", product_code: code)
    uri = GATEWAY.dup
    uri.query = URI.encode_www_form(params("alipay.trade.#{way}.pay", content, back))
    cashier = URI.join(ROOT, Net::HTTP.get_response(uri)["Location"])
    returned = URI(Net::HTTP.post_form(URI("#{cashier}/pay"), {})["Location"])
    fields = URI.decode_www_form(returned.query).to_h
    say(way, out_trade_no: fields["out_trade_no"], verified: told?(fields))
    news("told of #{way}")
    content = order("#{PREFIX}#{way}F", product_code: code)
    inputs = params("alipay.trade.#{way}.pay", content, back).map do |key, value|
      "<input type='hidden' name='#{key}' value='#{value.gsub("'", "&apos;")}'/>"
    end
    form = "<form action='#{GATEWAY}?charset=UTF-8' method='POST'>#{inputs.join}</form>"
    say("form of #{way}", html: form)
  end
  content = order("#{PREFIX}A1", product_code: "QUICK_MSECURITY_PAY")
  order_string = URI.encode_www_form(params("alipay.trade.app.pay", content))
  result = Net::HTTP.post(URI("#{ROOT}/mobile/pay"), order_string).body.force_encoding("UTF-8")
  signed = result[/result=\{(.*)\}\z/m, 1]
  node = cut(signed, "alipay_trade_app_pay_response")
  say("app", paid: result.start_with?("resultStatus={9000}"),
             verified: verified?(node, JSON.parse(signed)["sign"]))
  news("told of app")
end

def refusals
  right = $own_key
  $own_key = OpenSSL::PKey::RSA.new(2048)
  answered("wrong key", ask("alipay.trade.query", { out_trade_no: "x" }))
  $own_key = right
  $app_id = "2021000000000000"
  answered("unknown app", ask("alipay.trade.query", { out_trade_no: "x" }))
  $app_id = MERCHANT["app_id"]
end

def dresses
  $dress = { encrypted: true }
  answered("encrypted", ask("alipay.trade.precreate", order("#{PREFIX}E1")))
  $dress = { encrypted: true, certificates: true }
  answered("encrypted, with certificates", ask("alipay.trade.precreate", order("#{PREFIX}E2")))
  $dress = { certificates: true }
  answered("with certificates", ask("alipay.trade.precreate", order("#{PREFIX}C1")))
  $dress = {}
  # One connection for several questions.
  Net::HTTP.start(GATEWAY.host, GATEWAY.port) do |line|
    %w[K1 K2].each do |number|
      content = params("alipay.trade.precreate", order(PREFIX + number))
      answer = line.post(GATEWAY.path, URI.encode_www_form(content)).body
      answered("on one line: #{number}", answer.force_encoding("UTF-8"))
    end
  end
end

site = TCPServer.new("127.0.0.1", 0)
$notify_url = "http://127.0.0.1:#{site.addr[1]}/notify"
Thread.new do
  loop do
    line = site.accept
    head = line.gets("\r\n\r\n")
    body = line.read(head[/^content-length: *(\d+)/i, 1].to_i)
    HEARD << URI.decode_www_form(body).to_h
    line.write("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nsuccess")
    line.close
  end
end
buy
pages
refusals
dresses
