"""The network's needs, offers and matches in figures."""

from chassis.tx import Tx
from services.matching import store
from services.matching.model import Statistics


async def get_statistics(tx: Tx) -> Statistics:
    """Count what is open and what was matched."""
    return await store.count_network(tx)
