"""Orders and trades of the simulator.

``orders``
    a merchant's orders, and the events of a trade
``trades``
    trades, their statuses and their store
``batches``
    batches of refunds and transfers
``agreements``, ``periods``
    agreements on deductions, and their rules of periods
``transfers``
    transfers to accounts and bank cards
``preauthorizations``
    amounts that are frozen, captured and released
``expiry``
    closing of expired trades
``funding``
    payment channels
``exchange_rates``
    invented exchange rates
"""
