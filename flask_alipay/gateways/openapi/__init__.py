"""Client of the open platform, ``openapi.alipay.com/gateway.do``: one method for each of Alipay's.

:class:`~flask_alipay.gateways.openapi.gateway.OpenApiGateway` inherits the methods from one class
for each purpose:

``payments``
    payments in a browser or app
``trades``, ``refunds``
    single trades and their refunds
``barcode_payments``
    barcode payments (当面付) at a point of sale
``settlements``, ``royalty_relations``, ``transfers``
    royalties with their receivers, and transfers to accounts
``agreements``
    agreements on deductions
``preauthorizations``, ``preauthorization_fields``
    pre-authorisations: freeze, release, query and cancel
``oauth``
    tokens of users, and of the merchants of a third-party application
``accounts``
    the merchant's balance, log and receipts
``bill_download``, ``bill``
    download and parsing of the trade bill
``any_method``
    methods that are not declared here
``payment_operations``, ``granted_payments``, ``transfer_operations``,
``agreement_operations``, ``preauthorization_operations``
    the interface of both gateways

``gateway`` combines the methods. ``client`` signs and sends requests, through ``v3`` in version 3
of the protocol; ``biz_content`` validates fields, ``sending`` adds files and paths,
``responses`` verifies and parses responses, ``errors`` converts rejections to exceptions,
``encryption`` encrypts content.
"""

from __future__ import annotations

from .accounts import AccountLogResponse as AccountLogResponse
from .accounts import AccountQueryResponse as AccountQueryResponse
from .accounts import BalanceQueryResponse as BalanceQueryResponse
from .accounts import ReceiptApplyResponse as ReceiptApplyResponse
from .accounts import ReceiptQueryResponse as ReceiptQueryResponse
from .agreements import AgreementQueryResponse as AgreementQueryResponse
from .agreements import ExecutionPlan as ExecutionPlan
from .agreements import PlanModifyResponse as PlanModifyResponse
from .barcode_payments import BarcodePaymentResult as BarcodePaymentResult
from .barcode_payments import PollingPolicy as PollingPolicy
from .barcode_payments import TradePayResponse as TradePayResponse
from .bill_download import BillDownloadResponse as BillDownloadResponse
from .client import PRODUCTION as PRODUCTION
from .gateway import SANDBOX as SANDBOX
from .gateway import OpenApiGateway as OpenApiGateway
from .oauth import AppAuthToken as AppAuthToken
from .oauth import AppAuthTokenQueryResponse as AppAuthTokenQueryResponse
from .oauth import AppAuthTokenResponse as AppAuthTokenResponse
from .oauth import OAuthTokenResponse as OAuthTokenResponse
from .oauth import UserInfoResponse as UserInfoResponse
from .preauthorizations import FreezeResponse as FreezeResponse
from .preauthorizations import OperationCancelResponse as OperationCancelResponse
from .preauthorizations import OperationQueryResponse as OperationQueryResponse
from .preauthorizations import UnfreezeResponse as UnfreezeResponse
from .preauthorizations import VoucherResponse as VoucherResponse
from .refunds import RefundQueryResponse as RefundQueryResponse
from .refunds import TradeRefundResponse as TradeRefundResponse
from .royalty_relations import RoyaltyRelationResponse as RoyaltyRelationResponse
from .royalty_relations import RoyaltyRelationsResponse as RoyaltyRelationsResponse
from .settlements import OnSettleQueryResponse as OnSettleQueryResponse
from .settlements import OrderSettleQueryResponse as OrderSettleQueryResponse
from .settlements import OrderSettleResponse as OrderSettleResponse
from .settlements import RoyaltyDetail as RoyaltyDetail
from .trades import TradeCancelResponse as TradeCancelResponse
from .trades import TradeCloseResponse as TradeCloseResponse
from .trades import TradeCreateResponse as TradeCreateResponse
from .trades import TradePrecreateResponse as TradePrecreateResponse
from .trades import TradeQueryResponse as TradeQueryResponse
from .transfers import TransferQueryResponse as TransferQueryResponse
from .transfers import TransferResponse as TransferResponse
