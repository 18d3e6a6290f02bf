"""Real organizations and universities to join the network with, and the governorates in which they sit.

Facts: names and places of the universities from Open-Syria/data-universities, of the governorates from
Open-Syria/data-geography (both CC BY 4.0), of humanitarian organizations from HXLStandard/hxl-showcase (Unlicense).
Where those files are absent, the small set below serves.
"""

import csv
import json
import pathlib
from typing import Any

import msgspec

# P-codes of OCHA's COD-AB, with the spelling of OCHA and the other ones that the universities' file uses.
GOVERNORATES = {
    "SY01": ("دمشق", "Damascus"),
    "SY02": ("حلب", "Aleppo"),
    "SY03": ("ريف دمشق", "Rural Damascus", "Rif Dimashq"),
    "SY04": ("حمص", "Homs"),
    "SY05": ("حماة", "Hama"),
    "SY06": ("اللاذقية", "Lattakia", "Latakia"),
    "SY07": ("إدلب", "Idleb", "Idlib"),
    "SY08": ("الحسكة", "Al-Hasakeh", "Al-Hasakah", "Hasakah"),
    "SY09": ("دير الزور", "Deir-ez-Zor", "Deir ez-Zor"),
    "SY10": ("طرطوس", "Tartous", "Tartus"),
    "SY11": ("الرقة", "Ar-Raqqa", "Raqqa"),
    "SY12": ("درعا", "Dar'a", "Daraa"),
    "SY13": ("السويداء", "As-Sweida", "As-Suwayda"),
    "SY14": ("القنيطرة", "Quneitra"),
}
_CODES = {name: code for code, names in GOVERNORATES.items() for name in names}

ACADEMIC, INTERNATIONAL_NGO, UNITED_NATIONS, OTHER = "431", "437", "447", "443"  # OCHA organisation types

BUILT_IN = [
    ("جامعة دمشق", "Damascus University", ACADEMIC, "SY01"),
    ("جامعة حلب", "University of Aleppo", ACADEMIC, "SY02"),
    ("جامعة تشرين", "Tishreen University", ACADEMIC, "SY06"),
    ("جامعة البعث", "Al-Baath University", ACADEMIC, "SY04"),
    ("جامعة الفرات", "Al-Furat University", ACADEMIC, "SY09"),
    ("جامعة حماة", "University of Hama", ACADEMIC, "SY05"),
    ("جامعة طرطوس", "University of Tartous", ACADEMIC, "SY10"),
    ("جامعة إدلب", "Idlib University", ACADEMIC, "SY07"),
    ("الجامعة الافتراضية السورية", "Syrian Virtual University", ACADEMIC, "SY01"),
    ("الجامعة العربية الدولية", "Arab International University", ACADEMIC, "SY12"),
    ("جامعة القلمون", "University of Kalamoon", ACADEMIC, "SY03"),
    ("جامعة اليرموك الخاصة", "Yarmouk Private University", ACADEMIC, "SY12"),
    ("جامعة الوادي الدولية", "Wadi International University", ACADEMIC, "SY04"),
    ("", "Norwegian Refugee Council", INTERNATIONAL_NGO, ""),
    ("", "Save the Children", INTERNATIONAL_NGO, ""),
    ("", "International Rescue Committee", INTERNATIONAL_NGO, ""),
    ("", "Plan International", INTERNATIONAL_NGO, ""),
    ("", "World Vision", INTERNATIONAL_NGO, ""),
    ("", "Mercy Corps", INTERNATIONAL_NGO, ""),
    ("اليونيسف", "UNICEF", UNITED_NATIONS, ""),
    ("اليونسكو", "UNESCO", UNITED_NATIONS, ""),
    ("الأونروا", "UNRWA", UNITED_NATIONS, ""),
]


class Joining(msgspec.Struct, frozen=True):
    """An organization that wants to join; `place_code` is empty when its seat is not in Syria or not known."""

    ar: str
    en: str
    type_code: str
    place_code: str

    def profile(self) -> dict[str, Any]:
        """As `OrganizationProfile` in JSON."""
        name = {language: text for language, text in (("ar", self.ar), ("en", self.en)) if text}
        return {"displayName": name, "typeCode": self.type_code, "placeCode": self.place_code}


def joining(data: pathlib.Path) -> list[Joining]:
    """All of them, each name once: from the files in `data`, or the built-in ones."""
    files = data / "syria-universities.json", data / "unhcr-3w-hxl.csv"
    if not all(file.exists() for file in files):
        return [Joining(*one) for one in BUILT_IN]
    found = {one.en: one for one in (_university(record) for record in json.loads(files[0].read_text("utf-8")))}
    with files[1].open(encoding="utf-8", newline="") as rows:
        for row in list(csv.DictReader(rows))[1:]:  # the first row holds the HXL tags
            name = row["Organisation name"].strip()
            if name:
                found.setdefault(name, Joining("", name, OTHER, ""))
    return list(found.values())


def _university(record: dict[str, Any]) -> Joining:
    names, governorate = record["name"], (record.get("location") or {}).get("governorate") or {}
    code = _CODES.get(governorate.get("ar", "")) or _CODES.get(governorate.get("en", ""), "")
    return Joining(names.get("ar", ""), names.get("en", ""), ACADEMIC, code)
