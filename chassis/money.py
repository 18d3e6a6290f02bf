"""The network moves no money: a text that asks for money or offers it is refused, with advice, in both languages.

Four signs, each of which is enough: an amount beside a currency; a bank account or card number that checks out; a
transfer service beside a number or a call to send; a verb of asking or giving with money as its object. What is taught,
studied or reported about money is no sign: "a course on budgets" passes. tests/unit/money_set.toml is the labelled set,
tests/unit/test_money.py states precision and recall.
"""

import re
import unicodedata
from collections.abc import Iterator

from google.protobuf.message import Message

from chassis import errors
from wasl.type.v1.localized_text_pb2 import LocalizedText


class MoneyRefused(errors.InvalidArgument):
    """The text asks for money or offers it."""

    en = "The network moves no money: leave it out, and ask a coordinator for an introduction to a donor"
    ar = "لا تنقل الشبكة أموالا: احذف ذلك، واطلب من منسّق أن يعرّفك بجهة مانحة"


def check(request: Message) -> None:
    """Looks at every text in both languages that a request holds. Raises MoneyRefused, which names the field."""
    for path, text in _texts(request, ""):
        if asks_for_money(text.ar) or asks_for_money(text.en):
            raise MoneyRefused(field=path)


def _texts(message: Message, prefix: str) -> Iterator[tuple[str, LocalizedText]]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for number, one in enumerate(value if field.is_repeated else [value]):
            path = f"{prefix}{field.name}[{number}]" if field.is_repeated else f"{prefix}{field.name}"
            if isinstance(one, LocalizedText):
                yield path, one
            else:
                yield from _texts(one, f"{path}.")


def asks_for_money(text: str) -> bool:
    """Does a text in Arabic, in English or in both ask for money or offer it?"""
    plain = _plain(text)
    return bool(
        _AMOUNT.search(plain)
        or any(_is_iban(found[0]) for found in _IBAN.finditer(plain.upper()))
        or any(_is_card(found[0]) for found in _CARD.finditer(plain))
        or _TRANSFER.search(plain)
        or _asked(plain.split())
    )


# -- what is compared ----------------------------------------------------------------------------------------------
_MARKS = re.compile(r"[\u0610-\u061a\u064b-\u065f\u0670\u0640\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_FOLDED = str.maketrans("أإآٱىةؤئ٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٬٫", "اااايهوي" + "0123456789" * 2 + ",.")


def _plain(text: str) -> str:
    """Without marks, in one spelling, in lower case, with single spaces."""
    return " ".join(_MARKS.sub("", unicodedata.normalize("NFKC", text)).translate(_FOLDED).casefold().split())


def _any(*words: str) -> str:
    return "|".join(words)


# -- an amount beside a currency -----------------------------------------------------------------------------------
_NUMBER = r"\d[\d.,' ]*"
_COUNT = _any(
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|fifty|hundred|thousand|million|billion)s?",
    r"(?:خمس|ست|سبع|ثمان|تسع|اربع|ثلاث)?م[ي]?[اي]*ه",
    r"مي?تي?[اي]?ن?|مايتا|ميتا",
    r"الف(?:ين|ا)?|الاف|مليون(?:ين)?|ملايين|مليار|عشره?|عشرين|ثلاثين|اربعين|خمسين|ستين|سبعين|ثمانين|تسعين",
    r"خمسه?|سته?|سبعه?|ثمانيه?|تسعه?|اربعه?|ثلاثه?",
)
_SCALE = r"(?:k|m|الف|الاف|مليون|ملايين|مليار|thousand|million|hundred)?"
_SIGN = r"[$€£¥₺₽₤]"
_CURRENCY = _any(
    r"(?:us |american |canadian )?dollars?",
    r"usd|eur|gbp|syp|sar|aed|chf|jod|iqd|lbp|usdt",
    r"euros?|liras?|dinars?|riyals?|dirhams?|bucks|(?:syrian|british|egyptian|lebanese) pounds?",
    r"دولار(?:ات|ا|ين)?|يورو(?:هات)?|لير(?:ه|ات|تين)|ل\.? ?س\.?|ريال(?:ات|ا)?|درهم(?:ا)?|دراهم",
    r"دينار(?:ا)?|دنانير|جنيه(?:ات|ا)?|فرنك",
)
_AMOUNT = re.compile(
    rf"{_SIGN} ?\d|\d[\d.,]* ?(?:k|m)? ?{_SIGN}"
    rf"|(?<!\w){_NUMBER} ?{_SCALE} ?(?:{_CURRENCY})(?!\w)"
    rf"|(?<!\w)(?:{_CURRENCY}) ?{_NUMBER}"
    rf"|(?<!\w)(?:و|ب|ل)?(?:{_COUNT}) (?:و?(?:{_COUNT}) )*(?:{_CURRENCY})(?!\w)"
)

