"""Where a service keeps its aggregates: one table in its store.py in place of three functions for each kind."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

from chassis import errors
from chassis.tx import Tx

S = TypeVar("S", bound=Struct)


class Aggregates:
    """`kept`: for each kind its collection, and the error when one is not there."""

    def __init__(self, kept: Mapping[type[Struct], tuple[str, type[errors.NotFound]]]) -> None:
        self._kept = kept

    async def add(self, tx: Tx, aggregate: S) -> S:
        """As version 1. Raises DuplicateKeyError."""
        return await tx.insert(self._kept[type(aggregate)][0], aggregate)

    async def get(self, tx: Tx, kind: type[S], key: str) -> S:
        """Raises the kind's own errors.NotFound."""
        collection, not_found = self._kept[kind]
        if found := await tx.get(collection, key, kind):
            return found
        raise not_found

    async def save(self, tx: Tx, aggregate: S) -> S:
        """As the next version. Raises errors.VersionConflict."""
        return await tx.save(self._kept[type(aggregate)][0], aggregate)
