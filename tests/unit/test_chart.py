"""The portal's chart of the network's growth."""

import pytest

from services.portal.pages import coordination
from wasl.members.v1 import members_pb2


def test_the_chart_is_to_scale_and_goes_as_the_language_is_read() -> None:
    months = [members_pb2.Growth.Month(people_count=people, organization_count=1) for people in (0, 7, 30)]
    chart = coordination.draw(months, mirrored=False)
    assert [count for _, count in chart.lines] == [0, 10, 20, 30]
    people = [bar for bar in chart.bars if bar.kind == "people"]
    assert [bar.height for bar in people] == [0, pytest.approx(chart.height * 7 / 30, abs=0.01), chart.height]
    assert all(bar.y + bar.height == pytest.approx(chart.height, abs=0.01) for bar in chart.bars)
    assert people[0].x < people[1].x < people[2].x
    mirrored = [bar for bar in coordination.draw(months, mirrored=True).bars if bar.kind == "people"]
    assert mirrored[0].x > mirrored[1].x > mirrored[2].x
    for bars in (chart.bars, mirrored):
        assert all(bar.x >= 0 and bar.x + bar.width <= chart.width for bar in bars)
    nobody = coordination.draw([members_pb2.Growth.Month()], mirrored=False)
    assert {bar.height for bar in nobody.bars} == {0}


@pytest.mark.parametrize(
    ("highest", "step"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 5), (20, 5), (21, 10), (41, 20), (101, 50), (4001, 2000)]
)
def test_a_chart_has_few_lines_at_round_numbers(highest: int, step: int) -> None:
    assert coordination._step(highest) == step
