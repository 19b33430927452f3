"""Notifications and their delivery to the merchant's server.

``sender``, ``delivery``
    delivery with retries, and the store of deliveries
``http_client``
    one HTTP request to the merchant's server
``notify_ids``
    notification IDs for ``notify_verify``
``messages``
    messages that are not about a trade
``triggers``, ``tampering``
    notifications without a trade, and tampered ones
"""
