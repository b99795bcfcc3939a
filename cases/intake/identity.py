"""Whose picture a DICOM file says that it is, read before that is taken out of it, and compared with a patient.

What is absent alarms nobody. Names are compared without regard to case, accents, the order of their parts and the usual
ways of writing them in Latin letters; record numbers without regard to case, spaces and punctuation, but an issuer or
leading zeros make another number.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import pydicom

_TITLES: Final = frozenset({"dr", "prof", "med", "md", "phd", "mr", "mrs", "ms", "herr", "frau", "jr", "sr"})
_NOBODY: Final = frozenset(
    {"anon", "anonymous", "anonymized", "anonymised", "deidentified", "unknown", "removed", "noname", "no", "name"}
)
_CYRILLIC: Final = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "i",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
    "і": "i", "ї": "yi", "є": "ye", "ґ": "g",
}  # fmt: skip
_GREEK: Final = {
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_LATIN: Final = {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"}
_LETTERS: Final = str.maketrans(_CYRILLIC | _GREEK | _LATIN)
# “Müller”, “Mueller” and “Muller” are one name; so are “Åse” and “Aase”.
_DIGRAPHS: Final = re.compile(r"([aou])e|aa")


@dataclass(frozen=True, repr=False)
class FileIdentity:
    """What a file says of its patient; empty where it says nothing. It is never written to a log."""

    record_number: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None
    sex: str = ""

    def __repr__(self) -> str:
        return "FileIdentity(…)"


def read_identity(dataset: pydicom.Dataset) -> FileIdentity | None:
    """Returns whom a file names, or None where it names nobody.

    A file that says that its patient's identity was removed is believed as far as that is so: a name or a number that
    was left in it is evidence, and a pseudonym that is not the patient's is one for somebody to confirm.
    """
    found = person_in(dataset)
    return None if found == FileIdentity() else found


def person_in(dataset: pydicom.Dataset) -> FileIdentity:
    """Returns whom a file names, also under a pseudonym, which separates people as well as a name does."""
    sex = _text(dataset, "PatientSex").upper()
    return FileIdentity(
        record_number=_text(dataset, "PatientID"),
        issuer=_text(dataset, "IssuerOfPatientID"),
        name=_text(dataset, "PatientName"),
        birth_date=_date(_text(dataset, "PatientBirthDate")),
        sex=sex if sex in ("M", "F", "O") else "",
    )


def are_different_people(one: FileIdentity, other: FileIdentity) -> bool:
    """Whether two files cannot show the same person: something that both say is different."""
    return (
        (
            bool(one.record_number and other.record_number)
            and not same_record_number(one.record_number, other.record_number)
        )
        or not same_name(one.name, other.name)
        or (None not in (one.birth_date, other.birth_date) and one.birth_date != other.birth_date)
        or bool(one.sex and other.sex and one.sex != other.sex)
    )


def same_record_number(one: str, other: str) -> bool:
    return _plain_number(one) == _plain_number(other)


def same_name(in_file: str, known: str) -> bool:
    """Whether both can be one person's; what cannot be compared, such as two scripts, alarms nobody."""
    forms = [words for part in in_file.split("=") if (words := _words(part))]
    wanted = _words(known)
    if not forms or not wanted or all(set(words) <= _NOBODY for words in forms):
        return True
    comparable = [words for words in forms if _is_latin(words) == _is_latin(wanted)]
    return not comparable or any(_match(words, wanted) for words in comparable)


def _match(one: list[str], other: list[str]) -> bool:
    """The same words in any order; words beyond two that both have, such as second given names, may be missing."""
    few, many = sorted((set(one), set(other)), key=len)
    if few == many or (len(few) > 1 and few <= many):
        return True
    return bool(_joined(one) & _joined(other))


def _joined(words: list[str]) -> set[str]:
    """Written as one word from each of its parts on, since “Anna Maria” is also “Annamaria”."""
    return {"".join(words[at:] + words[:at]) for at in range(len(words))}


def _words(name: str) -> list[str]:
    letters = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(letter for letter in letters if not unicodedata.combining(letter))
    letters = letters.replace("ου", "ou").translate(_LETTERS)
    letters = re.sub(r"['’`.]", "", letters)
    words = [_DIGRAPHS.sub(lambda found: found[1] or "a", word) for word in re.findall(r"[^\W\d_]+", letters)]
    return [word for word in words if word not in _TITLES]


def _is_latin(words: list[str]) -> bool:
    return all(word.isascii() for word in words)


def _plain_number(number: str) -> str:
    return re.sub(r"[\s\-_./]", "", unicodedata.normalize("NFKC", number).casefold())


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text.replace(".", ""), "%Y%m%d").date()
    except ValueError:
        return None


def _text(dataset: pydicom.Dataset, keyword: str) -> str:
    try:
        value = str(dataset.get(keyword) or "")
    except Exception:  # converting a raw value runs pydicom's parsers, which raise nearly any type
        return ""
    return value.replace("\0", "").strip()[:200]