# -- account and card numbers --------------------------------------------------------------------------------------
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")


# Of the SWIFT registry (release 99): the countries that people here bank in, each with the length of its numbers.
_IBAN_LENGTHS = {
    **dict.fromkeys(("NO",), 15), **dict.fromkeys(("BE",), 16), **dict.fromkeys(("DK", "FI", "NL"), 18),
    **dict.fromkeys(("AT", "LT", "LU"), 20), **dict.fromkeys(("CH", "LV"), 21),
    **dict.fromkeys(("BH", "BG", "DE", "GB", "GE", "IE"), 22), **dict.fromkeys(("AE", "IL", "IQ"), 23),
    **dict.fromkeys(("CZ", "ES", "PK", "RO", "SA", "SE", "SK", "TN"), 24), **dict.fromkeys(("LY", "PT"), 25),
    **dict.fromkeys(("TR",), 26), **dict.fromkeys(("FR", "GR", "IT"), 27),
    **dict.fromkeys(("CY", "HU", "LB", "PL"), 28), **dict.fromkeys(("EG", "PS", "QA"), 29),
    **dict.fromkeys(("JO", "KW"), 30),
}  # fmt: skip


def _is_iban(found: str) -> bool:
    """ISO 13616: the country's length, and mod 97. What follows the number may have been taken along."""
    code = found.replace(" ", "")
    length = _IBAN_LENGTHS.get(code[:2], 0)
    digits = "".join(str(int(one, 36)) for one in code[4:length] + code[:4])
    return 0 < length <= len(code) and int(digits) % 97 == 1


