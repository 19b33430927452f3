"""The legacy gateway, ``mapi.alipay.com/gateway.do``: one method for each service.

:mod:`~flask_alipay.gateways.mapi.gateway` is the door. Behind it, a room for each purpose: what a
browser
brings (``payments``, with the parameters in ``direct_pay``, ``escrow``, ``wap_pay`` and
``forex_pay``; ``products`` leads a shop's payment there), single trades (``trades``), batches
(``refunds``, ``transfers``, ``batches``), cross-border trades (``forex``, ``overseas``), codes
(``qrcodes``), the account (``accounts``), apps (``mobile``) and the older WAP gateway
(``wap_rest``). ``caller`` signs and asks, ``answers`` reads, ``rules`` are what parameters demand
of each other.
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
