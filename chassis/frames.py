"""AMQP 0-9-1 frames, read and written in few system calls: py-amqp takes nine for a delivery and one for each ack.

A frame is kind, channel and size; the contents; an end (specification, 4.2.3). What the contents of a message's header
frame say may be unreadable, and must end nobody.
"""

import struct
from typing import Any

from amqp.basic_message import Message
from amqp.exceptions import UnexpectedFrame
from amqp.serialization import PROPERTY_CLASSES

_BEFORE, _END = struct.Struct(">BHI"), 0xCE
_ACK = struct.Struct(">BHIHHQBB")


def read(transport: Any) -> tuple[int, int, bytes]:
    """In place of py-amqp's `read_frame`: reads what is there, and cuts a frame from it.

    What has come of a frame outlives a time-out. Raises OSError, UnexpectedFrame.
    """
    buffer = transport._read_buffer
    if not isinstance(buffer, bytearray):  # as py-amqp makes it
        buffer = transport._read_buffer = bytearray(buffer)
    while len(buffer) < _BEFORE.size or len(buffer) <= _BEFORE.size + _BEFORE.unpack_from(buffer)[2]:
        data = transport._quick_recv(65536)
        if not data:
            transport.connected = False
            raise ConnectionError("the broker closed the connection")
        buffer += data
    kind, channel, size = _BEFORE.unpack_from(buffer)
    end = _BEFORE.size + size
    contents, last = bytes(buffer[_BEFORE.size : end]), buffer[end]
    del buffer[: end + 1]  # a bytearray moves its start, not its bytes
    if last != _END:
        raise UnexpectedFrame(f"a frame ends in {last:#04x}")
    return kind, channel, contents


def properties(message: Any, class_id: int, contents: bytes, offset: int) -> int:
    """In place of py-amqp's `_load_properties`: what cannot be read is none, and the message comes without any.

    An error here would end the worker or the connection, and again when the message comes back.
    """
    try:
        message.properties, offset = PROPERTY_CLASSES[class_id](contents, offset)
        for text in message.properties.values():
            str(text).encode()  # half a surrogate pair comes through, and can be neither logged nor sent on
    except Exception:  # noqa: BLE001 - text that is not UTF-8, times beyond all years: whoever may publish could write it
        message.properties = {}
    return offset


def tolerate() -> None:
    """Has every message of this process read by `properties`."""
    Message._load_properties = properties


def ack(channel: int, tag: int) -> bytes:
    """A method frame (1) of 13 bytes: basic (60) ack (80) of one delivery (0)."""
    return _ACK.pack(1, channel, 13, 60, 80, tag, 0, _END)


def write_first(transport: Any, frames: bytes) -> None:
    """Has whole frames written in front of the next one, whosever that is, in its system call.

    py-amqp holds its lock for each frame: by this nobody's frame comes between, and none is mixed with another.
    """
    write = transport._write

    def together(frame: Any) -> None:
        transport._write = write
        write(frames + bytes(frame))

    transport._write = together
