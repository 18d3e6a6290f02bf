"""Frames as they come in pieces, and as they are written together."""

import io
import struct
from collections.abc import Iterator

import pytest
from amqp import spec
from amqp.exceptions import UnexpectedFrame
from amqp.serialization import dumps

from chassis import frames


class Transport:
    """Of py-amqp, as far as frames are read and written."""

    connected = True

    def __init__(self, *received: bytes | Exception) -> None:
        self._read_buffer = b""
        self._received: Iterator[bytes | Exception] = iter(received)
        self.written: list[bytes] = []

    def _quick_recv(self, most: int) -> bytes:
        match next(self._received):
            case bytes() as data:
                assert len(data) <= most
                return data
            case error:
                raise error

    def _write(self, frame: bytes | memoryview) -> None:
        self.written.append(bytes(frame))


def test_frames_go_in_front_of_the_next_one_once() -> None:
    transport = Transport()
    frames.write_first(transport, b"acks ")
    frames.write_first(transport, b"more ")
    assert transport.written == []
    transport._write(memoryview(b"frame"))
    transport._write(b"another")
    assert transport.written == [b"acks more frame", b"another"]


def test_a_time_out_within_a_frame_loses_nothing_of_it() -> None:
    frame = b"\x01\x00\x02\x00\x00\x00\x04body\xce"
    stream = io.BytesIO(frame * 2 + frame[:3])
    late = TimeoutError()
    transport = Transport(stream.read(9), late, stream.read(1), late, stream.read(), late, frame[3:])
    found: list[tuple[int, int, bytes]] = []
    while len(found) < 3:
        try:
            found.append(frames.read(transport))
        except TimeoutError:
            continue
    assert found == [(1, 2, b"body")] * 3


def test_a_closed_connection_is_an_error() -> None:
    transport = Transport(b"abc", b"")
    with pytest.raises(OSError, match="closed"):
        frames.read(transport)
    assert not transport.connected


def test_what_ends_elsewhere_is_no_frame() -> None:
    with pytest.raises(UnexpectedFrame):
        frames.read(Transport(b"\x01\x00\x02\x00\x00\x00\x04body\xcd"))


def test_an_ack_is_what_the_library_says() -> None:
    of_one = struct.pack(">HH", *spec.Basic.Ack) + dumps("Lb", (7, False))
    assert frames.read(Transport(frames.ack(3, 7))) == (1, 3, of_one)
