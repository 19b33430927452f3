"""The open platform, ``openapi.alipay.com/gateway.do``: one method for each ``alipay.trade.*``.

:mod:`~flask_alipay.gateways.openapi.gateway` is the door. Behind it: single trades (``trades``,
``till``),
what goes back (``refunds``) or on (``settlements``, ``transfers``), where the bill is
(``bill_download``) and what stands in it (``bill``), and the payments that a buyer's browser or app
brings to Alipay (``payments``).
``caller`` signs and asks, ``content`` checks and writes ``biz_content``, ``answers`` verifies and
reads, ``refusals`` are Alipay's no, ``aes`` encrypts, ``v3`` is another dress.
"""

from __future__ import annotations

from .barcode_payments import BarcodePaymentResult as BarcodePaymentResult
from .barcode_payments import PollingPolicy as PollingPolicy
from .barcode_payments import TradePayResponse as TradePayResponse
from .bill_download import BillDownloadResponse as BillDownloadResponse
from .client import PRODUCTION as PRODUCTION
from .gateway import SANDBOX as SANDBOX
from .gateway import OpenApiGateway as OpenApiGateway
from .refunds import RefundQueryResponse as RefundQueryResponse
from .refunds import TradeRefundResponse as TradeRefundResponse
from .settlements import OrderSettleResponse as OrderSettleResponse
from .trades import TradeCancelResponse as TradeCancelResponse
from .trades import TradeCloseResponse as TradeCloseResponse
from .trades import TradeCreateResponse as TradeCreateResponse
from .trades import TradePrecreateResponse as TradePrecreateResponse
from .trades import TradeQueryResponse as TradeQueryResponse
from .transfers import TransferQueryResponse as TransferQueryResponse
from .transfers import TransferResponse as TransferResponse
