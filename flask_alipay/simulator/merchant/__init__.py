"""The simulator's merchant.

``merchant``
    its numbers and keys
``certificates``
    certificates derived from the keys
``files``
    key and certificate files
``settings``
    settings of an app for the merchant
"""
