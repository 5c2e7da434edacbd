"""A person's name as it is searched: words folded to one spelling, then hashed under a key. Pure.

People type a name in the case, the layout and the letters at hand: `ё` as `е`, `Қ` as `К`, a Latin
`C` for the Cyrillic one. All of these fold to one text. What is kept of it is only a keyed hash of
each beginning of each word, so that beginnings are found and no name is kept (ADR 0025).
"""

import hmac
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from shared.errors import Because, Refused

LETTERS_MIN: Final = 2
LETTERS_MAX: Final = 16
"""Of a word so many letters count."""
WORDS_MAX: Final = 8
"""Of a question."""
TEXT_MAX: Final = 200
"""Of a name so much is read: an application may have pages where a surname belongs."""

# How each Kazakh letter is typed where there is none: by the Russian letter beside it.
_PLAIN: Final = str.maketrans("әғқңөұүһі", "агкноуухи")
# A Latin letter within a Cyrillic word is the Cyrillic one that looks the same; `h` is a shha, and
# its capital a Cyrillic en.
_LOOKS_LIKE: Final = str.maketrans(
    "ABCEHIKMOPTXYabcehikmoptxyƏəɵӨ", "АВСЕНІКМОРТХУавсеһікмортхуӘәөӨ"
)
_AMBIGUOUS: Final = frozenset("abceikmoptxy")
"""A word of these letters alone may be of either alphabet: it is taken to be Cyrillic."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_CYRILLIC: Final = re.compile(r"[\u0400-\u052f]")


def words_of(text: str) -> list[str]:
    """The words of a name, each folded to one spelling, of two letters or more."""
    # Composed first: a letter and a mark that follow one another are one letter.
    found = _WORD.findall(unicodedata.normalize("NFKC", text[:TEXT_MAX]))
    folded = (_folded(word)[:LETTERS_MAX] for word in found)
    return [word for word in folded if len(word) >= LETTERS_MIN]


def beginnings(key: bytes, office: str, names: Iterable[str]) -> list[int]:
    """What is kept of a person's names: the hash of each beginning of each word, in order."""
    texts = {
        word[:length]
        for name in names
        for word in words_of(name)
        for length in range(LETTERS_MIN, len(word) + 1)
    }
    return sorted(_hash(key, office, text) for text in texts)


def sought(key: bytes, office: str, name: str) -> list[int]:
    """What a case must have to be found: each word of the question begins a word of the name.

    Raises:
        Refused: there is no word to look for, or there are too many.
    """
    words = list(dict.fromkeys(words_of(name)))
    if not 0 < len(words) <= WORDS_MAX:
        raise Refused(
            "a name is sought by its words",
            expected=f"1 to {WORDS_MAX} words of {LETTERS_MIN} letters or more",
            found=f"{len(words)} such words",
            because=Because.INPUT,
            field="name",
        )
    return [_hash(key, office, word) for word in words]


def _folded(word: str) -> str:
    word = _unmarked(word)
    if _CYRILLIC.search(word) or _AMBIGUOUS.issuperset(word.casefold()):
        word = word.translate(_LOOKS_LIKE)
    return _unmarked(word.casefold()).translate(_PLAIN)


def _unmarked(text: str) -> str:
    """Without the marks on letters: `ё` and `й` lose theirs, and so do Latin letters."""
    apart = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _hash(key: bytes, office: str, text: str) -> int:
    """64 bits, as the database's bigint. The office is part of it: equal names of two differ."""
    digest = hmac.digest(key, f"{office}\n{text}".encode(), "sha256")
    return int.from_bytes(digest[:8], "big", signed=True)
