"""HTTP interface of the simulator.

``cashier``, ``oauth_pages``, ``preauthorization_pages``, ``agreement_pages``, ``gateways``
    routes of the buyer's pages, of authorisations, of frozen amounts, of agreements, and of the
    gateways
``control_api``, ``preauthorization_control``, ``agreement_control``
    the JSON control, also of frozen amounts and of agreements
``rejections``, ``json_bodies``
    the requests that the control rejects or reads
``qr_codes``
    QR codes of pages
``manual_orders``, ``trade_search``
    test orders of the control, and its pages of trades
``responses``, ``response_faults``, ``serializers``
    conversion of replies and objects, and injected faults
``forms``, ``multipart``, ``urls``, ``visited``, ``network``
    parsing of requests, URLs and addresses
``server``
    HTTP server of ``flask-alipay simulate``
"""
