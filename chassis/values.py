"""Values that the domain objects of every service share. Pure: no framework."""

import msgspec


class LocalizedText(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text that people read, by language; the same shape as `wasl.type.v1.LocalizedText`."""

    ar: str = ""
    en: str = ""
