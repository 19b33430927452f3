"""Clients of Alipay's gateways.

``interface``
    the methods that operations call, the same for both protocols
``mapi``
    client of the legacy gateway
``openapi``
    client of the open platform
``parameters``
    declarations of services' parameters
``transport``
    HTTP requests to a gateway
"""
