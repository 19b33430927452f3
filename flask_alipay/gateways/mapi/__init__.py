"""Client of the legacy gateway, ``mapi.alipay.com/gateway.do``: one method for each service.

:class:`~flask_alipay.gateways.mapi.gateway.MapiGateway` inherits the services from one class for
each purpose:

``payments``
    payments in a browser, with the parameters in ``direct_pay``, ``escrow``, ``wap_pay`` and
    ``forex_pay``; ``payment_products`` selects the service of a product
``trades``
    query, close and shipment of single trades
``refunds``, ``transfers``
    batches, numbered by ``batch_numbers``
``forex``, ``overseas``
    cross-border trades
``qrcodes``, ``account``, ``mobile``
    QR codes, account statements, payments in apps
``wap_rest``
    the legacy WAP gateway
``payment_operations``
    the interface of both gateways

``gateway`` combines the services. ``client`` signs and sends requests, ``responses`` parses
responses, ``validators`` checks parameters.
"""

from __future__ import annotations

from ...protocol.wap_notification import WAP_PUBLIC_KEY as WAP_PUBLIC_KEY
from .account import AccountLog as AccountLog
from .account import AccountPage as AccountPage
from .account import Timestamp as Timestamp
from .batch_numbers import new_batch_no as new_batch_no
from .client import PRODUCTION as PRODUCTION
from .client import WAP_PRODUCTION as WAP_PRODUCTION
from .forex import ForexRate as ForexRate
from .gateway import MAPI_PUBLIC_KEY as MAPI_PUBLIC_KEY
from .gateway import MapiGateway as MapiGateway
from .mobile import MobileResult as MobileResult
from .overseas import OverseasRefundResponse as OverseasRefundResponse
from .overseas import OverseasTrade as OverseasTrade
from .qrcodes import QrCode as QrCode
from .refunds import RefundEntry as RefundEntry
from .refunds import RoyaltyRefund as RoyaltyRefund
from .refunds import SubTradeRefund as SubTradeRefund
from .responses import AcceptedResponse as AcceptedResponse
from .trades import ShipmentResponse as ShipmentResponse
from .trades import TradeQueryResponse as TradeQueryResponse
from .transfers import TransferEntry as TransferEntry
