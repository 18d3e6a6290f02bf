"""Any exception as google.rpc.Status: what a caller is told, whatever carries it."""

from typing import Any

import structlog
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from chassis import errors, log, mongo
from chassis.call import caller

DOMAIN = "wasl.org"  # of ErrorInfo
_log = structlog.get_logger(__name__)


def known_error(error: Exception) -> errors.Error:
    """The error itself if it is one of the taxonomy, else the one that a caller may see; the log has the other."""
    if isinstance(error, errors.Error):
        return error
    if mongo.is_transient(error):
        return errors.Unavailable()
    if isinstance(error, TimeoutError):
        return errors.DeadlineExceeded()
    _log.error("unexpected", exc_info=error)
    return errors.Internal()


def status_of(error: Exception) -> status_pb2.Status:
    """English for developers, LocalizedMessage and field violations in the caller's language."""
    known, language = known_error(error), caller().language
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=known.reason, domain=DOMAIN, metadata=known.metadata)]
    if known.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=one.field,
                        reason=one.reason,
                        description=one.ar if language == "ar" else one.en,
                    )
                    for one in known.violations
                ]
            )
        )
    details.append(error_details_pb2.LocalizedMessage(locale=language, message=known.text(language)))
    details.append(error_details_pb2.RequestInfo(request_id=log.correlation_id()))
    status = status_pb2.Status(code=known.code, message=known.text("en"))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
