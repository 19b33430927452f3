"""Pre-authorisations for the ledger: reports, and the certainty of a rejected release.

A rejected release is certain only if Alipay also signs that it has no such operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ...exceptions import BadNotification, GatewayError, InvalidAmount, OutcomeUnknown
from ...protocol.conversion import format_amount
from ...protocol.preauthorizations import (
    FREEZE,
    UNFREEZE,
    AuthorizationReport,
    AuthorizationStatus,
    OperationStatus,
    operation_fields,
)
from ..interface import (
    AuthorizationRequest,
    RejectionInDoubt,
    ReleaseRequest,
    in_doubt,
    rejection_code,
)
from . import preauthorization_fields as methods
from .preauthorizations import Preauthorizations
from .responses import journal_params

#: The codes of an authorization, or of an operation, that does not exist.
NO_ORDER: Final = "AUTH_ORDER_NOT_EXIST"
_NO_OPERATION: Final = (NO_ORDER, "AUTH_OPERATION_NOT_EXIST")


class PreauthorizationOperations(Preauthorizations):
    """Operations on a recorded authorization; see the interface of both gateways."""

    def query_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Query an authorization by :meth:`fund_auth_operation_detail_query`.

        :param authorization: the authorization.
        :return: its state; ``None`` if Alipay signed that there is no such authorization.
        :raises GatewayError: if Alipay rejects the query.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        return self._query(authorization.out_order_no, authorization.out_request_no, FREEZE)

    def freeze_by_code(
        self, authorization: AuthorizationRequest, auth_code: str, fields: Mapping[str, Any]
    ) -> AuthorizationReport:
        """Freeze by :meth:`fund_auth_order_freeze`.

        :param authorization: the authorization.
        :param auth_code: the payer's code.
        :param fields: everything else that Alipay receives.
        :return: its state: frozen, or waiting for the payer's confirmation.
        :raises GatewayError: if Alipay rejects the freeze.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        given = {name: fields[name] for name in fields if name != "out_order_no"}
        response = self.fund_auth_order_freeze(
            out_order_no=authorization.out_order_no, auth_code=auth_code, **given
        )
        node = {"operation_type": FREEZE, **response.params, "status": response.status}
        return _report(methods.FREEZE.name, node, authorization.out_order_no)

    def release_authorization(self, release: ReleaseRequest) -> AuthorizationReport:
        """Release by :meth:`fund_auth_order_unfreeze`; query the release if it was submitted
        before, and whenever the response is not certain. A repeated number releases once.

        :param release: the release.
        :return: the state after the release.
        :raises GatewayError: if it is certain that nothing was released.
        :raises RejectionInDoubt: if an earlier request may still be on its way.
        :raises OutcomeUnknown: if the outcome is unknown.
        """
        try:
            response = self.fund_auth_order_unfreeze(
                auth_no=release.auth_no,
                out_request_no=release.out_request_no,
                amount=format_amount(release.fen),
                remark=release.reason or "release",
                notify_url=release.notify_url,
            )
        except OutcomeUnknown as error:
            return self._released(release, error)
        except GatewayError as error:
            return self._release_rejected(release, error)
        if response.status != OperationStatus.SUCCESS:
            return self._released(release, OutcomeUnknown("Alipay has not released it yet"))
        node = {"out_order_no": release.out_order_no, **response.params}
        report = _report(
            methods.UNFREEZE.name, {**node, "operation_type": UNFREEZE}, release.out_order_no
        )
        return replace(report, is_current=False)

    def cancel_authorization(
        self, authorization: AuthorizationRequest
    ) -> AuthorizationReport | None:
        """Cancel by :meth:`fund_auth_operation_cancel`.

        :param authorization: the authorization.
        :return: its state; ``None`` if Alipay signed that there is no such authorization.
        :raises GatewayError: if Alipay rejects the cancellation.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        try:
            response = self.fund_auth_operation_cancel(
                out_order_no=authorization.out_order_no,
                out_request_no=authorization.out_request_no,
                notify_url=authorization.notify_url,
            )
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            if error.signed and rejection_code(error) == NO_ORDER:
                return None
            raise
        params = journal_params(methods.OPERATION_CANCEL.name, response.params)
        given = {**params, "out_order_no": authorization.out_order_no}
        try:
            return AuthorizationReport.cancelled(given, params=params)
        except BadNotification as error:
            raise OutcomeUnknown(str(error)) from None

    def _query(self, out_order_no: str, request_no: str, kind: str) -> AuthorizationReport | None:
        try:
            response = self.fund_auth_operation_detail_query(
                out_order_no=out_order_no, out_request_no=request_no, operation_type=kind
            )
        except OutcomeUnknown:
            raise
        except GatewayError as error:
            missing = (NO_ORDER,) if kind == FREEZE else _NO_OPERATION
            if error.signed and rejection_code(error) in missing:
                return None
            raise
        # A response without a type is about the requested operation.
        node = {"operation_type": kind, **response.params}
        return _report(methods.OPERATION_QUERY.name, node, out_order_no)

    def _released(self, release: ReleaseRequest, unknown: OutcomeUnknown) -> AuthorizationReport:
        """Query a release whose outcome is unknown.

        :raises OutcomeUnknown: the given one, if Alipay has no such release, or not yet.
        """
        try:
            report = self._query(release.out_order_no, release.out_request_no, UNFREEZE)
        except GatewayError:
            raise unknown from None
        if report is None or not _is_done(report, release):
            raise unknown
        return report

    def _release_rejected(
        self, release: ReleaseRequest, error: GatewayError
    ) -> AuthorizationReport:
        if not error.signed:
            raise in_doubt(error)
        try:
            report = self._query(release.out_order_no, release.out_request_no, UNFREEZE)
        except GatewayError:
            raise in_doubt(error) from None
        if report is not None and _is_done(report, release):
            return report
        if report is not None and report.operation_status == OperationStatus.INIT:
            raise in_doubt(error)
        if release.undecided:
            raise in_doubt(error, RejectionInDoubt)
        raise error


def _is_done(report: AuthorizationReport, release: ReleaseRequest) -> bool:
    return (
        report.operation_type == UNFREEZE
        and report.out_request_no == release.out_request_no
        and report.operation_status == OperationStatus.SUCCESS
    )


def _report(method: str, node: Mapping[str, Any], out_order_no: str) -> AuthorizationReport:
    """Return a response as a report.

    :raises OutcomeUnknown: if it cannot be parsed.
    """
    params = journal_params(method, node)
    params["out_order_no"] = out_order_no
    status = params.get("order_status")
    try:
        if status is None:  # of an operation's own response, as in its message
            return replace(
                AuthorizationReport.from_message("", params, params, None), is_current=True
            )
        fields = operation_fields(params)
    except (BadNotification, InvalidAmount) as error:
        raise OutcomeUnknown(f"the gateway's response cannot be parsed: {error}") from None
    operation = params.get("status")
    if status not in AuthorizationStatus.ALL or operation not in (None, *OperationStatus.ALL):
        raise OutcomeUnknown("the gateway responded with an unknown status")
    frozen = params["operation_type"] != FREEZE or operation == OperationStatus.SUCCESS
    return AuthorizationReport(
        out_order_no=out_order_no,
        status=status,
        operation_type=params["operation_type"],
        operation_status=operation,
        is_current=True,
        was_frozen=frozen or bool(fields["total_fen"]),
        params=params,
        **fields,
    )
