"""Agreements for the ledger: when an agreement is known to have ended.

Alipay has no status for an ended agreement: a query of it is rejected. An agreement that Alipay
does not have yet is rejected with the same code; the caller knows which of them it is. Only signed
rejections count. Sources: the models of ``alipay.user.agreement.query`` and ``.unsign`` in Alipay's
PHP SDK of version 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ...exceptions import GatewayError, OutcomeUnknown
from ...protocol.agreements import AgreementReport, AgreementStatus, known_agreement_status
from ..interface import rejection_code
from .agreements import (
    AGREEMENT_QUERY,
    PLAN_MODIFY,
    UNSIGN,
    AgreementQueryResponse,
    Agreements,
)
from .responses import journal_params

# Codes of a query for an agreement that has ended, and for one that does not exist.
_HAS_ENDED: Final = ("AGREEMENT_HAS_UNSIGNED",)
_NOT_FOUND: Final = ("USER_AGREEMENT_NOT_EXIST",)


@dataclass(frozen=True)
class AgreementRequest:
    """The identity of an agreement in a request."""

    #: The merchant's number, and Alipay's if it is known.
    external_agreement_no: str
    agreement_no: str | None
    personal_product_code: str
    sign_scene: str
    #: Further parameters, for example ``third_party_type``.
    further: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that identify it: Alipay's number alone, or the merchant's with the scene of
        the signing.
        """
        if self.agreement_no is not None:
            return {**self.further, "agreement_no": self.agreement_no}
        return {
            **self.further,
            "external_agreement_no": self.external_agreement_no,
            "personal_product_code": self.personal_product_code,
            "sign_scene": self.sign_scene,
        }


class AgreementOperations(Agreements):
    """Operations on a recorded agreement."""

    def query_agreement(self, agreement: AgreementRequest) -> AgreementReport | None:
        """Query an agreement by :meth:`user_agreement_query`.

        :param agreement: the agreement.
        :return: its state, ``UNSIGN`` if Alipay signed that it has ended; ``None`` if Alipay signed
            that it has no such agreement: it has ended, or is not signed yet.
        :raises GatewayError: if Alipay rejects the query for another reason.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        try:
            response = self.user_agreement_query(**agreement.fields)
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            code = rejection_code(error)
            if error.signed and code in _NOT_FOUND:
                return None
            if error.signed and code in _HAS_ENDED:
                return _ended(agreement, AGREEMENT_QUERY.name, {"sub_code": code})
            raise
        status = known_agreement_status(response.status)
        if status is None:
            raise OutcomeUnknown("Alipay responded with an unknown status of the agreement")
        return AgreementReport(
            status=status,
            external_agreement_no=agreement.external_agreement_no,
            agreement_no=response.agreement_no,
            payer_user_id=response.payer_user_id,
            payer_open_id=response.payer_open_id,
            signed_at=response.signed_at,
            valid_until=response.valid_until,
            next_date=response.next_date,
            latest_date=_latest(response),
            params=journal_params(AGREEMENT_QUERY.name, response.params),
        )

    def end_agreement(
        self, agreement: AgreementRequest, notify_url: str | None = None
    ) -> AgreementReport:
        """End an agreement by :meth:`user_agreement_unsign`; after a rejection or without a
        response it is queried, since Alipay rejects the end of an ended agreement.

        :param agreement: the agreement.
        :param notify_url: the URL that receives the message about it.
        :return: the report that it has ended.
        :raises GatewayError: if it has not.
        :raises OutcomeUnknown: if that is unknown.
        """
        try:
            response = self.user_agreement_unsign(**agreement.fields, notify_url=notify_url)
        except GatewayError as error:
            if not (error.signed or isinstance(error, OutcomeUnknown)):
                raise
            if not self._is_gone(agreement):
                raise
            return _ended(agreement, UNSIGN.name, {"sub_code": rejection_code(error)})
        return _ended(agreement, UNSIGN.name, response)

    def postpone_deduction(
        self, agreement: AgreementRequest, day: str, memo: str | None
    ) -> AgreementReport:
        """Postpone the next deduction by :meth:`user_agreement_executionplan_modify`.

        :param agreement: a signed agreement.
        :param day: the day in China.
        :param memo: the reason.
        :raises GatewayError: if Alipay rejects it.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        response = self.user_agreement_executionplan_modify(
            agreement_no=agreement.agreement_no or "", deduct_time=day, memo=memo
        )
        return AgreementReport(
            status=AgreementStatus.NORMAL,
            external_agreement_no=agreement.external_agreement_no,
            agreement_no=agreement.agreement_no,
            next_date=response.next_date,
            params=journal_params(PLAN_MODIFY.name, response.params),
        )

    def _is_gone(self, agreement: AgreementRequest) -> bool:
        """Return whether a query shows that an agreement has ended or does not exist."""
        try:
            found = self.query_agreement(agreement)
        except GatewayError:
            return False
        return found is None or found.status == AgreementStatus.UNSIGN


def _ended(
    agreement: AgreementRequest, method: str, response: Mapping[str, Any]
) -> AgreementReport:
    return AgreementReport(
        status=AgreementStatus.UNSIGN,
        external_agreement_no=agreement.external_agreement_no,
        agreement_no=agreement.agreement_no,
        params=journal_params(method, response),
    )


def _latest(response: AgreementQueryResponse) -> str | None:
    """Return the last day of the next deduction, if Alipay states it."""
    due = [plan for plan in response.plans if plan.execute_date == response.next_date]
    return due[0].latest_date if due else None
