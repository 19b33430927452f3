"""Clients of Alipay's gateways.

``interface``
    the methods that operations call, the same for both protocols
``mapi``
    client of the legacy gateway
``openapi``
    client of the open platform
``parameters``
    declarations of services' parameters
``query_limit``, ``background``
    limit of the queries for one payment, and threads for them
``transport``, ``sessions``
    HTTP requests to a gateway; sessions that limit the time of a response
"""
