"""The network moves no money: a text that asks for money or offers it is refused, with advice, in both languages.

Four signs, each of which is enough: an amount beside a currency; an account, a card or a wallet whose number checks
out; a transfer service, an account or a wallet beside a number or a call to send; a verb of asking or giving with money
as its object. What is taught, studied or reported about money is no sign: "a course on budgets" passes.
tests/unit/money_set.toml is the labelled set, tests/unit/test_money.py states precision and recall.
"""

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Iterator

from google.protobuf.message import Message

from chassis import errors, pb
from wasl.type.v1.localized_text_pb2 import LocalizedText


class MoneyRefused(errors.InvalidArgument):
    """The text asks for money or offers it."""

    en = "The network moves no money: leave it out, and ask a coordinator for an introduction to a donor"
    ar = "لا تنقل الشبكة أموالا: احذف ذلك، واطلب من منسّق أن يعرّفك بجهة مانحة"


async def check(request: Message) -> None:
    """Looks at all that people wrote in a request for others to read; other requests get their turn after each text.

    Raises MoneyRefused, which names the field.
    """
    for path, text in _texts(pb.without_input_only(request), ""):
        if asks_for_money(text):
            raise MoneyRefused(field=path)
        await asyncio.sleep(0)


def _texts(message: Message, prefix: str) -> Iterator[tuple[str, str]]:
    """Texts in either language, and plain ones: names have a space and addresses ://, ids and codes have neither."""
    for field, value in message.ListFields():
        for number, one in enumerate(value if field.is_repeated else [value]):
            path = f"{prefix}{field.name}[{number}]" if field.is_repeated else f"{prefix}{field.name}"
            if isinstance(one, LocalizedText):
                yield from ((path, one.ar), (path, one.en))
            elif isinstance(one, Message):
                yield from _texts(one, f"{path}.")
            elif isinstance(one, str) and (" " in one or "://" in one):
                yield path, one


def asks_for_money(text: str) -> bool:
    """Does a text in Arabic, in English or in both ask for money or offer it?"""
    clean = _clean(text)
    plain = clean.casefold()
    return bool(
        _AMOUNT.search(plain)
        or _CAPITALS.search(clean)
        or _BECH32.search(plain)
        or any(_is_wallet(found[0]) for found in _WALLET.finditer(clean))
        or any(_is_iban(found[0]) for found in _IBAN.finditer(plain.upper()))
        or any(_is_card(found[0]) for found in _CARD.finditer(plain))
        or _TRANSFER.search(plain)
        or _asked(plain.split())
    )


# -- what is compared ----------------------------------------------------------------------------------------------
_FOLDED = str.maketrans("أإآٱىةؤئیک٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹٬٫‐–", "اااايهوييك" + "0123456789" * 2 + ",.--", "ـ")
_UNSEEN = ("Mn", "Me", "Cf")  # vowel signs, soft hyphens, joiners, marks of direction


def _clean(text: str) -> str:
    """Without what is not seen, in one spelling, with single spaces; capitals stay: TRY is a currency, try is none."""
    text = text.replace("\ufdfa", " ")  # one sign that is eighteen letters: a blessing, and no money
    seen = (one for one in unicodedata.normalize("NFKC", text) if unicodedata.category(one) not in _UNSEEN)
    return " ".join("".join(seen).translate(_FOLDED).split())


def _any(*words: str) -> str:
    return "|".join(words)


