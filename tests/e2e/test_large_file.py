"""A file of many chunks through the whole stack; `./dev chaos --file` does the same with a gigabyte."""

import asyncio

from tests.chaos.file import large_file
from tests.e2e.conftest import Network


def test_a_large_file_survives_a_kill_and_needs_little_memory(network: Network) -> None:
    result = asyncio.run(large_file(network.stack, 64 << 20))
    assert result["holds"], result
