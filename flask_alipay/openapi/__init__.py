"""The open platform, ``openapi.alipay.com/gateway.do``: one method for each ``alipay.trade.*``.

:mod:`~flask_alipay.openapi.gateway` is the door. Behind it: single trades (``trades``, ``till``),
what goes back (``refunds``) or on (``settlements``, ``transfers``), where the bill is
(``bill_download``) and what stands in it (``bill``), and the payments that a buyer's browser or app
brings to Alipay (``payments``).
``caller`` signs and asks, ``content`` checks and writes ``biz_content``, ``answers`` verifies and
reads, ``refusals`` are Alipay's no, ``aes`` encrypts, ``v3`` is another dress.
"""

from __future__ import annotations

from .bill_download import BillDownloadAnswer as BillDownloadAnswer
from .caller import PRODUCTION as PRODUCTION
from .gateway import SANDBOX as SANDBOX
from .gateway import OpenApiGateway as OpenApiGateway
from .refunds import RefundQueryAnswer as RefundQueryAnswer
from .refunds import TradeRefundAnswer as TradeRefundAnswer
from .settlements import OrderSettleAnswer as OrderSettleAnswer
from .till import Patience as Patience
from .till import TillAnswer as TillAnswer
from .till import TradePayAnswer as TradePayAnswer
from .trades import TradeCancelAnswer as TradeCancelAnswer
from .trades import TradeCloseAnswer as TradeCloseAnswer
from .trades import TradeCreateAnswer as TradeCreateAnswer
from .trades import TradePrecreateAnswer as TradePrecreateAnswer
from .trades import TradeQueryAnswer as TradeQueryAnswer
from .transfers import TransferAnswer as TransferAnswer
from .transfers import TransferQueryAnswer as TransferQueryAnswer
