"""Protocol rules shared by both gateways, as pure functions and values: no Flask, no database.

``notification``
    verification of notifications, and the frozen :class:`~.notification.Notification`
``message``
    notifications that are not about a trade
``batch_notification``
    results of the legacy gateway's refund and transfer batches
``wap_notification``
    notifications of the legacy WAP gateway
``charsets``, ``xml``
    conversion of text, and strict parsers of received form bodies and XML documents
``signed_request``
    signed requests that a browser sends
``validation``
    limits and validators of request parameters
``conversion``
    conversion of amounts and times
``transfers``
    statuses of transfers, and reports about them
``preauthorizations``, ``agreements``
    statuses of pre-authorisations and of agreements on deductions
``trade_status``, ``parameter_names``, ``banks``
    Alipay's statuses, parameter names and bank codes
``certificates``
    Alipay's certificates and their chains
``page_settings``, ``content_policy``
    settings of the buyers' pages, and their Content-Security-Policy
``log_text``
    received text made safe for log lines
``credentials``
    credentials masked, for the journal and output
``i18n``
    translations from the gettext catalogues
"""
