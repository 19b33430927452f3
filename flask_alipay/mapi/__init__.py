"""The legacy gateway, ``mapi.alipay.com/gateway.do``: one method for each service.

:mod:`~flask_alipay.mapi.gateway` is the door. Behind it, a room for each purpose: what a browser
brings (``payments``, with the parameters in ``direct_pay``, ``escrow``, ``wap_pay`` and
``forex_pay``; ``products`` leads a shop's payment there), single trades (``trades``), batches
(``refunds``, ``transfers``, ``batches``), cross-border trades (``forex``, ``overseas``), codes
(``qrcodes``), the account (``accounts``), apps (``mobile``) and the older WAP gateway
(``wap_rest``). ``caller`` signs and asks, ``answers`` reads, ``rules`` are what parameters demand
of each other.
"""

from __future__ import annotations

from ..wap_notification import WAP_PUBLIC_KEY as WAP_PUBLIC_KEY
from .accounts import AccountLog as AccountLog
from .accounts import AccountPage as AccountPage
from .accounts import Timestamp as Timestamp
from .answers import Accepted as Accepted
from .batches import new_batch_no as new_batch_no
from .caller import PRODUCTION as PRODUCTION
from .caller import WAP_PRODUCTION as WAP_PRODUCTION
from .forex import ForexRate as ForexRate
from .gateway import MAPI_PUBLIC_KEY as MAPI_PUBLIC_KEY
from .gateway import MapiGateway as MapiGateway
from .mobile import MobileResult as MobileResult
from .overseas import OverseasRefundAnswer as OverseasRefundAnswer
from .overseas import OverseasTrade as OverseasTrade
from .qrcodes import QrCode as QrCode
from .refunds import RefundEntry as RefundEntry
from .refunds import RoyaltyRefund as RoyaltyRefund
from .refunds import SubTradeRefund as SubTradeRefund
from .trades import SentAnswer as SentAnswer
from .trades import TradeQueryAnswer as TradeQueryAnswer
from .transfers import TransferEntry as TransferEntry
