<?php
// A shop in PHP without a library of Alipay's, which does as that library does: keys without their
// first and last lines, the common parameters in the query, answers cut out by their neighbours,
// a notification as PHP has read it into $_POST.

const SUBJECT = "龙井茶 '50g' + 100%";

function wrapped($text, $kind) {
    return "-----BEGIN $kind-----\n" . wordwrap($text, 64, "\n", true) . "\n-----END $kind-----";
}

function bare($name) {
    global $keys;
    return preg_replace('/-----[^-]+-----|\s/', '', file_get_contents("$keys/$name"));
}

function content($params, $told) {
    ksort($params);
    $pairs = [];
    foreach ($params as $name => $value) {
        if ($value !== '' && $name !== 'sign' && !($told && $name === 'sign_type')) {
            $pairs[] = "$name=$value";
        }
    }
    return implode('&', $pairs);
}

function verified($content, $sign) {
    $key = wrapped(bare('alipay_public_key.pem'), 'PUBLIC KEY');
    return openssl_verify($content, base64_decode($sign), $key, OPENSSL_ALGO_SHA256) === 1;
}

// The legacy gateway: the key behind the text, and who is told asks whether it was Alipay.

function md5_signed($params, $merchant) {
    $sign = md5(content($params, true) . $merchant->key);
    return $params + ['sign_type' => 'MD5', 'sign' => $sign];
}

function md5_verified($told, $merchant) {
    return hash_equals(md5(content($told, true) . $merchant->key), $told['sign']);
}

function told_by_alipay($merchant, $id) {
    $asked = ['service' => 'notify_verify', 'partner' => $merchant->partner, 'notify_id' => $id];
    return file_get_contents("$merchant->mapi_gateway_url?" . http_build_query($asked));
}

if (PHP_SAPI === 'cli-server') { // the shop's site
    $keys = getenv('KEYS');
    $told = $_POST;
    if ($told['sign_type'] === 'MD5') {
        $merchant = json_decode(file_get_contents("$keys/merchant.json"));
        $line = json_encode([
            'trade_status' => $told['trade_status'],
            'total_fee' => $told['total_fee'],
            'subject' => iconv('GBK', 'UTF-8', $told['subject']),
            'verified' => md5_verified($told, $merchant),
            'forgery_believed' => md5_verified(['total_fee' => '0.01'] + $told, $merchant),
            'told_by_alipay' => told_by_alipay($merchant, $told['notify_id']),
            'told_otherwise' => told_by_alipay($merchant, str_repeat('0', 32)),
        ], JSON_UNESCAPED_UNICODE);
        file_put_contents(getenv('HEARD'), "$line\n", FILE_APPEND | LOCK_EX);
        exit('success');
    }
    $forged = array_merge($told, ['total_amount' => '0.01']);
    $gbk = ($told['charset'] ?? '') === 'GBK';
    $line = json_encode([
        'trade_status' => $told['trade_status'],
        'refund_fee' => $told['refund_fee'] ?? '',
        'subject' => $gbk ? iconv('GBK', 'UTF-8', $told['subject']) : $told['subject'],
        'verified' => verified(content($told, true), $told['sign']),
        'forgery_believed' => verified(content($forged, true), $told['sign']),
    ], JSON_UNESCAPED_UNICODE);
    file_put_contents(getenv('HEARD'), "$line\n", FILE_APPEND | LOCK_EX);
    echo 'success';
    exit;
}

[, $keys, $prefix] = $argv;
date_default_timezone_set('Asia/Shanghai');
$merchant = json_decode(file_get_contents("$keys/merchant.json"));
$gateway = $merchant->gateway_url;
$root = str_replace('/gateway.do', '', $gateway);
$appId = $merchant->app_id;
$privateKey = wrapped(bare('app_private_key_pkcs1.pem'), 'RSA PRIVATE KEY');
$charset = 'UTF-8';
$certificates = $encrypted = false;

function sn($issuer, $number) {
    $names = [];
    foreach (array_reverse($issuer) as $name => $value) {
        $names[] = "$name=$value";
    }
    return md5(implode(',', $names) . $number);
}

