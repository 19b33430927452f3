"""Delivery of notifications to the merchant's server.

``http_client``
    one request to that server
"""
