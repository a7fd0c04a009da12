"""Where sentences begin. Made for biomedical prose: no split at "Fig. 2", "et al.", "e.g.", 0.5."""

from __future__ import annotations

import re
from bisect import bisect_right

__all__ = ["sentence_around", "sentence_starts"]

_END = re.compile(r"""[.!?]["'”’)\]]{0,3}(?:\[[\d,–-]{1,12}\])?\s+(?=["'“‘(\[]{0,2}[^\W_a-z])""")
_WORD_BEFORE = re.compile(r"[^\s(\[“‘\"'/–—-]{1,24}\Z")
_NEVER = frozenset([
    "fig", "figs", "figure", "eq", "eqs", "eqn", "ref", "refs", "al", "e.g", "i.e", "cf", "vs",
    "viz", "approx", "ca", "dr", "mr", "mrs", "ms", "prof", "st", "sp", "spp", "ssp", "subsp",
    "var", "cv", "suppl", "supp", "tab", "sect", "ch", "vol", "pp", "eds", "inc", "ltd", "co",
    "corp", "dept", "univ", "assoc", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept",
    "sep", "oct", "nov", "dec", "abb", "bzw", "usw", "ff", "ext", "resp",
])  # fmt: skip
_BEFORE_NUMBER = frozenset(["no", "nos", "nr", "p", "pt", "sec", "chap", "art"])


def sentence_starts(text: str) -> list[int]:
    """The offsets at which the sentences of a one-line text begin; [0] for one sentence."""
    starts = [0]
    for found in _END.finditer(text):
        if text[found.start()] != "." or _ends(text, found.start(), found.end()):
            starts.append(found.end())
    return starts


def _ends(text: str, stop: int, following: int) -> bool:
    """Whether the full stop at `stop` ends a sentence."""
    before = _WORD_BEFORE.search(text, max(0, stop - 24), stop)
    if before is None:
        return True
    word = before[0].lstrip(".,;:")
    if len(word) == 1 and word.isalpha() and word.isupper():
        return _is_no_initial(text, before.start(), following)
    bare = word.casefold()
    if bare in _NEVER:
        return False
    return not (bare in _BEFORE_NUMBER and text[following : following + 1].isdigit())


def _is_no_initial(text: str, start: int, following: int) -> bool:
    """A lone capital ends a sentence as a panel or a type ("Fig. 1 A.", "vitamin D. The …")."""
    before = text[max(0, start - 12) : start].rstrip()
    after = text[following : following + 4]
    is_word = bool(re.search(r"[a-z0-9]\Z", before)) and not before.endswith(("by", "and"))
    return is_word and bool(re.match(r"(?:[A-Z][a-z]+|In|A|We)\b|[A-Z][a-z]{2}", after))


def sentence_around(text: str, starts: list[int], position: int) -> str:
    """The sentence that holds the character at `position`."""
    index = bisect_right(starts, position) - 1
    end = starts[index + 1] if index + 1 < len(starts) else len(text)
    return text[starts[index] : end].rstrip()
