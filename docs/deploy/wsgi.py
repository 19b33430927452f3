"""What gunicorn serves: the shop behind one proxy, which states the buyer's address and scheme."""

from shop import create_app
from werkzeug.middleware.proxy_fix import ProxyFix

app = create_app()
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # not x_host: nginx passes the Host
