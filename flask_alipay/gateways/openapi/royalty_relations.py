"""Relations of profit sharing (分账关系): the accounts that may receive parts of payments.

Source: the documentation of ``alipay.trade.royalty.relation.bind``, ``.unbind`` and
``.batchquery``. The codes have no prefix ``ACQ.``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...exceptions import GatewayError, InvalidParameter, OutcomeUnknown
from ...protocol.validation import FieldValidator, choice, integer, pattern, text
from . import biz_content
from .client import MethodSpec, OpenApiClient
from .responses import text_field

#: The maximum of receivers in one request.
MAX_RECEIVERS = 20
_NUMBER = pattern(r"[A-Za-z0-9_\-]{1,32}", "1 to 32 letters, digits or one of _ -")
_RECEIVER: Mapping[str, FieldValidator] = {
    "type": choice("userId", "loginName", "openId"),
    "account": text(128),
    "name": text(64),
    "memo": text(200),
}
_receivers = biz_content.list_field(_RECEIVER, required=("type", "account"))


def _receiver_list(name: str, value: Any, charset: str) -> list[Any]:
    """List of 1 to 20 mappings with ``type`` (``userId``, ``loginName``, ``openId``), ``account``,
    ``name`` (required with a login name) and ``memo``.
    """
    found: list[Any] = _receivers(name, value, charset)
    if not 1 <= len(found) <= MAX_RECEIVERS:
        raise InvalidParameter(name, f"must have 1 to {MAX_RECEIVERS} receivers")
    for number, receiver in enumerate(found):
        if receiver["type"] == "loginName" and "name" not in receiver:
            raise InvalidParameter(f"{name}[{number}].name", "is required with a login name")
    return found


_FIELDS: Mapping[str, FieldValidator] = {
    "out_request_no": _NUMBER,
    "receiver_list": _receiver_list,
}
BIND = MethodSpec(
    "alipay.trade.royalty.relation.bind", _FIELDS, required=("out_request_no", "receiver_list")
)
UNBIND = MethodSpec(
    "alipay.trade.royalty.relation.unbind", _FIELDS, required=("out_request_no", "receiver_list")
)
RELATIONS = MethodSpec(
    "alipay.trade.royalty.relation.batchquery",
    {
        "out_request_no": _NUMBER,
        "page_num": integer(1, 1_000_000),
        "page_size": integer(1, 100),
    },
    required=("out_request_no",),
    read_only=True,
)


@dataclass(frozen=True)
class RoyaltyRelationResponse:
    """Response to accepted relations."""

    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class RoyaltyRelationsResponse:
    """A page of relations."""

    #: The receivers as Alipay sends them: ``type``, ``account``, ``name`` and others.
    receivers: tuple[Mapping[str, Any], ...] = field(repr=False, hash=False)
    #: The number of pages, and of all relations.
    total_pages: int
    total_records: int
    #: The complete response node.
    params: Mapping[str, Any] = field(repr=False, hash=False)


class RoyaltyRelations(OpenApiClient):
    """Relations of profit sharing; further ``fields`` are those of the other methods."""

    def trade_royalty_relation_bind(
        self, *, out_request_no: str, receiver_list: Sequence[Mapping[str, Any]], **fields: Any
    ) -> RoyaltyRelationResponse:
        """Let accounts receive parts of payments (``alipay.trade.royalty.relation.bind``).

        :param out_request_no: the merchant's number of the request, at most 32 characters.
        :param receiver_list: 1 to 20 accounts, each with ``type`` (``userId``, ``loginName``,
            ``openId``), ``account``, ``memo`` and, required with a login name, ``name``.
        :raises InvalidParameter: names the invalid field: ``receiver_list[0].name``.
        :raises GatewayError: with Alipay's ``sub_code``, or ``FAIL``: nothing is bound.
        :raises OutcomeUnknown: if no trusted response arrives: list the relations.
        """
        return self._relate(BIND, out_request_no, receiver_list, fields)

    def trade_royalty_relation_unbind(
        self, *, out_request_no: str, receiver_list: Sequence[Mapping[str, Any]], **fields: Any
    ) -> RoyaltyRelationResponse:
        """End relations (``alipay.trade.royalty.relation.unbind``); parameters and exceptions are
        those of :meth:`trade_royalty_relation_bind`.
        """
        return self._relate(UNBIND, out_request_no, receiver_list, fields)

    def trade_royalty_relation_batchquery(
        self, *, out_request_no: str, page_num: int = 1, page_size: int = 100, **fields: Any
    ) -> RoyaltyRelationsResponse:
        """List relations (``alipay.trade.royalty.relation.batchquery``); retried if no response
        arrives.

        :param out_request_no: the merchant's number of the request, at most 32 characters.
        :param page_num: the page, from 1.
        :param page_size: at most 100 relations.
        :raises InvalidParameter: names the invalid field.
        :raises GatewayError: with Alipay's ``sub_code``, or ``FAIL``.
        :raises OutcomeUnknown: if no response arrives, or none that can be trusted.
        """
        page = {"page_num": page_num, "page_size": page_size}
        node = self._succeeded(RELATIONS, {**fields, **page, "out_request_no": out_request_no})
        receivers = node.get("receiver_list") or ()
        if not isinstance(receivers, (list, tuple)):
            raise OutcomeUnknown(
                "the gateway's response cannot be parsed: receiver_list is no list"
            )
        return RoyaltyRelationsResponse(
            receivers=tuple(each for each in receivers if isinstance(each, Mapping)),
            total_pages=_count(node, "total_page_num"),
            total_records=_count(node, "total_record_num"),
            params=node,
        )

    def _relate(
        self,
        method: MethodSpec,
        out_request_no: str,
        receiver_list: Sequence[Mapping[str, Any]],
        fields: Mapping[str, Any],
    ) -> RoyaltyRelationResponse:
        given = {"out_request_no": out_request_no, "receiver_list": receiver_list}
        return RoyaltyRelationResponse(self._succeeded(method, {**fields, **given}))

    def _succeeded(self, method: MethodSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        """Call a method, and check the ``result_code`` that a response has besides its code."""
        node = self._do(method, values)
        result = text_field(node, "result_code")
        if result != "SUCCESS":
            if not result:
                raise OutcomeUnknown("the gateway's response has no result_code")
            raise GatewayError(
                f"Alipay rejected {method.name}: {result[:64]}",
                code=text_field(node, "code") or None,
                sub_code=result[:64],
                signed=True,
            )
        return node


def _count(node: Mapping[str, Any], name: str) -> int:
    value = text_field(node, name)
    return int(value) if value.isascii() and value.isdigit() else 0
