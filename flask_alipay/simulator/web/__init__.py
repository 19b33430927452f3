"""The simulator on the web.

``server``
    the HTTP server of ``flask-alipay simulate``
"""
