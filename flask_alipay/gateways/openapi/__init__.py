"""Client of the open platform, ``openapi.alipay.com/gateway.do``: one method for each of Alipay's.

:class:`~flask_alipay.gateways.openapi.gateway.OpenApiGateway` inherits the methods from one class
for each purpose: payments in a browser or app (``payments``), single trades (``trades``), barcode
payments (``barcode_payments``), ``refunds``, ``settlements``, ``transfers`` and the download of a
bill (``bill_download``; ``bill`` reads it). ``payment_operations`` implements the interface of both
gateways. ``client`` signs and sends, by ``v3`` in the newer version of the protocol;
``biz_content`` validates and writes the fields, ``responses`` verifies and reads, ``errors``
converts rejections to exceptions, ``encryption`` encrypts.
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
