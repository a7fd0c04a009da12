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
_WORD_END = re.compile(r"[a-z0-9)]\Z")
_STARTER = re.compile(
    r"(?:The|In|An?|This|These|Those|We|It|However|To|For|As|At|On|Here|Our|After|When|There|Thus|Both|By"
    r"|From|All|Although|While|Moreover|Further|Furthermore|Finally|Interestingly|Notably|Data|Scale)\b"
)


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
    """A lone capital ends a sentence as a panel or a type: "vitamin D. The rats" and not "J. Doe"."""
    before = text[max(0, start - 12) : start].rstrip()
    return bool(_WORD_END.search(before) and _STARTER.match(text, following))


def sentence_around(text: str, starts: list[int], position: int) -> str:
    """The sentence that holds the character at `position`."""
    index = bisect_right(starts, position) - 1
    end = starts[index + 1] if index + 1 < len(starts) else len(text)
    return text[starts[index] : end].rstrip()