# -- an amount beside a currency -----------------------------------------------------------------------------------
_NUMBER = r"\d[\d.,' ]{0,24}"  # no longer, or a long text of digits takes seconds
_NUMBER_ONCE = f"{_NUMBER}+"  # as a whole or not at all, without trying its beginnings
_COUNT = _any(
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)",
    r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|grand)s?",
    r"(?:خمس|ست|سبع|ثمان|تسع|اربع|ثلاث)?م[ي]?[اي]*ه",
    r"مي?تي?[اي]?ن?|مايتا|ميتا",
    r"الف(?:ين?|ا)?|الاف|مليون(?:ين?)?|ملايين|مليار(?:ين?)?|عشره?",
    r"(?:عشر|ثلاث|اربع|خمس|ست|سبع|ثمان|تسع)(?:ين|ون)",
    r"خمسه?|سته?|سبعه?|ثمانيه?|تسعه?|اربعه?|ثلاثه?",
)
_COUNT_ONCE = rf"(?>(?:{_COUNT})(?!\w))"  # a word that can be read as a count in two ways is not tried twice
_SCALE = r"(?:k|m|الف|الاف|مليون|ملايين|مليار|thousand|million|hundred)?"
_SIGN = r"[$£¥\u20a0-\u20cf]"
_OF = r"(?:(?:[a-z]+(?:an|i|ish|ese)|us|new|old) )?"  # whose currency: "300 Syrian lira"
# ISO 4217 of the region, of its neighbours and of donors, without what means something else here: a CAD course, SOS.
_CODE = _any(
    r"usd|eur|gbp|chf|sek|nok|dkk|jpy|cny|aud|inr|pkr|usdt|usdc|btc",
    r"syp|lbp|jod|iqd|egp|sar|aed|qar|kwd|bhd|omr|yer|ils|nis|lyd|tnd|dzd|irr|tl",
)
_NAME = _any(
    r"dollars?|euros?|liras?|dinars?|riy?als?|dirhams?|shekels?|francs?|rou?bles?|rupees?|yen|bucks|quid",
    r"(?:syrian|lebanese|egyptian|sudanese|turkish|british) pounds?|pounds? sterling",  # other pounds are weights
    r"دولار(?:ات|ا|ين)?|يورو(?:هات)?|لير(?:ه|ات|تين)|ريال(?:ات|ا|ين)?|درهم(?:ا|ين)?|دراهم|شي[كق]ل(?:ا|ات)?|شواكل",
    r"دينار(?:ا|ين)?|دنانير|جنيه(?:ات|ا|ين)?|فرنك(?:ات|ا)?|روبل(?:ا|ات)?",
    r"ل[. ]{0,2}[ست]\.?|لل|[دل]\. ?[اعكتجلبم]\.?|[دل] [اعكل]|دك|[جر]\. ?[مسقعي]\.?|ج م|ر ?س|ر ق",  # جم is a gram
)
_CURRENCY = _any(_CODE, _NAME)
_AMOUNT = re.compile(
    rf"{_SIGN} ?\d|\d[., ]?(?:k|m)? ?{_SIGN}"
    rf"|(?<!\w)[وفبلك]{{0,2}}{_NUMBER_ONCE} ?{_SCALE} ?{_OF}\(?(?:{_CURRENCY})(?!\w)"  # بـ100 is one word
    rf"|(?<!\w)(?:{_CODE})[:=]? ?\d"
    rf"|(?<!\w)(?!لل)(?:{_NAME})[:=]? ?(?!(?:19|20)(?!00)\d\d(?!\d))\d"  # "the lira 1948 to 2011"; لل 300: for 300
    rf"|(?<!\w)(?:و|ب|ل)?{_COUNT_ONCE} (?:و?{_COUNT_ONCE} ){{0,6}}{_OF}(?:{_CURRENCY})(?!\w)"
    rf"|(?<!\w){_NUMBER}(?:k|m|thousand|million|billion|\d{{3}}) ?(?:sp|s\.p\.?|ll|l\.l\.?|sdg)(?! ?\d|\w)"  # SDG 4
    r"|(?<!\w)(?:sp|s\.p\.|ll|l\.l\.) ?\d{1,3}(?:,\d{3})+"
    r"|(?<!\w)[وبل]?(?:(?:دولار|دينار|درهم|ريال|جنيه)(?:ان|ين)|ليرت(?:ان|ين))(?!\w)"  # two of them
    r"|(?<!\w)[وبل]?(?:ال)?مبلغ(?: \w+){0,3}:? \d"  # a sum beside a number, whatever the currency
)
# Words in lower case.
_CAPITALS = re.compile(rf"(?<!\w){_NUMBER_ONCE} ?(?:k|K|m|M|thousand|million)? ?(?:TRY|MAD)(?!\w)")

# -- numbers of accounts, cards and wallets ------------------------------------------------------------------------
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}")
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_WALLET = re.compile(rf"(?<!\w)[13T][{_BASE58}]{{25,34}}(?!\w)")  # Bitcoin, TRON
_BECH32 = re.compile(r"(?<!\w)(?:bc1[02-9ac-hj-np-z]{38,58}|0x[0-9a-f]{40})(?!\w)")  # Bitcoin, Ethereum


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
    code = re.sub("[ -]", "", found)
    length = _IBAN_LENGTHS.get(code[:2], 0)
    digits = "".join(str(int(one, 36)) for one in code[4:length] + code[:4])
    return 0 < length <= len(code) and int(digits) % 97 == 1


