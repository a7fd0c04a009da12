"""Where sentences begin. Made for biomedical prose: no split at "Fig. 2", "et al.", "e.g.", 0.5.

Rules of our own, because no library came near on 1,219 sentences of real articles that a reader
marked (tests/gold/sentences.json): most miss "as reported.12 The", split at "g. Lactobacillus",
"5 L. Different" or "lung. (Figure 1A)". Shares of sentences that do not come out exactly, all and
of the 238 that cite a figure, and CPU time per 100 kB of text:

    this module         0.3 %    0.0 %     2 ms    (0.7 % of 585 in the parts no rule was fitted to)
    biosenter 0.2       5.4 %    3.8 %   170 ms
    segtok 1.5          7.1 %    4.2 %    38 ms
    nupunkt 0.8         6.4 %    4.6 %     4 ms
    pysbd 0.3           3.9 %    5.0 %   358 ms
    blingfire 0.1       6.0 %    5.0 %     4 ms
    NLTK Punkt         19.0 %   51.3 %    14 ms
    spaCy sentencizer  23.5 %   51.7 %    13 ms

`benchmarks/sentences.py` measures again, with six more. A sentence that begins with a small letter
is found only where it looks like a name (mTOR, p53).
"""

from __future__ import annotations

import re
from bisect import bisect_right

__all__ = ["sentence_around", "sentence_starts"]

_END = re.compile(
    r"""[.!?](?:["'”’)\]»]{0,3}"""
    r"""(?:\[[\d,\s–-]{1,16}\]"""
    r"""|(?:(?<=[^\W\d_][.!?])|(?<=[)\]%°+"'”’»][.!?])|(?<=["'”’)\]»]))\d{1,12}(?:[,–-]\d{1,3}){0,8})?\s+"""
    r"""(?=["'“‘«(\[¿¡~∼≈<>≤≥–]{0,2}[^\W_a-z]|[–—•]\s[^\W_a-z]|\([a-hivx]{1,4}\)\s[A-Z]"""
    r"""|[a-z]{1,4}-?[A-Z0-9])"""
    r"""|(?<=[a-z]{2}[a-z\s]\.)(?=[A-Z][a-z]*\s))"""
)
"""A stop, what closes with it, numbers of references; behind the space what may open a sentence: a
capital, a digit, a letter that is not Latin, an item "(ii) Mice", a name like mTOR, p53, miR-21. Or a stop
with a capital right behind it, where a space was forgotten."""
_WORD_BEFORE = re.compile(r"[^\s(\[“‘\"'/–—-]{1,24}\Z")
_NEVER = frozenset([
    "fig", "figs", "figure", "eq", "eqs", "eqn", "ref", "refs", "e.g", "i.e", "cf", "vs", "viz",
    "approx", "ca", "dr", "drs", "mt", "mr", "mrs", "prof", "st", "ssp", "subsp", "var", "cv", "nov",
    "comb", "suppl", "supp", "tab", "sect", "ch", "vol", "pp", "eds", "dept", "univ", "assoc", "abb",
    "bzw", "ext", "resp",
])  # fmt: skip
"""Abbreviations that always have something behind them."""
_IN_CAPITALS = frozenset(["fig", "figs", "eq", "eqs", "ref", "refs", "suppl", "no", "nos"])
"""Of these the ones that are met in capitals; CF, MS, PP are names of their own."""
_BEFORE_NUMBER = frozenset([
    "no", "nos", "nr", "p", "pt", "sec", "chap", "art", "cat", "ver", "cap", "núm", "núms", "pág", "págs",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sept", "sep", "oct", "dec",
])  # fmt: skip
_MAY_END = frozenset(["al", "sp", "spp", "inc", "ltd", "co", "corp", "ff", "ms", "usw"])
"""Behind these a sentence may end, and does when the next word is one that opens sentences."""
_DOTTED = re.compile(r"(?:[A-Z]\.)+[A-Z]\Z")
_UNITS = frozenset("hsgmlLVKCFMNJWdy")
_NUMBER_END = re.compile(r"\d\s?\Z")
_COMPOUND_END = re.compile(r"[^\W_][/–—-]\Z")
_NUMBERED = re.compile(
    r"(?i)(?:\b(?:group|type|panels?|vitamin|hepatitis|influenza|lane|case|patient|site|arm|model|class"
    r"|grade|stage|phase|region|cohort|condition|appendix|section|part|line|column|box|cluster|factor"
    r"|protein|cyclin|chain|subunit|subtype|domain|grupo|tipo|vitamina|painel)"
    r"|(?-i:\b\d*[A-Z]|\d)\s(?:and|or|e|y))\s\Z"
)
"""What a lone letter is the name of: "group B", "Fig. 3A and B"."""
_WORD_END = re.compile(r"[a-z0-9)]\Z")
_STARTER = re.compile(
    r"(?:The|In|An?|This|These|Those|We|It|However|To|For|As|At|On|Here|Our|After|When|There|Thus|Both|By"
    r"|From|All|Although|While|Moreover|Further|Furthermore|Finally|Interestingly|Notably|Data|Scale"
    r"|Using|With|Since|Because|Similarly|Therefore|Hence|Next|They|Its|Their|He|She|If|No|Not|Each|Some"
    r"|Then|During|Before|Such|That|Of|Other|Another|Most|Many|Two|Three|Additionally|Also|Importantly"
    r"|Consistent|Compared|Following|Based|Overall|Together|Taken|Unlike|Under|Upon|Where|Whereas|But|And"
    r"|So|Yet|One|Only|Consequently|Conversely|Nevertheless|First|Second|Third|Lastly|Recently|Previous"
    r"|Os?|Uma?|Em|N[ao]s?|Para|El|L[ao]s?|En|Una?|Se|Est[ae]s?|Ess[ae])\b(?!\.)"
)
_CITATION = re.compile(
    r"[(\[](?:see |also |cf\. |supplement\w*\.? |suppl?\.? |additional |online |extended data )*"
    r"(?:(?:figs?|figures?|tables?|schemes?|videos?|movies?|figuras?|tablas?|tabelas?)\b[^()\[\]]{0,60}"
    r"|(?<=\[)[\d,\s–-]{1,24}"
    r"|[^\W\d][^()\[\]]{0,60}\b(?:1[89]|20)\d\d[a-z]?(?:[,;:] ?(?:pp?\.? ?)?[\d–-]+)*)[)\]]",
    re.IGNORECASE,
)
"""A figure, "[12]" or "(Smith, 2003, p. 14)" in brackets."""
_OPENS_NONE = re.compile(r"\([A-Z][a-z]{0,5}\.\)|0\d|[\d\s,–-]{1,24}\Z")
"""An abbreviation in brackets "Ae. (Stg.)", a decimal torn apart "of. 05", references at the end."""
_LABEL = re.compile(
    r"(?:(?:Supplementary |Suppl\. )?"
    r"(?:Figure|Fig\.?|Table|Scheme|Chart|Box|Video|Movie|Figura|Tabla|Tabela)\s?[A-Z]{0,2}\d+[A-Za-z]?"
    r"|\(?\d{1,2})[.)]{1,2}\s+"
)
"""A label that heads its text: "Figure 2. Example of"."""


