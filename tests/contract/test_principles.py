"""The network's own principles, as far as the contract can keep them (docs/adr/0002)."""

import re

from descriptors import events, methods

from chassis.pb import messages

MONEY = "amount|price|cost|fee|currency|payment|pay|paid|donation|iban|wallet|invoice"
CHILDREN = "birth|birthday|birthdate|guardian"


def names() -> set[str]:
    """Of every method, event, message and field that can be sent, answered or announced."""
    found = {method.name for method in methods()}
    roots = [end for method in methods() for end in (method.input_type, method.output_type)]
    for root in [*roots, *(message for message, _ in events())]:
        for message in messages(root):
            found |= {message.name, *(field.name for field in message.fields)}
    return found


def words(name: str) -> set[str]:
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_"))


def test_nothing_in_the_contract_carries_money() -> None:
    assert [name for name in sorted(names()) if words(name) & set(MONEY.split("|"))] == []


def test_nothing_in_the_contract_asks_about_children() -> None:
    assert [name for name in sorted(names()) if words(name) & set(CHILDREN.split("|"))] == []
