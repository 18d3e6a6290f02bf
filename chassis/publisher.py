"""Publishing with windowed confirms: write many messages, then wait for the broker's word on each.

Traps guarded here:
* without confirms a publish is a hope, and a confirm for each costs a round trip each (so: windows);
* a confirm alone does not say that a queue took the message (so: mandatory; a return comes before its confirm);
* a late confirm must not be taken for one of the next window (so: after any doubt the connection is closed hard and
  never used again; what was not settled was not sent, and is sent again);
* a frozen broker accepts and then says nothing (so: one time-out around everything, set-up included).
"""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from amqp.exceptions import AMQPError
from kombu import Connection

from chassis import green

WINDOW = 200  # messages
FAILURES = (AMQPError, OSError)  # what a broker that is away looks like
_log = structlog.get_logger(__name__)


class Outgoing(msgspec.Struct, frozen=True):
    """A message to publish. An empty exchange is the default one: the routing key is the queue's name."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str
    headers: dict[str, Any] = {}


def connect(uri: str, *, heartbeat: float = 0) -> Connection:
    """An open kombu connection. One attempt: kombu's own second one would come after a sleep of 2 s."""
    connection = Connection(uri, heartbeat=heartbeat, connect_timeout=5)
    return connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)


class Publisher:
    """One connection with one channel; a semaphore makes it usable from many greenlets.

    `declare(channel)` is called for each new connection; `timeout` is in seconds, for a window.
    """

    def __init__(self, uri: str, declare: Callable[[Any], None] = lambda channel: None, timeout: float = 10.0) -> None:
        self.timeout = timeout
        self._uri, self._declare = uri, declare
        self._connection: Any = None
        self._channel: Any = None
        self._next_tag = 1
        self._lock = green.Semaphore()
        self._away = False

    @property
    def connected(self) -> bool:
        """As far as is known: nobody listens between two windows."""
        return self._channel is not None

    def open(self) -> bool:
        """Connects and declares, if that has not been done; says whether it is done now."""
        self.publish([])
        return self.connected

    def publish(self, messages: list[Outgoing]) -> set[int]:
        """The indexes that a queue has taken and the broker has confirmed: all, or those before the first doubt.

        Never raises for the broker's sake. Kills and time-outs of the caller pass through.
        """
        done: set[int] = set()
        with self._lock:
            for start in range(0, max(len(messages), 1), WINDOW):
                window = messages[start : start + WINDOW]
                taken = self._guarded(window)
                done |= {start + index for index in taken}
                if len(taken) < len(window):
                    break  # nothing after a hole: whoever needs the order sends again from there
        return done

    def _guarded(self, window: list[Outgoing]) -> set[int]:
        limit = green.Timeout(self.timeout)
        try:
            taken = self._send(window)
        except (*FAILURES, green.Timeout) as error:
            self.close()
            if isinstance(error, green.Timeout) and error is not limit:
                raise
            if not self._away:
                _log.warning("broker.away", error=type(error).__name__)
            self._away = True
            return set()
        except BaseException:  # killed in the middle: a frame may be half written
            self.close()
            raise
        finally:
            limit.cancel()
        self._away = False
        return taken

    def _send(self, window: list[Outgoing]) -> set[int]:
        channel = self._open()
        pending: dict[int, int] = {}  # delivery tag → index
        taken: set[int] = set()
        returned: set[str] = set()

        def settle(tag: int, multiple: bool, confirmed: bool) -> None:
            for one in [one for one in pending if one <= tag] if multiple else [tag]:
                index = pending.pop(one)
                if confirmed:
                    taken.add(index)

        channel.events["basic_ack"] = {lambda tag, multiple: settle(tag, multiple, True)}
        channel.events["basic_nack"] = {lambda tag, multiple: settle(tag, multiple, False)}
        channel.events["basic_return"] = {lambda *args: returned.add(args[-1].properties["message_id"])}
        for index, out in enumerate(window):
            message = channel.prepare_message(
                out.body,
                content_type=out.content_type,
                content_encoding="utf-8",
                headers=out.headers,
                properties={"delivery_mode": 2, "message_id": out.message_id},
            )
            pending[self._next_tag] = index
            self._next_tag += 1
            channel.basic_publish(message, exchange=out.exchange, routing_key=out.routing_key, mandatory=True)
        while pending:
            self._connection.drain_events(timeout=self.timeout)
        return {index for index in taken if window[index].message_id not in returned}

    def _open(self) -> Any:
        if self._channel is None:
            self._connection = connect(self._uri)
            channel = self._connection.channel()
            self._declare(channel)
            channel.confirm_select()
            self._channel, self._next_tag = channel, 1
        return self._channel

    def close(self) -> None:
        """Hard: a polite goodbye could block on a peer that is gone."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.collect()
