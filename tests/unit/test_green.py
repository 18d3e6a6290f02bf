"""What stands in for py-amqp's own reads and writes of frames."""

import io
from collections.abc import Iterator

import pytest
from amqp.transport import TCPTransport

from chassis import green


class Transport:
    """Of py-amqp, as far as frames are read and written."""

    read_frame = TCPTransport.read_frame
    _read = green._wide_read

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
    green.write_first(transport, b"acks ")
    green.write_first(transport, b"more ")
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
            found.append(transport.read_frame())
        except TimeoutError:
            continue
    assert found == [(1, 2, b"body")] * 3


def test_a_closed_connection_is_an_error() -> None:
    with pytest.raises(OSError, match="closed"):
        green._wide_read(Transport(b"abc", b""), 7)
