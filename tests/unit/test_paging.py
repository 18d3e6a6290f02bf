"""The token of a page."""

import contextlib

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


@given(strategies.texts)
def test_junk_is_refused_or_harmless(token: str) -> None:
    with contextlib.suppress(paging.BadPageToken):
        assert paging.seal(paging.unseal(token)) == token