def _is_card(found: str) -> bool:
    """ISO/IEC 7812: Luhn, and a first digit that payment cards have."""
    digits = [int(one) for one in found if one.isdigit()]
    doubled = [sum(divmod(2 * one, 10)) for one in digits[-2::-2]]
    return digits[0] in (3, 4, 5, 6) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_wallet(found: str) -> bool:
    """Base58Check: 25 bytes, of which the last four are a checksum of the others; an id of a shared file has none."""
    number = 0
    for one in found:
        number = 58 * number + _BASE58.index(one)
    if number >= 1 << 200:
        return False
    code = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(code[:-4]).digest()).digest()[:4] == code[-4:]


# -- transfer services ---------------------------------------------------------------------------------------------
_SERVICE = _any(
    r"pay ?pal|western union|money ?gram|(?:sham|syriatel|mtn|vodafone|orange|etisalat|zain|asia) ?cash|fawry|instapay",
    r"cliq|stc pay|jawwal ?pay|palpay|papara|payeer|binance|whish|bitcoin|usdt|trc20|(?:crypto|electronic) wallet",
    r"bank account|iban|wallet (?:number|no|address|id)|bank\W+(?:\w+\W+){0,2}account",
    r"باي ?بال|ويسترن يونيون|(?:شام|سيريتل|سيرياتيل|فودافون|اورنج|اتصالات|زين|اسيا) ?كاش|كاش موبايل|عبر فوري",
    r"انستا ?باي|بتكوين|بيتكوين|بايننس|محفظت?\w* (?:ال)?الكترونيه|(?:ال)?حواله|رقم (?:ال)?حساب\w*|ايبان",
    r"حساب\w* (?:ال)?(?:بنكي|مصرفي)|حساب\w* (?:في|لدي) (?:ال)?(?:بنك|مصرف)",
)
_SEND = _any(
    r"send|transfer|wire|pay|deposit|donate",
    r"(?:ا)?رسلوا?|ارسل|ارسال|حول(?:وا)?|تحويل|ادفعوا?|الدفع|للتبرع|تبرعوا?|ايداع|اودعوا?",
)
_TRANSFER = re.compile(
    rf"(?<!\w)(?:{_SEND})(?!\w)(?: \S+){{0,6}}? \S?\S?(?:{_SERVICE})(?!\w)"
    rf"|(?:{_SERVICE})(?!\w)(?:\W+\w+){{0,3}}?\W+\d{{5}}"
    r"|(?<!\w)(?:wallet|cash|كاش|[وبل]?(?:ال)?محفظ(?:ه|ت\w+))\W+(?:(?:number|no|رقم\w*)\W+)?\d{8}"  # no portfolio's
    r"|(?<!\w)paypal\.(?:me/\w|com/(?:paypalme|donate))"
    r"|(?<!\w)(?:gofundme|ko-fi|buymeacoffee|patreon)\.com/\w"
    r"|(?<!\w)account\W+(?:(?:number|no)\W+)?\d{8}"
    r"|(?<!\w)(?:usdt|usdc|btc|trx|trc20) (?:wallet|address)"  # who teaches says Bitcoin, who collects says BTC
    rf"|(?<!\d)\d{{8,}}\W+(?:\w+\W+){{0,3}}?(?:{_SERVICE})(?!\w)"
)