def _is_card(found: str) -> bool:
    """ISO/IEC 7812: Luhn, and a first digit that payment cards have."""
    digits = [int(one) for one in found if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return digits[0] in (3, 4, 5, 6) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


# -- transfer services ---------------------------------------------------------------------------------------------
_SERVICE = _any(
    r"pay ?pal|western union|money ?gram|sham ?cash|syriatel cash|mtn cash|bitcoin|usdt|crypto wallet",
    r"bank account|iban",
    r"باي ?بال|ويسترن يونيون|شام ?كاش|سيريتل كاش|سيرياتيل كاش|كاش موبايل|بتكوين|بيتكوين",
    r"محفظه الكترونيه|(?:ال)?حواله|حسابنا البنكي|الحساب البنكي|رقم الحساب|ايبان",
)
_SEND = _any(
    r"send|transfer|wire|pay|deposit|donate",
    r"(?:ا)?رسلوا?|ارسل|ارسال|حول(?:وا)?|تحويل|ادفعوا?|الدفع|للتبرع|تبرعوا?|ايداع|اودعوا?",
)
_TRANSFER = re.compile(
    rf"(?<!\w)(?:{_SEND})(?!\w)(?: \S+){{0,6}}? \S?\S?(?:{_SERVICE})(?!\w)"
    rf"|(?:{_SERVICE})(?!\w)(?:\W+\w+){{0,3}}?\W+\d{{5}}"
    rf"|(?<!\d)\d{{8,}}\W+(?:\w+\W+){{0,3}}?(?:{_SERVICE})(?!\w)"
)

# -- asking and giving ---------------------------------------------------------------------------------------------
_ASKS = re.compile(
    _any(
        r"need(?:s|ed|ing)?|want(?:s)?|seek(?:s|ing)?|request(?:s|ing)?|ask(?:s|ing)?|require(?:s)?",
        r"looking|please|donat(?:e|es|ing)",
        r"giv(?:e|es|ing)|offer(?:s|ing)?|provid(?:e|es|ing)|pay(?:s|ing)?|lend(?:s|ing)?|rais(?:e|ing)",
        r"send|transfer|collect(?:ing)?|cover",
        r"[ونتي]?(?:نحتاج|يحتاج|تحتاج|احتاج|نطلب|يطلب|تطلب|اطلب|نرجو|ارجو|نبحث|ابحث|نريد|اريد|نقدم|اقدم|"
        r"تقدم|يقدم|نمنح|امنح|ندفع|ادفع|تدفع|يدفع)",
        r"[وف]?(?:سندفع|سنقدم|سنمنح|بحاجه|حاجه|محتاجون|تبرعوا?|للتبرع|تبرع|حولوا|ارسلوا|ادفعوا|نجمع|جمع|"
        r"تكفلوا|ساهموا|نعرض|مطلوب|تامين)",
    )
)
_MONEY = re.compile(
    _any(
        r"money|cash|funds|funding|fund|donations?|salar(?:y|ies)|stipends?|wages|loans?|grants?|fees",
        r"payments?|allowances?|rent",
        r"(?:ب|ل|و|ال|بال|لل|وال)*(?:مال|اموالا?|مالا|نقود|نقدا|نقديه|نقدي|مبلغ|مبالغ|مبلغا|تمويل|تمويلا|"
        r"ماليا|ماليه|مالي|تبرعات|رواتب|راتب|راتبا|اجور|اجور|سلفه|قرض|قروض|كاش|فلوس|مصاري|رسوم|ايجار|بدل)",
    )
)
# Money as a subject, not as a thing: what stands between the verb and it, or right behind it.
_SUBJECT = re.compile(
    _any(
        r"courses?|training|trainers?|workshops?|lessons?|books?|textbooks?|experts?|curricul(?:um|a)",
        r"seminars?|guides?|skills?|literacy|about|on|history|proposals?|writing|reports?|managers?",
        r"management|policy|policies|raiser|raisers|planning|systems?|software|registers?|study|research",
        r"teachers?|lecture|lectures|proposal|applications?|without|no|not|free|waiver|instead|never",
        r"accountants?|officers?",
        r"(?:ال|ب|ل|و|بال|لل|وال)*(?:دوره|دورات|تدريب|تدريبا|تدريبيه|مدرب|مدربين|مدربا|ورشه|ورشات|ورش|درس|"
        r"دروس|كتاب|كتب|كتابا|خبير|خبيرا|خبراء|منهاج|منهج|ندوه|دليل|دليلا|مهارات|ثقافه|حول|تاريخ|مقترحات|"
        r"كتابه|تقارير|تقرير|مدير|اداره|سياسه|تخطيط|نظام|برنامج|دراسه|بحث|معلم|محاضره|محاسب|محاسبا|محاسبه|"
        r"دون|بلا|بدون|مجانا|مجاني|مجانيه|لا|ليس|ليست|لسنا|لن|بدل|وليس)",
    )
)
_WINDOW = 6  # words between the verb and the money


_NOT = frozenset(
    ("not", "no", "never", "don't", "cannot", "لا", "لن", "لم", "ليس", "ليست", "لسنا", "دون", "بدون", "بلا")
)


def _asked(words: list[str]) -> bool:
    bare = [word.strip("،,.;:!?؟()[]\"'«»-") for word in words]
    asked: int | None = None
    for at, word in enumerate(bare):
        if _SUBJECT.fullmatch(word):
            asked = None
        elif _MONEY.fullmatch(word):
            behind = bare[at + 1] if word.isascii() and at + 1 < len(bare) else ""  # "funding course"; Arabic has none
            if asked is not None and at - asked <= _WINDOW and not _SUBJECT.fullmatch(behind):
                return True
        elif _ASKS.fullmatch(word) and not (at and bare[at - 1] in _NOT):  # "we do not pay salaries"
            asked = at
    return False
