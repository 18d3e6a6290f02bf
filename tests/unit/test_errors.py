"""Every error that a person may meet has a name and both languages."""

import importlib
import pathlib
import re
import string
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

import chassis
import services
from chassis import errors

ARABIC = re.compile(r"[\u0621-\u064a]")
WORKER_SIDE = re.compile(r"^(import|from) (eventlet|nameko|kombu|amqp|greenlet)|^from chassis.(green|publisher)", re.M)


def load_everything() -> None:
    """Every module but those of the worker's other world, which define no error of the taxonomy."""
    root = pathlib.Path(chassis.__file__).parents[1]
    for package in (chassis, services):
        for path in sorted(pathlib.Path(next(iter(package.__path__))).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if path.stem in ("__main__", "testing", "servers") or WORKER_SIDE.search(source):
                assert not re.search(r"^class \w+\(errors\.", source, re.M), (
                    f"{path} defines errors that are not tested"
                )
                continue
            importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))


def kinds(base: type[errors.Error] = errors.Error) -> Iterator[type[errors.Error]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


load_everything()
# Tests may define errors of their own.
ERRORS = sorted({kind for kind in kinds() if not kind.__module__.startswith("tests")}, key=lambda kind: kind.__name__)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_speaks_both_languages(kind: type[errors.Error]) -> None:
    assert ARABIC.search(kind.ar)
    assert re.search("[A-Za-z]{2}", kind.en)
    assert not ARABIC.search(kind.en)
    # A word of the sentence may differ by language: {state_en} and {state_ar}.
    english = {name.removesuffix("_en") for name in placeholders(kind.en)}
    assert english == {name.removesuffix("_ar") for name in placeholders(kind.ar)}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_reason_and_a_code(kind: type[errors.Error]) -> None:
    words: dict[str, Any] = dict.fromkeys(placeholders(kind.en) | placeholders(kind.ar), "x")
    error = kind(**words)
    assert re.fullmatch("[A-Z][A-Z0-9_]+[A-Z0-9]", error.reason)  # AIP-193
    assert len(error.reason) <= 63
    assert kind.code in {code.value[0] for code in grpc.StatusCode} - {0}
    assert isinstance(kind.permanent, bool)


def test_no_two_errors_share_a_reason() -> None:
    reasons = [kind.__name__ for kind in ERRORS]
    assert sorted(set(reasons)) == sorted(reasons)


class KettleTooFull(errors.FailedPrecondition):
    en, ar = "The kettle has {litres} litres", "في الإبريق {litres} لتر"


class SpoonMissing(errors.InvalidArgument):
    field, en, ar = "tray.spoon", "A spoon is missing", "الملعقة ناقصة"


def test_numbers_are_written_in_the_digits_of_the_language() -> None:
    error = KettleTooFull(litres=20)
    assert (error.reason, error.metadata) == ("KETTLE_TOO_FULL", {"litres": "20"})
    assert error.text("en") == str(error) == "The kettle has 20 litres"
    assert error.text("ar") == "في الإبريق ٢٠ لتر"


def test_an_error_about_a_field_names_it() -> None:
    (violation,) = SpoonMissing().violations
    assert violation == errors.Violation("tray.spoon", "SPOON_MISSING", "A spoon is missing", "الملعقة ناقصة")


def test_an_etag_is_compared_unless_it_is_empty() -> None:
    errors.check_etag(3, "")
    errors.check_etag(3, "3")
    for stale in ("2", "03", "x"):
        with pytest.raises(errors.VersionConflict):
            errors.check_etag(3, stale)
