"""What depends on the language of a page: its words, plurals, numerals, direction.

A language is a catalogue in locale/<code>/LC_MESSAGES/portal.po whose header names the CLDR locale; there is no other
list of them. Messages have keys (`home.title`), so that no language is the original of another.
"""

import io
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations
from markupsafe import Markup, escape

from chassis.call import preferred

HERE = pathlib.Path(__file__).parent
DIGITS = {  # by CLDR numbering system
    "arab": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"),
    "arabext": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"),
}


class Language:
    """One language, with an environment of templates that speaks it. Raises FileNotFoundError, UnknownLocaleError."""

    def __init__(self, code: str, shared: Mapping[str, Any]) -> None:
        with (HERE / "locale" / code / "LC_MESSAGES" / "portal.po").open(encoding="utf-8") as file:
            catalogue = read_po(file, abort_invalid=True)
        compiled = io.BytesIO()
        write_mo(compiled, catalogue)
        compiled.seek(0)
        translations = Translations(compiled)
        self.code = code
        self.locale = Locale.parse(str(catalogue.locale))
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
        self.templates.filters |= {"number": self.number, "prose": prose, "short": short}
        self.templates.globals |= {"language": self, **shared}

    def number(self, value: float) -> str:
        """In the numerals and grouping of the locale: ١٬٢٣٤ in Syria. (Babel knows the signs, not the digits.)"""
        text = format_decimal(value, locale=self.locale, numbering_system="default")
        return text.translate(DIGITS.get(self.locale.default_numbering_system, {}))

    def render(self, template: str, **context: Any) -> str:
        return self.templates.get_template(template).render(context)


def load(shared: Mapping[str, Any]) -> dict[str, Language]:
    """All languages by code. `shared`: what every template may use."""
    codes = sorted(path.name for path in (HERE / "locale").iterdir() if path.is_dir())
    languages: dict[str, Language] = {}
    for code in codes:
        languages[code] = Language(code, {**shared, "languages": languages})
    return languages


def choose(accepted: str, languages: Mapping[str, Language]) -> Language:
    """The language for an Accept-Language header, as everywhere in the network."""
    return languages[preferred(accepted)]


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