function decimal($number) { // PHP writes a large one in sixteens
    if (!str_starts_with($number, '0x')) {
        return $number;
    }
    $digits = [0];
    foreach (str_split(substr($number, 2)) as $sixteenth) {
        $carry = hexdec($sixteenth);
        foreach ($digits as &$digit) {
            $carry += $digit * 16;
            $digit = $carry % 10;
            $carry = intdiv($carry, 10);
        }
        unset($digit);
        for (; $carry > 0; $carry = intdiv($carry, 10)) {
            $digits[] = $carry % 10;
        }
    }
    return implode('', array_reverse($digits));
}

function serial($name) {
    global $keys;
    $serials = [];
    $end = '-----END CERTIFICATE-----';
    foreach (array_filter(array_map('trim', explode($end, file_get_contents("$keys/$name")))) as $one) {
        $read = openssl_x509_parse($one . "\n" . $end);
        if (in_array($read['signatureTypeLN'], ['sha1WithRSAEncryption', 'sha256WithRSAEncryption'])) {
            $serials[] = sn($read['issuer'], decimal($read['serialNumber']));
        }
    }
    return implode('_', $serials);
}

function sealed($text) {
    global $merchant;
    $key = base64_decode($merchant->aes_key);
    return openssl_encrypt($text, 'AES-128-CBC', $key, 0, str_repeat("\0", 16));
}

function opened($text) {
    global $merchant;
    $key = base64_decode($merchant->aes_key);
    return openssl_decrypt($text, 'AES-128-CBC', $key, 0, str_repeat("\0", 16));
}

function params($method, $content, $more = []) {
    global $appId, $charset, $certificates, $encrypted, $notifyUrl, $privateKey;
    $text = iconv('UTF-8', $charset, json_encode($content, JSON_UNESCAPED_UNICODE));
    $params = $more + [
        'app_id' => $appId, 'version' => '1.0', 'format' => 'json', 'sign_type' => 'RSA2',
        'method' => $method, 'timestamp' => date('Y-m-d H:i:s'), 'alipay_sdk' => 'none',
        'notify_url' => $notifyUrl, 'charset' => $charset,
        'biz_content' => $encrypted ? sealed($text) : $text,
    ];
    $params += $encrypted ? ['encrypt_type' => 'AES'] : [];
    $params += $certificates ? [
        'app_cert_sn' => serial('app_cert.crt'),
        'alipay_root_cert_sn' => serial('alipay_root_cert.crt'),
    ] : [];
    openssl_sign(content($params, false), $sign, $privateKey, OPENSSL_ALGO_SHA256);
    return $params + ['sign' => base64_encode($sign)];
}

