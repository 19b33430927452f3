"""A complete shop in one file: ``flask --app examples/tea run``, then http://127.0.0.1:5000."""

from flask import Flask, redirect, request
from flask_sqlalchemy import SQLAlchemy

from flask_alipay import AlipayBlueprint, NotificationMixin, PaymentMixin, RefundMixin

db = SQLAlchemy()


class Payment(PaymentMixin, db.Model):
    shipped = db.Column(db.Boolean, default=False)


class Refund(RefundMixin, db.Model): ...


class Notification(NotificationMixin, db.Model): ...


alipay = AlipayBlueprint(db, Payment, Refund, Notification)


@alipay.on_paid
def ship(payment):
    payment.shipped = True  # once per payment, in the transaction that records it


PAGE = """<!doctype html>
<html lang="en"><meta name="viewport" content="width=device-width"><title>Tea</title>
<style>body { font: 1.2rem system-ui; max-width: 20rem; margin: 4rem auto; padding: 0 1rem }
button { font: inherit; width: 100%%; padding: 0.8rem; border: 0; border-radius: 0.4rem;
background: #1f6b4a; color: #fff }</style>
<h1>Tea</h1><form method="post"><button>Buy tea: ¥88.88</button></form><p>Shipped: %d"""


def create_app(**config):
    app = Flask(__name__)
    app.config.update(SECRET_KEY="Change this!", SQLALCHEMY_DATABASE_URI="sqlite:///tea.db")
    app.config.update(ALIPAY_SIMULATOR=True, ALIPAY_SIMULATOR_WITHOUT_DEBUG=True)  # no money
    app.config.update(ALIPAY_SHOW_URL="http://127.0.0.1:5000/", **config)
    db.init_app(app)
    app.register_blueprint(alipay, url_prefix="/alipay")
    with app.app_context():
        db.create_all()

    @app.route("/", methods=["GET", "POST"])
    def buy():
        if request.method == "GET":
            return PAGE % db.session.query(Payment).filter_by(shipped=True).count()
        payment = alipay.create_payment(subject="Tea", total_amount="88.88")
        db.session.commit()
        return redirect(alipay.checkout_url(payment), code=303)

    return app