def sentence_starts(text: str, until: int | None = None) -> list[int]:
    """The offsets at which the sentences of a one-line text begin; [0] for one sentence.

    until: no more of them than the first behind this offset.
    """
    starts = [0]
    label = _LABEL.match(text)
    for found in _END.finditer(text, label.end() if label else 0):
        following = found.end()
        if text[found.start()] != "." or _ends(text, found.start(), following, starts[-1]):
            following = _behind_citation(text, following)
            if following > starts[-1]:
                starts.append(following)
                if until is not None and following > until:
                    break
    return starts


def _ends(text: str, stop: int, following: int, begin: int) -> bool:
    """Whether the full stop at `stop` ends the sentence that begins at `begin`."""
    is_none_opened = not text[following].isalpha() and _OPENS_NONE.match(text, following)
    if is_none_opened or (following == stop + 1 and not _STARTER.match(text, following)):
        return False
    end = stop - (text[max(0, stop - 1) : stop] == " ")
    before = _WORD_BEFORE.search(text, max(0, end - 24), end)
    if before is None:
        return True
    word = before[0].lstrip(".,;:")
    bare = word.casefold()
    is_number_next = text[stop + 1].isdigit() or text[following].isdigit()
    if (bare in _BEFORE_NUMBER and is_number_next) or (word.isdigit() and before.start() == begin):
        return False  # "no. 5"; "as follows. 1. Mice": a number alone is no sentence
    if len(word) == 1 and word.isalpha():
        return _is_no_initial(text, word, before.start(), following)
    if (bare in _MAY_END and not word.isupper()) or _DOTTED.match(word):
        return _STARTER.match(text, following) is not None
    return bare not in _NEVER or (word.isupper() and word.isalpha() and bare not in _IN_CAPITALS)


def _is_no_initial(text: str, word: str, start: int, following: int) -> bool:
    """Whether a lone letter ends a sentence: as a unit, a panel, a type, or before a word that opens one.

    "for 5 h. Mice", "TNF-α. Mice", "group B. Mice", "vitamin D. The mice"; not "J. Doe", "g. Lactobacillus".
    """
    before = text[max(0, start - 14) : start]
    if _COMPOUND_END.search(before) or _NUMBERED.search(before):
        return True
    if word in _UNITS and _NUMBER_END.search(before):
        return True
    if _WORD_END.search(before.rstrip()) is None:
        return False
    return _STARTER.match(text, following) is not None


def _behind_citation(text: str, following: int) -> int:
    """Past a citation alone in brackets, "cells. (Fig. 1) Mice": it belongs to what is before it.

    0 where a stop of its own, or nothing, is behind it.
    """
    if text[following] not in "([":
        return following
    cited = _CITATION.match(text, following)
    if cited is None:
        return following
    behind = text[cited.end() : cited.end() + 2]
    if len(behind) == 2 and behind[0] == " ":
        return cited.end() + 1 if behind[1].isupper() else following
    return 0


def sentence_around(text: str, starts: list[int], position: int) -> str:
    """The sentence that holds the character at `position`."""
    index = bisect_right(starts, position) - 1
    end = starts[index + 1] if index + 1 < len(starts) else len(text)
    return text[starts[index] : end].rstrip()
