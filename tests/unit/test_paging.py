"""The token of a page."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given

from chassis import paging
from chassis.ids import new_id
from tests.unit import strategies


def test_a_token_leads_back_to_where_the_page_ended() -> None:
    last = new_id()
    assert paging.unseal(paging.seal(last)) == last


@pytest.mark.parametrize("token", ["!", "????", "=", "ж", "/w==", "YWJj=", "YW Jj"])
def test_what_no_page_gave_is_refused(token: str) -> None:
    with pytest.raises(paging.BadPageToken):
        paging.unseal(token)


@pytest.mark.parametrize("last", ["0190c1a2-0000-7000-8000-000000000000", "soon 1", "0001-01-01T00:00:00+14:00 1"])
async def test_the_token_of_another_order_is_refused(last: str) -> None:
    asked: Any = {"path": "at", "time": None, "page_size": 1, "page_token": paging.seal(last)}
    with pytest.raises(paging.BadPageToken):
        await paging.page_by_time(None, {}, msgspec.Struct, **asked)


@given(strategies.texts)
def test_junk_is_refused_or_harmless(token: str) -> None:
    with contextlib.suppress(paging.BadPageToken):
        assert paging.seal(paging.unseal(token)) == token
