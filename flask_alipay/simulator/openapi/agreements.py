"""Methods of agreements: signing, query, end and change of the plan.

The codes have no prefix ``ACQ.``. Source: part I of the protocol sheet, sections 3.2 and 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.agreements import AgreementStatus
from ...protocol.conversion import format_amount
from ..agreements import times
from ..replies import ApiError, RedirectToAgreement
from ..trades.agreements import MERCHANT, Agreement
from ..trades.periods import MAX_DAY, MONTH, china_day
from .agreement_requests import read_day, read_page_sign
from .call import ApiCall, Context, Handler, Success
from .orders import SIGN

#: Its path is a GET in version 3.
QUERY: Final = "alipay.user.agreement.query"


class AgreementService:
    """``alipay.user.agreement.page.sign``, ``.query``, ``.unsign`` and ``.executionplan.modify``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.agreements.store
        self.methods: Mapping[str, Handler] = {
            SIGN: self._sign,
            QUERY: self._query,
            "alipay.user.agreement.unsign": self._unsign,
            "alipay.user.agreement.executionplan.modify": self._modify,
        }

    def _sign(self, call: ApiCall) -> RedirectToAgreement:
        return RedirectToAgreement(self._store.request(read_page_sign(call), call.now))

    def _query(self, call: ApiCall) -> Success:
        """Return an agreement in force. Which code an ended one is rejected with is a guess: that
        it has ended if it was ended, that it does not exist if its time is over.
        """
        found = self._named(call)
        if found is None or found.expired(call.now):
            raise ApiError("USER_AGREEMENT_NOT_EXIST")
        if found.status == AgreementStatus.UNSIGN:
            raise ApiError("AGREEMENT_HAS_UNSIGNED")
        return Success(self._shown(call, found))

    def _unsign(self, call: ApiCall) -> Success:
        """End an agreement. That a repetition is rejected is a guess (#64)."""
        found = self._named(call)
        if found is None:
            raise ApiError("AGREEMENT_NOT_EXIST")
        notify_url = call.params.get("notify_url", "")
        ended = self._context.agreements.end(found.agreement_no, MERCHANT, call.now, notify_url)
        if not ended:
            raise ApiError("USER_AGREEMENT_STATUS_NOT_NORMAL")
        call.notifications.extend(ended)
        return Success({})

    def _modify(self, call: ApiCall) -> Success:
        """Move the day of the next deduction: later only (#62), and not into the past (a guess)."""
        number = call.required("agreement_no")
        day = read_day("deduct_time", call.required("deduct_time", 10))
        call.text("memo", 256)
        with self._store.turn():
            found = self._store.by_no(number)
            if found is None or not self._is_own(call, found) or not found.in_force(call.now):
                raise ApiError("ILLEGAL_AGREEMENT")
            rule = found.request.rule
            if rule is None:
                raise ApiError("ILLEGAL_AGREEMENT")
            too_late = rule.period_type == MONTH and day.day > MAX_DAY
            chosen = day.isoformat()
            if too_late or chosen <= found.next_date or chosen < china_day(call.now):
                raise ApiError("ILLEGAL_EXECUTION_TIME")
            self._store.put(replace(found, next_date=chosen))
        return Success({"agreement_no": number, "deduct_time": chosen})

    def _named(self, call: ApiCall) -> Agreement | None:
        """Return the agreement that a call names: by Alipay's number, by the merchant's together
        with product and scene (#63), or by the buyer together with the product.

        :raises InvalidParameter: if it names none.
        """
        number = call.text("agreement_no")
        if number:
            found = self._store.by_no(number)
            return found if found is not None and self._is_own(call, found) else None
        external = call.text("external_agreement_no", 32)
        if not external and not self._names_buyer(call):
            raise InvalidParameter("agreement_no", "or another number is required")
        product = call.required("personal_product_code")
        scene = call.required("sign_scene") if external else call.text("sign_scene")
        return next(
            (
                one
                for one in reversed(self._store.all())
                if one.agreement_no
                and self._is_own(call, one)
                and one.request.personal_product_code == product
                and (not external or one.request.external_agreement_no == external)
                and (not scene or one.request.sign_scene == scene)
            ),
            None,
        )

    def _names_buyer(self, call: ApiCall) -> bool:
        """Return True if a call names the buyer.

        :raises ApiError: if it names somebody else.
        """
        merchant = self._context.merchant
        for name, account in (
            ("alipay_user_id", merchant.buyer_id),
            ("alipay_open_id", merchant.buyer_open_id),
            ("alipay_logon_id", merchant.buyer_email),
        ):
            given = call.text(name, 128)
            if given:
                if given != account:
                    raise ApiError("USER_AGREEMENT_NOT_EXIST")
                return True
        return False

    def _is_own(self, call: ApiCall, agreement: Agreement) -> bool:
        """Return True unless the agreement is another merchant's."""
        return agreement.request.app_auth_token == call.params.get("app_auth_token", "")

    def _shown(self, call: ApiCall, agreement: Agreement) -> dict[str, object]:
        """Return the fields of a query; the merchant's own only if asked by them.

        Without ``execution_plans``: the meaning of their ``latest_execute_time`` is unknown (open
        question 13).
        """
        request, registry = agreement.request, self._context.agreements
        fields: dict[str, object] = {
            "agreement_no": agreement.agreement_no,
            "status": agreement.status,
            **registry.buyer("principal_id", "principal_open_id"),
            "pricipal_type": "CARD",  # so spelt by Alipay
            "alipay_logon_id": registry.buyer_name,
            "personal_product_code": request.personal_product_code,
            "sign_scene": request.sign_scene,
            "third_party_type": request.third_party_type,
            **times(agreement),
        }
        if call.text("external_agreement_no", 32):
            fields["external_agreement_no"] = request.external_agreement_no
            if request.external_logon_id:
                fields["external_logon_id"] = request.external_logon_id
        if request.rule is not None:
            fields["single_quota"] = format_amount(request.rule.single_fen)
            # A day: the form of the field in a captured message.
            fields["next_deduct_time"] = agreement.next_date
            if agreement.deductions:
                fields["last_deduct_time"] = china_day(agreement.deductions[-1].at)
        return fields
