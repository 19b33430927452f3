"""Use cases for one merchant, shared by views, commands and applications.

``payments``, ``order_number``, ``trade_params``, ``payment_state``
    creating a payment, its parameters for the gateway, and its state for the buyer
``qr_codes``, ``barcode_payments``, ``app_payments``, ``mini_programs``
    products of the open platform with steps of their own
``sending``
    the record that a payment is sent to Alipay
``settlement``, ``replay``
    verifying and settling reports, and the signals afterwards
``messages``
    reading notifications that are not about a trade
``queries``, ``trade_updates``, ``confirmation``, ``reconciliation``, ``reconcile_report``
    querying, closing and cancelling payments, and settling the responses
``refunds``, ``transfers``
    refunding a payment, and transferring money to a payee
``granted_payments``
    captures and deductions, which the merchant's server submits without the buyer
``agreements``, ``agreement_checks``, ``deductions``
    agreements on deductions; the deductions under them, and whether one is due
``preauthorizations``, ``captures``, ``authorization_checks``
    pre-authorisations, captures and releases of their amounts, and checks by ``reconcile``
``deduction_plans``
    deductions that an operator requests
``oauth``
    the pages on which users and merchants authorise the application
``alerts``, ``grant_alerts``
    alerts for operators
"""
