"""HTTP interface of the simulator.

``cashier``, ``authorization_pages``, ``gateways``, ``control_api``
    routes of the buyer's pages, of authorisations, of the gateways and of the JSON control
``manual_orders``, ``trade_search``
    test orders of the control, and its pages of trades
``responses``, ``response_faults``, ``serializers``
    conversion of replies and objects, and injected faults
``forms``, ``multipart``, ``urls``, ``visited``, ``network``
    parsing of requests, URLs and addresses
``server``
    HTTP server of ``flask-alipay simulate``
"""
