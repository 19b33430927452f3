"""The ledger: records each verified report about a payment once, with the shop's callbacks.

``ledger``
    :class:`Ledger`: one report, one transaction
``updates``, ``transitions``
    the changes that a report makes to a payment, and the table of states; no database
``settlement``
    the result of a settled report, and the application's classes
``statements``, ``tables``, ``exact_text``
    the guarded ``UPDATE`` and the other statements for payments
``refunds``, ``reported_refunds``
    the rows of refunds with their results, and the refunds that a trade's reports state
``transfers``, ``transfer_updates``, ``transfer_transitions``
    the rows of transfers, the changes that a report makes to one, and the table of states
``authorizations``, ``authorization_rows``, ``authorization_updates``, ``authorization_transitions``
    pre-authorised amounts, reserved for captures and releases, the changes that a report makes to
    one, and the table of states
``granted_payments``, ``submissions``
    effects of settled captures and deductions on their grant, and the marks of their requests
``agreements``, ``agreement_rows``, ``agreement_updates``, ``agreement_transitions``
    the rows of agreements with their deductions, the changes to one, and the table of states
``messages``
    notifications that are not about a trade
``callbacks``
    the shop's callbacks inside the ledger's transaction, and the guard around them
``journal``, ``operator_log``, ``retention``
    the record of every verified report and of operators' actions, and its deletion
``leases``
    pending rows, shared between the workers that query Alipay
``query_schedule``, ``query_leases``
    when a waiting buyer causes a query, and the one process that sends it
``payment_rows``, ``annotations``
    facts beside the settlement: when a payment was sent to Alipay, and queries without a result
``session``, ``errors``
    the application's session, its connections, and the errors of the database drivers
``constraints``, ``bypassed_listeners``
    checks of the application's classes and tables
``listing``, ``references``, ``history``, ``attention``, ``totals``, ``takings``,
``grant_history``, ``grant_attention``, ``agreement_filters``
    reading for the command line and the operator pages
``bill_comparison``, ``bill_table``
    differences between Alipay's bill and the ledger
"""

from __future__ import annotations

from .ledger import Ledger as Ledger
from .settlement import MESSAGE_EVENT as MESSAGE_EVENT
from .settlement import Callback as Callback
from .settlement import Models as Models
from .settlement import Settlement as Settlement
