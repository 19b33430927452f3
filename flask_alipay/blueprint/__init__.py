"""The Flask blueprint: routes, pages for buyers, callbacks and registration.

``blueprint``, ``payment_methods``, ``transfer_methods``, ``agreement_methods``,
``preauthorization_methods``, ``page_urls``, ``lazy_command``
    :class:`AlipayBlueprint` with its methods and the command ``flask alipay``
``registration``, ``model_checks``, ``external_urls``, ``start_warnings``
    registration in an application: settings, classes, URLs
``callback_registry``
    the callbacks that each application runs
``notify``, ``rejected``, ``probe``
    the route for Alipay's notifications
``views``, ``order_items``, ``page_policy``, ``gateway_requests``, ``confirming``
    the pages for buyers
``agreement_views``, ``preauthorization_views``
    the pages on which a payer signs an agreement, or confirms a pre-authorisation
``reader_language``
    the language of pages
``return_url``, ``tokens``
    the buyer's return, and the signed, expiring tokens in URLs
``oauth``, ``states``
    authorisations by users and merchants, and the ``state`` that protects them
``embedded_simulator``, ``simulator_settings``, ``simulated_buyer``
    the simulator inside the application, and its buyer in tests
"""

from __future__ import annotations

from .blueprint import AlipayBlueprint as AlipayBlueprint
