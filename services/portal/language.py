"""What depends on the language of a page: its words, plurals, numerals, direction.

A language is a folder locale/<code>/LC_MESSAGES of catalogues, one for each part of the portal, whose headers name the
CLDR locale; there is no other list of them. Messages have keys (`home.title`): no language is the original of another.
"""

import datetime
import functools
import io
import pathlib
import uuid
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jinja2
from babel import Locale
from babel.dates import (
    format_date,
    format_skeleton,
    format_time,
    format_timedelta,
    get_datetime_format,
    get_day_names,
    get_timezone_location,
)
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup, escape

import vocabularies
from chassis import pb
from chassis.call import preferred
from services.portal import assets
from services.portal.forms import ZONE

HERE = pathlib.Path(__file__).parent
DIGITS = {  # by CLDR numbering system
    "arab": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"),
    "arabext": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"),
}

TONGUES = {  # languages that most works here are in, as they are called in Syria; CLDR knows the others
    "ar": "tongue.ar", "en": "tongue.en", "ku": "tongue.ku", "fr": "tongue.fr", "tr": "tongue.tr", "de": "tongue.de",
}  # fmt: skip


class Language:
    """One language, with an environment of templates that speaks it. Raises ValueError, UnknownLocaleError."""

    def __init__(self, code: str, languages: Mapping[str, "Language"]) -> None:
        folder = HERE / "locale" / code / "LC_MESSAGES"
        first, *rest = map(_catalogue, sorted(folder.glob("*.po")))
        locale, translations = first
        for _, others in rest:
            translations.merge(others)
        self.code = code
        self.tree = functools.cache(self._tree)
        self.locale = locale
        self.direction = self.locale.text_direction
        self.name = Locale.parse(code).get_display_name(code)  # in itself: العربية, English
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.install_gettext_callables(  # type: ignore[attr-defined]
            translations.ugettext, translations.ungettext, newstyle=True
        )
        self.gettext = translations.ugettext
        self.templates.filters |= {
            "number": self.number,
            "prose": prose,
            "short": short,
            "said": self.said,
            "plain": self.plain,
            "typed": typed,
            "label": self.label,
            "word": self.word,
            "day": self.day,
            "hour": self.hour,
            "month": self.month,
            "moment": self.moment,
            "date": self.date,
            "full_day": self.full_day,
            "zone": self.zone,
            "ago": self.ago,
            "digits": self.digits,
            "marked": self.marked,
            "size": self.size,
            "tongue": self.tongue,
            "quantity": self.quantity,
        }
        self.templates.globals |= {"language": self, "languages": languages, "asset": assets.load().url}

    def number(self, value: float) -> str:
        """In the numerals and grouping of the locale: ١٬٢٣٤ in Syria. (Babel knows the signs, not the digits.)"""
        return self.digits(format_decimal(value, locale=self.locale, numbering_system="default"))

    def digits(self, text: str) -> str:
        """The text in the numerals of the locale."""
        return text.translate(DIGITS.get(self.locale.default_numbering_system, {}))

    # -- what people wrote -----------------------------------------------------------------------------------------
    def said(self, text: Any, most: int | None = None) -> Markup:
        """A LocalizedText in this language, or else in the one that it has, marked as such; at most so many letters."""
        code = next((one for one in (self.code, "ar", "en") if getattr(text, one, "")), "")
        if not code:
            return Markup("")
        direction = Locale.parse(code).text_direction
        words = getattr(text, code)
        shown = f"{words[:most].rstrip()}…" if most is not None and len(words) > most else words
        return Markup('<bdi lang="{}" dir="{}">{}</bdi>').format(code, direction, shown)

    def marked(self, snippet: Any) -> Markup:
        """A Snippet, with the words that were looked for as <mark>."""
        parts, at = [], 0
        for one in snippet.highlights:
            parts.append(
                Markup("{}<mark>{}</mark>").format(snippet.text[at : one.start], snippet.text[one.start : one.end])
            )
            at = one.end
        inside = Markup("").join([*parts, snippet.text[at:]])
        direction = Locale.parse(snippet.language_code).text_direction
        return Markup('<bdi lang="{}" dir="{}">{}</bdi>').format(snippet.language_code, direction, inside)

    def plain(self, text: Any) -> str:
        """The same without markup, for titles and attributes."""
        return getattr(text, self.code, "") or text.ar or text.en

    # -- codes -----------------------------------------------------------------------------------------------------
    def label(self, code: str, vocabulary: str) -> str:
        """A term's label; the code itself when the vocabulary does not have it (any more)."""
        term = vocabularies.find(vocabulary, code)
        return self.plain(term.label) if term else code

    def _tree(self, vocabulary: str, root: str = "") -> list[tuple[str, int, str]]:
        """Code, depth and label of each term, below its wider one; of those below `root` if one is given."""
        narrower: dict[str | None, list[vocabularies.Term]] = {}
        for term in vocabularies.load(vocabulary).terms:
            narrower.setdefault(term.parent, []).append(term)

        def below(parent: str | None, depth: int) -> Iterator[tuple[str, int, str]]:
            for term in narrower.get(parent, ()):
                yield term.code, depth, self.plain(term.label)
                yield from below(term.code, depth + 1)

        return list(below(root or None, 0))

    def groups(self, vocabulary: str, root: str = "") -> list[tuple[str, str, list[tuple[str, str]]]]:
        """The widest terms, or those right below `root`: code, label, and code and label of each narrower one."""
        found: list[tuple[str, str, list[tuple[str, str]]]] = []
        for code, depth, label in self.tree(vocabulary, root):
            if depth:
                found[-1][2].append((code, label))
            else:
                found.append((code, label, []))
        return found

    def options(self, vocabulary: str, *, roots: bool = False) -> list[tuple[str, str]]:
        """Code and label of each term, or of the widest only."""
        return [(code, label) for code, depth, label in self.tree(vocabulary) if not (roots and depth)]

    def quantity(self, count: int, unit_code: str) -> str:
        """`3 kits`, by the plurals of the unit; the code itself for a unit that is not known (any more)."""
        unit = vocabularies.find("units", unit_code)
        if unit is None or unit.plurals is None:
            return f"{self.number(count)} {unit_code}"
        forms = getattr(unit.plurals, self.code)
        return str(getattr(forms, self.locale.plural_form(count), forms.other)).replace("{n}", self.number(count))

    def listed(self, names: Sequence[str]) -> str:
        """`Amal, Basel and Celine`."""
        return format_list(names, locale=self.locale) if names else ""

    def tongue(self, code: str) -> str:
        """A language's name; the code itself when it has none here."""
        if code in TONGUES:
            return self.gettext(TONGUES[code])
        names, (first, *_) = self.locale.languages, code.split("-")
        return names.get(code.replace("-", "_")) or names.get(first) or code

    def size(self, size_bytes: int) -> str:
        """`2.3 MB`. (Babel knows no such unit in Arabic.)"""
        key, value = next(
            (key, size_bytes / 1000**power)
            for power, key in ((3, "size.gigabyte"), (2, "size.megabyte"), (1, "size.kilobyte"), (0, "size.byte"))
            if size_bytes >= 1000**power or not power
        )
        return self.gettext(key) % {"number": self.number(round(value, 0 if value >= 10 or key == "size.byte" else 1))}

    def words(self, enum: Any) -> list[tuple[str, str]]:
        """Name and word of each value of an enum that can be chosen."""
        values = enum.DESCRIPTOR.values
        return [(value.name, self.gettext(enum_key(enum.DESCRIPTOR, value.number))) for value in values if value.number]

    def word(self, message: Message, field: str) -> str:
        """The value of an enum field: the catalogue has it by its name, as `Match.State.PROPOSED`."""
        enum = message.DESCRIPTOR.fields_by_name[field].enum_type
        return self.gettext(enum_key(enum, getattr(message, field)))

    def new_id(self) -> str:
        """For the request_id of a form that stands on a page more than once."""
        return str(uuid.uuid4())

    # -- times -----------------------------------------------------------------------------------------------------
    def day(self, time: Timestamp, zone: str = ZONE) -> str:
        """`15 January 2027`."""
        return self.digits(format_date(_local(time, zone), "long", self.locale))

    def full_day(self, time: Timestamp, zone: str = ZONE) -> str:
        """`Friday, 15 January 2027`."""
        return self.date(_local(time, zone).date(), "full")

    def hour(self, time: Timestamp, zone: str = ZONE) -> str:
        return self.digits(format_time(_local(time, zone), "short", locale=self.locale))

    def month(self, time: Timestamp, zone: str = ZONE) -> str:
        """`January 2027`."""
        return self.digits(format_skeleton("yMMMM", _local(time, zone), locale=self.locale))

    def moment(self, time: Timestamp, zone: str = ZONE) -> str:
        """Day and hour; to the second says nothing to a person."""
        joined = str(get_datetime_format("medium", self.locale))
        return joined.replace("{0}", self.hour(time, zone)).replace("{1}", self.day(time, zone))

    def date(self, date: datetime.date, pattern: str = "long") -> str:
        """Of the calendar, by a pattern of CLDR."""
        return self.digits(format_date(date, pattern, self.locale))

    def zone(self, zone: str) -> str:
        """The city that a time zone is named after."""
        return str(get_timezone_location(zone, locale=self.locale, return_city=True))

    def weekdays(self) -> list[str]:
        """Their names, from the day on which the week begins."""
        names, first = get_day_names("wide", locale=self.locale), self.locale.first_week_day
        return [names[(first + number) % 7] for number in range(7)]

    def ago(self, time: Timestamp) -> str:
        """`3 days ago`."""
        since = pb.moment(time) - datetime.datetime.now(datetime.UTC)
        return self.digits(format_timedelta(since, add_direction=True, locale=self.locale))

    def render(self, template: str, **context: Any) -> str:
        return self.templates.get_template(template).render(context)


