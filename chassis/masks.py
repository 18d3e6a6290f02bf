"""What an update changes (AIP-134)."""

from collections.abc import Collection, Mapping
from typing import Any

from chassis import errors


def chosen(
    given: Mapping[str, Any], mask: Collection[str], *, of: Collection[str], required: Collection[str] = ()
) -> dict[str, Any]:
    """The new values of fields: of those that the mask names, or else of those that are given and not empty.

    What the mask names and the request leaves out is None. `of`: all that can be changed; `required`: those that must
    not become empty. Raises FieldNotChangeable.
    """
    for path in mask:
        if path not in of or (path in required and not given.get(path)):
            raise errors.FieldNotChangeable(path=path)
    return {name: given.get(name) for name in mask} or {name: given[name] for name in of if given.get(name)}
