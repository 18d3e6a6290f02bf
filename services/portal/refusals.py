"""What a service refuses, as a page needs it: one sentence, the fields' sentences, an HTTP status."""

from collections.abc import Iterable

import grpc
import httpx
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

_STATUS = {  # google.rpc.Code: HTTP, as the gateway maps them
    3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 12: 501, 13: 500, 14: 503, 16: 401,
}  # fmt: skip


class Refused(Exception):
    """`text` and the values of `fields` are sentences in the visitor's language; `fields` by their path."""

    def __init__(self, status: int, reason: str = "", text: str = "", fields: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.text, self.fields = status, reason, text, fields or {}

    @property
    def passing(self) -> bool:
        """May the same succeed in a moment?"""
        return self.status in (429, 503, 504)


class SignInNeeded(Exception):
    """The page is for who is signed in, or the session has ended."""


def refusal(error: grpc.aio.AioRpcError) -> Refused:
    """Of a call that did not come to an answer."""
    status = _STATUS.get(error.code().value[0], 500)
    told = rpc_status.from_call(error)
    return _refused(status, told.details if told else ())


def refusal_over_http(answer: httpx.Response) -> Refused:
    """Of an answer of a service's http process; that to a HEAD has no body."""
    try:
        told = json_format.Parse(answer.content, status_pb2.Status())
    except json_format.ParseError:
        return Refused(answer.status_code)
    return _refused(answer.status_code, told.details)


def _refused(status: int, details: Iterable[any_pb2.Any]) -> Refused:
    reason, text, fields = "", "", {}
    for detail in details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            reason = info.reason
        elif detail.Is(error_details_pb2.LocalizedMessage.DESCRIPTOR):
            message = error_details_pb2.LocalizedMessage()
            detail.Unpack(message)
            text = message.message
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = {one.field: one.description for one in bad.field_violations}
    return Refused(status, reason, text, fields)
