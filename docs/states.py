"""State diagrams that the models draw themselves: each transition is tried in each state. For write_reference.py."""

import enum
import inspect
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from chassis import errors

NOW, LATER = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 6, 1, tzinfo=UTC)


def diagrams(model: types.ModuleType) -> Iterator[tuple[str, str]]:
    """Name and Mermaid diagram of every Struct of a module whose `state` is an enum."""
    for name, kind in vars(model).items():
        if inspect.isclass(kind) and issubclass(kind, msgspec.Struct) and kind.__module__ == model.__name__:
            states = typing.get_type_hints(kind).get("state")
            if inspect.isclass(states) and issubclass(states, enum.Enum):
                yield name, _diagram(list(states), list(_transitions(kind, states)))


def _diagram(states: list[Any], found: list[tuple[Any, str, Any]]) -> str:
    """What nothing leads to is a beginning, what leads to nothing an end."""
    arrows = [f"[*] --> {state.name}" for state in states if state not in {after for _, _, after in found}]
    arrows += [f"{before.name} --> {after.name} : {verb}" for before, verb, after in found]
    arrows += [f"{state.name} --> [*]" for state in states if state not in {before for before, _, _ in found}]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {arrow}" for arrow in arrows), "```"])


def _transitions(kind: type[msgspec.Struct], states: type[enum.Enum]) -> Iterator[tuple[Any, str, Any]]:
    """State, method and the state after it. Another error than a refusal of the state is raised: it would hide one."""
    key = kind.__struct_fields__[0]
    for before in states:
        for verb, method in vars(kind).items():
            if verb.startswith("_") or not inspect.isfunction(method):
                continue
            hints = typing.get_type_hints(method)
            if hints.pop("return") is not kind:
                continue
            named = [one for one in inspect.signature(method).parameters.values() if one.kind is not one.VAR_KEYWORD]
            given = {one.name: _example(hints[one.name], NOW) for one in named if one.name in hints}
            subject = msgspec.structs.replace(_example(kind, LATER), state=before)
            try:
                after: Any = method(subject, **given)
            except (errors.FailedPrecondition, errors.NotFound):  # the state, or a part that it has not
                continue
            if after.state is not before and getattr(after, key) == getattr(subject, key):  # else a new one
                yield before, verb, after.state


def _example(kind: Any, at: datetime) -> Any:
    """Something of that type, with as little in it as it may have."""
    first = next(iter(typing.get_args(kind)), None)
    if typing.get_origin(kind) is tuple:
        return (_example(first, at),)
    if typing.get_origin(kind) is frozenset:
        return frozenset()
    if typing.get_origin(kind) is types.UnionType:
        return _example(first, at)
    if issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        needed = [field.name for field in msgspec.structs.fields(kind) if field.required]
        return kind(**{name: _example(hints[name], at) for name in needed})
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    return {datetime: at, str: at.isoformat()}.get(kind) or kind()
