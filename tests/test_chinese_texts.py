"""Chinese texts use Alipay's terms and one typography.

Each rule is one decision: Alipay's documentation says 异步通知 and 验签成功, so the package does.
Alipay's own error messages, which the simulator repeats, are not in the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from .test_translations import pairs
from .translations import PACKAGE, SHOP_CATALOGUE

TEXTS = pairs(PACKAGE / "locale" / "zh_CN" / "LC_MESSAGES" / "flask_alipay.po")
SHOP_TEXTS = pairs(SHOP_CATALOGUE)

#: Words that Alipay does not use, or uses for something else, and the right ones.
AVOIDED = {
    "应答": "响应; 返回 for the app",
    "询问": "查询",
    "异步回调": "异步通知",
    "回调通知": "异步通知",
    "同步返回": "同步跳转",
    "同步回调": "同步跳转",
    "重放": "重新处理",
    "补发": "重发",
    "旧网关": "老版网关",
    "应用编号": "APPID",
    "商户号": "合作伙伴身份（PID）",
    "商户私钥": "应用私钥",
    "商户公钥": "应用公钥",
    "平台证书": "支付宝公钥证书",
    "验签通过": "验签成功",
    "验签未通过": "验签失败",
    "验证签名": "验签",
    "签署": "签名",
    "签名方式": "签名类型",
    "待签名串": "待签名字符串",
    "凭据": "密钥和配置",
    "沙盒": "沙箱",
    "商家后台": "商家平台",
    "商户后台": "商家平台",
    "支付宝后台": "控制台",
    "外部订单号": "商户订单号",
    "订单编号": "订单号",
    "支付宝订单号": "支付宝交易号",
    "退款单号": "退款请求号",
    "退款编号": "退款请求号",
    "商品标题": "订单标题",
    "已完结": "交易结束",
    "关单": "关闭交易",
    "取消订单": "关闭交易",
    "一笔付款": "一笔订单",
    "付款记录": "支付记录",
    "付款成功": "支付成功",
    "去支付": "立即支付",
    "客户": "买家",
    "顾客": "买家",
    "消费者": "买家",
    "手续费": "服务费",
    "中国时间": "北京时间",
    "退出状态": "退出码",
    "遮盖": "脱敏",
    "台账": "账本",
    "蓝本": "蓝图",
    "仿真": "模拟",
    "资金账单": "账务账单",
    "网页支付": "电脑网站支付",
    "刷卡": "付款码支付",
    "条码支付": "付款码支付",
    "公众号": "JSAPI 支付",
    "帐": "账",
    "登陆": "登录",
    "其它": "其他",
    "点按": "点击",
    "调起": "唤起",
    "外网": "公网",
    "我们": "no pronoun",
    "你": "no pronoun",
}

#: English terms, and what each text with one of them has in Chinese.
TERMS = {
    r"legacy gateway": "老版网关",
    r"open platform": "开放平台",
    r"sandbox": "沙箱",
    r"simulator\b": "模拟器|模拟环境",
    r"notifications?\b": "通知",
    r"notification route": "异步通知路由",
    r"refund": "退款|退",
    r"sign type": "签名类型",
    r"MD5 key": "MD5 密钥",
    r"Alipay's public key": "支付宝公钥",
    r"raw body": "原始请求正文",
    r"ledger": "账本|对账一致",
    r"journal": "通知日志",
    r"exit status": "退出码",
    r"China time": "北京时间",
    r"the bill\b": "对账",
    r"\bmerchants?\b": "商户|商家",
    r"\(out_trade_no\)": "商户订单号（out_trade_no）",
    r"\(trade_no\)": "支付宝交易号（trade_no）",
}

HAN = "[\u4e00-\u9fff]"
WIDE = "[，。：；？！、（）“”‘’《》…]"

#: Commands, values and settings, which are no words of a language.
LITERAL = re.compile(r"(?<!\w)'[^']+'|\{\w+\}|--[\w-]+|\b[A-Z][A-Z_]+\b|\n  .*")

#: Patterns that no Chinese text has.
TYPOGRAPHY = {
    "half-width mark after a Chinese character": rf"{HAN}[,;:?!()](?!//)",
    "half-width mark before a Chinese character": rf"[,;?!()]{HAN}",
    "no space between Chinese and Latin": rf"{HAN}[A-Za-z0-9]|[A-Za-z0-9]{HAN}",
    "no space between Chinese and a value": rf"{HAN}{{(?!whose)|(?<!{{whose)}}{HAN}",
    "space beside a full-width mark": rf"[^\S\n]{WIDE}|{WIDE}[^\S\n]",
    "corner bracket": "[「」『』]",
    "straight quotation mark": rf"\"{HAN}|{HAN}\"",
    "more than one ellipsis": "……",
    "three points instead of an ellipsis": rf"{HAN}\.\.\.",
    "exclamation mark": "！",
    "sign and word for the currency": r"¥[^，。]*元",
}


def found_in(
    rule: Callable[[str, str], object], texts: Sequence[tuple[str, str]] = TEXTS
) -> dict[str, str]:
    """Return the texts to which a rule applies, with their translations."""
    return {english: chinese for english, chinese in texts if rule(english, chinese)}


@pytest.mark.parametrize("word", AVOIDED)
def test_no_text_has_a_word_that_alipay_does_not_use(word: str) -> None:
    found = found_in(lambda _english, chinese: word in chinese, [*TEXTS, *SHOP_TEXTS])
    assert found == {}, f"instead: {AVOIDED[word]}"


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_translated_by_the_same_word_everywhere(term: str) -> None:
    wrong = found_in(
        lambda english, chinese: (
            re.search(term, LITERAL.sub("", english)) and not re.search(TERMS[term], chinese)
        )
    )
    assert wrong == {}, f"instead: {TERMS[term]}"


@pytest.mark.parametrize("pattern", TYPOGRAPHY.values(), ids=TYPOGRAPHY)
def test_no_text_breaks_a_rule_of_typography(pattern: str) -> None:
    texts = [*TEXTS, *SHOP_TEXTS]
    assert found_in(lambda _english, chinese: re.search(pattern, chinese), texts) == {}


def test_only_thanks_address_the_buyer() -> None:
    addressed = found_in(lambda _english, chinese: "您" in chinese.replace("感谢您的购买", ""))
    assert addressed == {}


def test_a_sentence_has_a_full_stop_and_a_label_has_none() -> None:
    wrong = found_in(
        lambda english, chinese: (
            english.rstrip().endswith(".") != chinese.rstrip().endswith("。")
            and "\n" not in english
            and not english.endswith(("?", ":", "...", " no."))
        )
    )
    assert wrong == {}


def test_a_closed_trade_is_never_called_settled() -> None:
    """入账 is money that came in. A status that may be TRADE_CLOSED is 更新 in the ledger."""
    wrong = found_in(
        lambda english, chinese: (
            "入账" in chinese
            and "\n" not in english
            and re.search(r"clos|\{before\}|\{after\}|\{outcome\}", english)
        )
    )
    assert wrong == {}
