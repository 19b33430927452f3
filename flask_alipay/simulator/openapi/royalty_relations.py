"""Relations of profit sharing: the accounts that may receive parts of payments."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...exceptions import InvalidParameter
from ...protocol.validation import check_choice, check_pattern
from ..replies import ApiError
from ..storage.storage import PersistentDict
from .call import ApiCall, Context, Handler, Success
from .content import required, text

#: The account that there is not.
MISSING_RECEIVER: Final = "nobody@simulator.invalid"
_MAX_RELATIONS: Final = 20_000
_MAX_RECEIVERS: Final = 20
_MAX_PAGE: Final = 100
_NUMBER: Final = re.compile(r"[A-Za-z0-9_\-]{1,32}")


@dataclass(frozen=True)
class RoyaltyReceiver:
    """An account that may receive parts of payments."""

    kind: str
    account: str
    name: str = ""
    memo: str = ""


class RoyaltyRelationService:
    """``alipay.trade.royalty.relation.bind``, ``.unbind`` and ``.batchquery``.

    :param context: shared objects.
    """

    def __init__(self, context: Context) -> None:
        self._lock = threading.Lock()
        self._receivers = PersistentDict(
            context.storage, "royalty_receivers", RoyaltyReceiver, _MAX_RELATIONS
        )
        self.methods: Mapping[str, Handler] = {
            "alipay.trade.royalty.relation.bind": self._bind,
            "alipay.trade.royalty.relation.unbind": self._unbind,
            "alipay.trade.royalty.relation.batchquery": self._query,
        }

    def _bind(self, call: ApiCall) -> Success:
        receivers = _receivers(call)
        with self._lock:
            new = {each.account for each in receivers} - self._receivers.keys()
            if len(self._receivers) + len(new) > _MAX_RELATIONS:
                raise ApiError("RELATION_QUANTITY_LIMIT")
            for receiver in receivers:
                self._receivers[receiver.account] = receiver
        return Success({"result_code": "SUCCESS"})

    def _unbind(self, call: ApiCall) -> Success:
        receivers = _receivers(call)
        with self._lock:
            for receiver in receivers:
                if receiver.account in self._receivers:
                    del self._receivers[receiver.account]
        return Success({"result_code": "SUCCESS"})

    def _query(self, call: ApiCall) -> Success:
        check_pattern("out_request_no", call.required("out_request_no"), _NUMBER, "a number")
        page, size = _page(call, "page_num", 1), _page(call, "page_size", 20)
        if size > _MAX_PAGE:
            raise InvalidParameter("page_size", f"must be at most {_MAX_PAGE}")
        with self._lock:
            known = tuple(self._receivers.values())
        shown = [_entry(each) for each in known[(page - 1) * size : page * size]]
        return Success(
            {
                "result_code": "SUCCESS",
                "receiver_list": shown,
                "total_page_num": str(-(-len(known) // size)),
                "total_record_num": str(len(known)),
                "current_page_num": str(page),
                "current_page_size": str(len(shown)),
            }
        )


def _receivers(call: ApiCall) -> list[RoyaltyReceiver]:
    check_pattern("out_request_no", call.required("out_request_no"), _NUMBER, "a number")
    given = call.content.get("receiver_list")
    if not isinstance(given, list):
        raise InvalidParameter("receiver_list", "is required, as a list")
    if not given:
        raise ApiError("RECEIVER_LIST_EMPTY")
    if len(given) > _MAX_RECEIVERS:
        raise ApiError("RECEIVER_LIST_OVERLOAD")
    return [_receiver(each, call.charset) for each in given]


def _receiver(given: Any, charset: str) -> RoyaltyReceiver:
    if not isinstance(given, dict):
        raise InvalidParameter("receiver_list", "must be a list of objects")
    kind = required(given, "type", 64, charset)
    check_choice("type", kind, ("userId", "loginName", "openId"))
    account = required(given, "account", 128, charset)
    name = text(given, "name", 64, charset)
    if kind == "loginName" and not name:
        raise InvalidParameter("name", "is required beside a login name")
    if account == MISSING_RECEIVER:
        raise ApiError("USER_NOT_EXIST")
    return RoyaltyReceiver(kind, account, name, text(given, "memo", 200, charset))


def _entry(receiver: RoyaltyReceiver) -> dict[str, str]:
    fields = {
        "type": receiver.kind,
        "account": receiver.account,
        "name": receiver.name,
        "memo": receiver.memo,
    }
    return {name: value for name, value in fields.items() if value}


def _page(call: ApiCall, name: str, default: int) -> int:
    value = call.text(name, 7) or str(default)
    check_pattern(name, value, "[1-9][0-9]{0,6}", "an integer above zero")
    return int(value)