# -- asking and giving ---------------------------------------------------------------------------------------------
_ASKS = re.compile(
    _any(
        r"need(?:s|ed|ing)?|want(?:s)?|seek(?:s|ing)?|request(?:s|ing)?|ask(?:s|ing)?|require(?:s)?",
        r"looking|please|donat(?:e|es|ing)|lack(?:s|ing)?|miss(?:es|ing)|accept(?:s|ing)?|borrow(?:ing)?",
        r"giv(?:e|es|ing)|offer(?:s|ing)?|provid(?:e|es|ing)|pay(?:s|ing)?|lend(?:s|ing)?|rais(?:e|ing)",
        r"send|transfer|collect(?:ing)?|cover",
        r"[ونتي]?(?:نحتاج|يحتاج|تحتاج|احتاج|نطلب|يطلب|تطلب|اطلب|نرجو|ارجو|نبحث|ابحث|نريد|اريد|نقدم|اقدم|"
        r"تقدم|يقدم|نمنح|امنح|ندفع|ادفع|تدفع|يدفع)",
        r"[وف]?(?:سندفع|سنقدم|سنمنح|بحاجه|حاجه|محتاجون|تبرعوا?|للتبرع|تبرع|حولوا|ارسلوا|ادفعوا|نجمع|جمع|"
        r"تكفلوا|ساهموا|نعرض|مطلوب|تامين|نود|نرغب|نتمني|نامل|نقبل|نستقبل|نقترض|"
        r"(?:ي|ت)(?:لزم|نقص|عوز)(?:نا|ني|هم|ها|ه)?)",
    )
)
_MONEY = re.compile(
    _any(
        r"money|cash|funds|funding|fund|donations?|salar(?:y|ies)|stipends?|wages|loans?|grants?|fees",
        r"(?:financial|monetary)[ -](?:support|help|aid|assistance|contributions?|sponsorship)",
        r"payments?|allowances?|rent|dollars|euros|liras?|dinars|riyals|dirhams|usdt|bitcoins?",
        r"و?(?:لل|[بل]?(?:ال)?)(?:مال|اموالا?|مالا|نقود|نقدا|نقديه|نقدي|مبلغ|مبالغ|مبلغا|تمويل|تمويلا|"
        r"ماليا|ماليه|مالي|تبرعات|رواتب|راتب|راتبا|اجور|اجور|سلفه|قرضا?|قروضا?|كاش|فلوس|مصاري|رسوم|ايجار|بدل|"
        r"دولار(?:ات)?|يورو|ليرات|دنانير|دراهم|ريالات|جنيهات)",
    )
)
# Money as a subject, not as a thing: what stands between the verb and it, or right behind it.
_SUBJECT = re.compile(
    _any(
        r"courses?|training|trainers?|workshops?|lessons?|books?|textbooks?|experts?|curricul(?:um|a)",
        r"leaflets?|sessions?|explain(?:s|ing)?|advice|advis(?:ing|ors?|ers?)|counsell?(?:ing|ors?)|understand|boxes",
        r"seminars?|guides?|skills?|literacy|about|on|history|proposals?|writing|reports?|managers?",
        r"management|policy|policies|raiser|raisers|planning|systems?|software|registers?|study|research",
        r"teachers?|lecture|lectures|proposal|applications?|without|no|not|free|waiver|instead|never",
        r"accountants?|officers?|pictures?|photos?|coins?|museums?|games?|stor(?:y|ies)|posters?|worksheets?",
        r"و?(?:لل|[بل]?(?:ال)?)(?:دوره|دورات|تدريب|تدريبا|تدريبيه|مدرب|مدربين|مدربا|ورشه|ورشات|ورش|درس|"
        r"شرح|شرحا|ماده|تدريس|لوحات|معلمي|مدرس|مدرسا|مدرسي|دروس|كتاب|كتب|كتابا|خبير|خبيرا|خبراء|منهاج|منهج|ندوه|دليل|دليلا|مهارات|ثقافه|حول|تاريخ|مقترحات|"
        r"كتابه|تقارير|تقرير|مدير|اداره|سياسه|تخطيط|نظام|برنامج|دراسه|بحث|معلم|محاضره|محاسب|محاسبا|محاسبه|"
        r"دون|بلا|بدون|مجانا|مجاني|مجانيه|لا|ليس|ليست|لسنا|لن|بدل|وليس|راس|صور|عملات|متحف|لعبه|قصه|قصص)",
    )
)
_IN_KIND = re.compile(  # "a loan of ten laptops"; رسوم are fees, and drawings
    r"(?:loan|donation)s? of|\w*تبرعات عينيه|\w*رسوم (?:ال)?(?:توضيحيه|متحركه|بيانيه|هندسيه|كرتون\w*)"
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
        elif money := _MONEY.fullmatch(" ".join(bare[at : at + 2])) or _MONEY.fullmatch(word):
            in_kind = _IN_KIND.fullmatch(" ".join(bare[at : at + 2]))
            after = at + 1 + money[0].count(" ")
            behind = bare[after] if word.isascii() and after < len(bare) else ""  # "funding course"; Arabic has none
            if asked is not None and at - asked <= _WINDOW and not _SUBJECT.fullmatch(behind) and not in_kind:
                return True
        elif _ASKS.fullmatch(word) and not (at and bare[at - 1] in _NOT):  # "we do not pay salaries"
            asked = at
    return False
