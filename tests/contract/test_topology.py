"""The bus, pinned: every exchange, queue, binding and argument of the services' workers.

Arguments of an existing queue cannot change (the broker answers 406 PRECONDITION_FAILED and the worker stays away), so
a difference here is a migration: a new name, and somebody who empties the old one.
"""

import importlib
import json
import pathlib
from typing import Any

from chassis import topology
from chassis.worker import Worker

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = pathlib.Path(__file__).parent / "golden" / "topology.json"
REWRITE = "python -m tests.contract.test_topology"


def workers() -> list[type[Worker]]:
    found = []
    for path in sorted(ROOT.glob("services/*/worker.py")):
        module = importlib.import_module(f"services.{path.parent.name}.worker")
        found += [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return [one for one in found if issubclass(one, Worker)]


def topology_of(broker_major: int) -> dict[str, Any]:
    exchanges: dict[str, Any] = {}
    queues: dict[str, Any] = {}
    for worker in workers():
        handled = [topology.consumer_queue(worker.name, one.event_type, one.source) for one in worker.subscriptions()]
        consumer = worker.name if handled else ""
        plan = topology.plan(broker_major, services=[worker.name], consumer=consumer, queues=handled)
        for exchange in plan[0]:
            exchanges[exchange.name] = {"type": exchange.type, "arguments": exchange.arguments or {}}
        for queue in plan[1]:
            bound = {"exchange": queue.exchange.name, "routing_key": queue.routing_key} if queue.exchange.name else None
            queues[queue.name] = {"binding": bound, "arguments": queue.queue_arguments}
            assert queue.durable
    return {"exchanges": exchanges, "queues": queues}


def text() -> str:
    pinned = {"rabbitmq 3": topology_of(3), "rabbitmq 4": topology_of(4)}
    return json.dumps(pinned, indent=2, sort_keys=True) + "\n"


def test_the_bus_is_as_pinned() -> None:
    assert text() == GOLDEN.read_text(), (
        "The bus has changed. Existing queues keep their old arguments and refuse others, so a changed argument needs "
        f"a new name. If the change is meant: {REWRITE}"
    )


def test_only_parking_differs_between_brokers() -> None:
    three, four = topology_of(3)["queues"], topology_of(4)["queues"]
    differ = {name for name in four if three[name] != four[name]}
    assert differ == {name for name in four if name.endswith(".parking")}
    assert all(four[name]["arguments"]["x-delivery-limit"] == -1 for name in differ)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(text())
