"""What a service refuses, as a page needs it: one sentence, the fields' sentences, an HTTP status."""

import grpc
from google.rpc import error_details_pb2
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
    reason, text, fields = "", "", {}
    for detail in told.details if told else ():
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