function curl($url, $body = null, $headers = []) {
    $line = curl_init($url);
    curl_setopt($line, CURLOPT_RETURNTRANSFER, true);
    if ($body !== null) {
        curl_setopt($line, CURLOPT_POST, true);
        curl_setopt($line, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($line, CURLOPT_HTTPHEADER, $headers);
    curl_setopt($line, CURLOPT_TIMEOUT, 60);
    $answer = curl_exec($line);
    if ($answer === false || curl_getinfo($line, CURLINFO_HTTP_CODE) >= 400) {
        throw new Exception(curl_error($line) . $answer);
    }
    return str_starts_with(curl_getinfo($line, CURLINFO_HTTP_CODE), '3')
        ? curl_getinfo($line, CURLINFO_REDIRECT_URL) : $answer;
}

function form_type() {
    global $charset;
    return ["content-type: application/x-www-form-urlencoded;charset=$charset"];
}

function ask($method, $content) {
    global $gateway;
    $params = params($method, $content);
    $body = 'biz_content=' . urlencode($params['biz_content']);
    unset($params['biz_content']);
    return curl("$gateway?" . http_build_query($params), $body, form_type());
}

function cut($answer, $name) {
    $start = strpos($answer, "\"$name\":") + strlen($name) + 3;
    $end = strrpos($answer, ',"alipay_cert_sn"') ?: strrpos($answer, ',"sign"');
    return $end ? substr($answer, $start, $end - $start) : null;
}

function say($step, $answer) {
    global $charset;
    $read = json_decode(iconv($charset, 'UTF-8', $answer), true);
    $name = array_key_first($read);
    $sign = $read['sign'] ?? '';
    $node = is_string($read[$name]) ? json_decode(opened($read[$name]), true) : $read[$name];
    $said = ['step' => $step] + $node + [
        'signed' => $sign !== '',
        'verified' => $sign !== '' && verified(cut($answer, $name), $sign),
    ];
    if (isset($read['alipay_cert_sn'])) {
        $said['named'] = $read['alipay_cert_sn'] === serial('alipay_cert.crt');
    }
    echo json_encode($said, JSON_UNESCAPED_UNICODE), "\n";
}

function news($step) {
    global $heard;
    static $next = 0;
    for ($tries = 0; $tries < 400; $tries++, usleep(50000)) {
        $lines = file_exists($heard) ? file($heard) : [];
        if (isset($lines[$next])) {
            echo json_encode(['step' => $step] + json_decode($lines[$next++], true)), "\n";
            return;
        }
    }
    throw new Exception("$step: nothing was heard");
}

function order($number, $code = null) {
    $order = ['out_trade_no' => $number, 'total_amount' => '88.88', 'subject' => SUBJECT];
    return $order + ($code ? ['product_code' => $code] : []);
}

function refund($number, $amount, $request) {
    return ask('alipay.trade.refund', [
        'out_trade_no' => $number, 'refund_amount' => $amount, 'out_request_no' => $request,
    ]);
}

function buy() {
    global $prefix, $root;
    $number = "{$prefix}Q1";
    $asked = ['out_trade_no' => $number];
    say('precreate', ask('alipay.trade.precreate', order($number)));
    curl("$root/trades/$number/pay", '');
    news('told that it is paid');
    say('query', ask('alipay.trade.query', $asked));
    say('partial refund', refund($number, '8.88', 'R1'));
    say('the same again', refund($number, '8.88', 'R1'));
    say('refund query', ask('alipay.trade.fastpay.refund.query', $asked + ['out_request_no' => 'R1']));
    say('above the rest', refund($number, '80.01', 'R2'));
    say('full refund', refund($number, '80.00', 'R3'));
    say('closed', ask('alipay.trade.query', $asked));
    news('told of the partial refund');
    news('told of the full refund');
    $bill = json_decode(ask('alipay.data.dataservice.bill.downloadurl.query', [
        'bill_type' => 'trade', 'bill_date' => date('Y-m-d'),
    ]));
    $url = $bill->alipay_data_dataservice_bill_downloadurl_query_response->bill_download_url;
    $zip = unpack('a4mark/vversion/vflags/vway/Vtime/Vsum/Vpacked/Vsize/vname/vextra', $file = curl($url));
    $packed = substr($file, 30 + $zip['name'] + $zip['extra'], $zip['packed']);
    $there = str_contains(gzinflate($packed), $number);
    echo json_encode(['step' => 'bill', 'names_the_order' => $there]), "\n";
}

function pages() {
    global $prefix, $root, $gateway;
    foreach (['page' => 'FAST_INSTANT_TRADE_PAY', 'wap' => 'QUICK_WAP_WAY'] as $way => $code) {
        $more = ['return_url' => 'http://127.0.0.1/return'];
        $params = params("alipay.trade.$way.pay", order("$prefix{$way}G", $code), $more);
        $back = curl(curl("$gateway?" . http_build_query($params)) . '/pay', '');
        parse_str(parse_url($back, PHP_URL_QUERY), $told);
        echo json_encode([
            'step' => $way,
            'out_trade_no' => $told['out_trade_no'],
            'verified' => verified(content($told, true), $told['sign']),
        ]), "\n";
        news("told of $way");
        $form = "<form action='$gateway?charset=UTF-8' method='POST'>";
        foreach (params("alipay.trade.$way.pay", order("$prefix{$way}F", $code), $more) as $name => $value) {
            $form .= "<input type='hidden' name='$name' value='" . str_replace("'", '&apos;', $value) . "'/>";
        }
        $form .= "<input type='submit' value='ok' style='display:none;''></form>";
        echo json_encode(['step' => "form of $way", 'html' => $form]), "\n";
    }
    $params = params('alipay.trade.app.pay', order("{$prefix}A1", 'QUICK_MSECURITY_PAY'));
    $result = curl("$root/mobile/pay", http_build_query($params));
    preg_match('/result=\{(.*)\}$/s', $result, $found);
    $signed = cut($found[1], 'alipay_trade_app_pay_response');
    echo json_encode([
        'step' => 'app',
        'paid' => str_starts_with($result, 'resultStatus={9000}'),
        'verified' => verified($signed, json_decode($found[1])->sign),
    ]), "\n";
    news('told of app');
}

function refusals() {
    global $privateKey, $appId;
    [$key, $id] = [$privateKey, $appId];
    $privateKey = openssl_pkey_new(['private_key_bits' => 2048]);
    say('wrong key', ask('alipay.trade.query', ['out_trade_no' => 'x']));
    $privateKey = $key;
    $appId = '2021000000000000';
    say('unknown app', ask('alipay.trade.query', ['out_trade_no' => 'x']));
    $appId = $id;
}

function dresses() {
    global $charset, $encrypted, $certificates, $prefix, $root, $gateway;
    $charset = 'GBK';
    say('in GBK', ask('alipay.trade.precreate', order("{$prefix}G1")));
    curl("$root/trades/{$prefix}G1/pay", '');
    news('told in GBK');
    // The fields in parts: what curl makes of an array.
    $params = params('alipay.trade.precreate', order("{$prefix}M1"));
    say('in parts, in GBK', curl("$gateway?charset=GBK", $params));
    $charset = 'UTF-8';
    say('in parts', curl($gateway, params('alipay.trade.precreate', order("{$prefix}M2"))));
    $params = http_build_query(params('alipay.trade.precreate', order("{$prefix}X1")));
    say('asking first', curl($gateway, $params, ['Expect: 100-continue']));
    $encrypted = true;
    say('encrypted', ask('alipay.trade.precreate', order("{$prefix}E1")));
    $certificates = true;
    say('encrypted, with certificates', ask('alipay.trade.precreate', order("{$prefix}E2")));
    $encrypted = false;
    say('with certificates', ask('alipay.trade.precreate', order("{$prefix}C1")));
}

function legacy() {
    global $merchant, $prefix, $notifyUrl;
    $common = ['partner' => $merchant->partner, '_input_charset' => 'gbk'];
    $order = [
        'service' => 'create_direct_pay_by_user', 'payment_type' => '1', 'notify_url' => $notifyUrl,
        'return_url' => 'http://127.0.0.1/return', 'seller_email' => $merchant->seller_email,
        'out_trade_no' => "{$prefix}L1", 'subject' => iconv('UTF-8', 'GBK', SUBJECT),
        'total_fee' => '88.88', 'body' => '',
    ];
    $url = "$merchant->mapi_gateway_url?" . http_build_query(md5_signed($common + $order, $merchant));
    parse_str(parse_url(curl(curl($url) . '/pay', ''), PHP_URL_QUERY), $told);
    echo json_encode([
        'step' => 'legacy',
        'trade_status' => $told['trade_status'],
        'verified' => md5_verified($told, $merchant),
    ]), "\n";
    news('told of legacy');
    $asked = ['service' => 'single_trade_query', 'out_trade_no' => "{$prefix}L1"];
    foreach (['legacy: query' => $merchant->key, 'legacy: wrong key' => 'x'] as $step => $key) {
        $params = md5_signed($common + $asked, (object) ['key' => $key]);
        $answer = curl($merchant->mapi_gateway_url, http_build_query($params));
        preg_match_all('/<(is_success|error|trade_status|total_fee)>(.*?)</', $answer, $found);
        echo json_encode(['step' => $step] + array_combine($found[1], $found[2])), "\n";
    }
}

$free = stream_socket_server('tcp://127.0.0.1:0');
$address = stream_socket_get_name($free, false);
fclose($free);
$notifyUrl = "http://$address/notify";
$heard = tempnam(sys_get_temp_dir(), 'heard');
$site = proc_open(
    [PHP_BINARY, '-S', $address, __FILE__],
    [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
    $pipes, null, ['KEYS' => $keys, 'HEARD' => $heard] + getenv()
);
try {
    for ($tries = 0; $tries < 200 && !@stream_socket_client("tcp://$address"); $tries++) {
        usleep(25000);
    }
    buy();
    pages();
    refusals();
    dresses();
    legacy();
} finally {
    proc_terminate($site);
    proc_close($site);
    unlink($heard);
}
