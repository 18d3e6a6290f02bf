"""A small service for test_worker_traps.py, run as a child: `python trap_worker.py` with the settings of any service.

Its event belongs to no domain: the message type is made here, at run time.
"""

import asyncio
import datetime
import os
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from pymongo import InsertOne

from chassis import delivery, errors, events, log, settings, topology
from chassis.tx import Tx
from chassis.worker import Worker, on, run_worker
from wasl.options.v1 import options_pb2


def _define() -> Any:
    """`wasl.source.v1.Happened`, announced by a service called `source`."""
    field = descriptor_pb2.FieldDescriptorProto
    message = descriptor_pb2.DescriptorProto(name="Happened")
    message.field.add(name="sleep_seconds", number=1, type=field.TYPE_DOUBLE, label=field.LABEL_OPTIONAL)
    message.field.add(name="fail", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    message.options.Extensions[options_pb2.event_type] = "org.wasl.source.thing.happened.v1"
    pool = descriptor_pool.Default()
    pool.Add(
        descriptor_pb2.FileDescriptorProto(
            name="wasl/source/v1/trap.proto",
            package="wasl.source.v1",
            syntax="proto3",
            dependency=["wasl/options/v1/options.proto"],
            message_type=[message],
        )
    )
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("wasl.source.v1.Happened"))


Happened: Any = _define()
TYPE = events.event_type(Happened)
QUEUE = f"trap.{TYPE}"


def happened(event_id: str, *, subject: str = "", sequence: int = 1, **data: Any) -> dict[str, Any]:
    """The CloudEvent document of one."""
    now = datetime.datetime.now(datetime.UTC)
    return events.document(
        Happened(**data),
        event_id=event_id,
        subject=subject or event_id,
        sequence=sequence,
        time=now,
        correlation_id=f"c-{event_id}",
    )


class Refused(errors.FailedPrecondition):
    en, ar = "never", "أبدا"


class TrapWorker(Worker):
    name = "trap"

    @on(Happened)
    async def on_happened(self, tx: Tx, event: events.Event) -> None:
        if event.data.sleep_seconds:
            await asyncio.sleep(event.data.sleep_seconds)
        match event.data.fail:
            case "never":
                raise Refused
            case "die":
                os._exit(9)
            case "until healed" if not await tx.db.healed.find_one({}):
                raise RuntimeError("not yet")
        # Without any unique key, so that a double can show.
        tx.later("effects", InsertOne({"event": event.id, "by": os.getpid(), "correlation_id": log.correlation_id()}))


if __name__ == "__main__":
    topology.DELAYS = (1,)  # type: ignore[assignment]
    topology.DELIVERY_LIMIT = int(os.environ.get("TRAP_DELIVERY_LIMIT", "50"))
    delivery.MAX_ATTEMPTS = 3
    loaded = settings.load(settings.Settings, "trap")
    log.configure("trap", "worker", loaded.log_level)
    run_worker(TrapWorker, loaded)
