"""Operator pages for Flask-Admin 2 (extra ``admin``): payments, refunds, notifications, takings.

::

    from flask_alipay.admin import add_alipay_views

    add_alipay_views(admin, alipay, is_accessible=lambda: current_user.is_staff)

``views``
    :func:`add_alipay_views`
``access``, ``base``
    permissions; the base class of the pages
``filters``, ``rows``, ``export``
    forms above a list; texts of rows; CSV
``payments``, ``refunds``, ``transfers``, ``notifications``, ``takings``, ``chart``
    the pages
``preauthorizations``, ``agreements``, ``grant_actions``, ``grant_forms``, ``grant_rows``
    the pages about authorizations and agreements, their forms and texts
``acting``, ``actions``, ``refund_form``, ``confirmations``, ``errors``
    actions of operators, their forms and confirmations, and messages about errors
``texts``
    messages in the operator's language
"""

from __future__ import annotations

from .views import add_alipay_views as add_alipay_views