@functools.cache
def load() -> Mapping[str, Language]:
    """All languages by code, read once."""
    codes = sorted(path.name for path in (HERE / "locale").iterdir() if path.is_dir())
    languages: dict[str, Language] = {}
    for code in codes:
        languages[code] = Language(code, languages)
    return languages


def choose(accepted: str, languages: Mapping[str, Language]) -> Language:
    """The language for an Accept-Language header, as everywhere in the network."""
    return languages[preferred(accepted)]


def _catalogue(path: pathlib.Path) -> tuple[Locale, Translations]:
    with path.open(encoding="utf-8") as file:
        catalogue = read_po(file, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Locale.parse(str(catalogue.locale)), Translations(compiled)


def typed(text: str) -> Markup:
    """What somebody typed, in whatever language: shown apart, so that its direction moves nothing around it."""
    return Markup('<bdi dir="auto">{}</bdi>').format(text)


def enum_key(enum: Any, number: int) -> str:
    """`Match.State.PROPOSED`."""
    value: str = enum.values_by_number[number].name
    return f"{short(enum.full_name)}.{value}"


def _local(time: Timestamp, zone: str) -> datetime.datetime:
    return pb.moment(time).astimezone(zoneinfo.ZoneInfo(zone))


def short(name: str) -> str:
    """`Application.State` for `members.v1.Application.State`."""
    return name.rpartition(".v1.")[2]


def prose(text: str) -> Markup:
    """Text of the contract: paragraphs, and `code` in backticks."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        parts = paragraph.split("`")
        marked = (
            escape(part) if index % 2 == 0 else Markup("<code>{}</code>").format(part)
            for index, part in enumerate(parts)
        )
        paragraphs.append(Markup("<p>{}</p>").format(Markup("").join(marked)))
    return Markup("").join(paragraphs)
