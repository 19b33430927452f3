"""A complete shop in one file: ``flask --app examples/minimal run``, then http://127.0.0.1:5000."""

import secrets

from flask import Flask, redirect
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin

app = Flask(__name__)
app.config.update(SECRET_KEY=secrets.token_hex(), SQLALCHEMY_DATABASE_URI="sqlite:///minimal.db")
app.config.update(ALIPAY_SIMULATOR=True, ALIPAY_SIMULATOR_WITHOUT_DEBUG=True)  # for a trial only
db = SQLAlchemy(app)


class Payment(PaymentMixin, db.Model):
    shipped = db.Column(db.Boolean, default=False)


class Refund(RefundMixin, db.Model): ...


class Notification(NotificationMixin, db.Model): ...


alipay = AlipayBlueprint(db, Payment, Refund, Notification)


@alipay.on_paid
def ship(payment):
    payment.shipped = True  # once per payment, in the transaction that records it


app.register_blueprint(alipay, url_prefix="/alipay")
with app.app_context():
    db.create_all()


@app.get("/")
def home():
    shipped = db.session.query(Payment).filter_by(shipped=True).count()
    return f'<form method="post" action="/buy"><button>Buy tea</button> shipped: {shipped}</form>'


@app.post("/buy")
def buy():
    payment = alipay.create_payment(subject="Tea", total_amount="88.88")
    db.session.commit()
    return redirect(alipay.checkout_url(payment), code=303)
