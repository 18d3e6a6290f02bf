"""Rounds, medians, the table and the last line of JSON."""

import json
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def in_turn(sides: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Every side once in each round, forwards and backwards, so that a busier minute of the machine meets all alike."""
    results: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            results[name].append(sides[name]())
            print(f"  round {number + 1} of {rounds}  {name:24} {results[name][-1]}", flush=True)
    return results


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Ours over theirs, round by round: what the machine does to a round, it does to both."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True)])


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> None:
    """Numbers to the right, below their columns."""
    width = max(map(len, [title, *rows]))
    print(f"\n{title:{width}}" + "".join(f"{column:>16}" for column in columns))
    for name, values in rows.items():
        print(f"{name:{width}}" + "".join(f"{_shown(value):>16}" for value in values))


def _shown(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def finish(bench: str, ratios: Mapping[str, float], figures: Mapping[str, float]) -> None:
    """What a program reads. `load_1m` tells how busy the machine was at the end, with our own work in it."""
    rounded = {name: round(value, 2) for name, value in figures.items()}
    print()
    print(
        json.dumps(
            {
                "bench": bench,
                "ratios": {name: float(f"{value:.3g}") for name, value in ratios.items()},
                "figures": {**rounded, "cores": os.cpu_count(), "load_1m": round(os.getloadavg()[0], 1)},
            }
        )
    )
