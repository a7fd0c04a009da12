"""Captions: text, markup, label, and the words that point to another owner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from biomedica.jats.labels import strip_label
from biomedica.jats.text import normalise, plain_and_markup, stream_of
from biomedica.jats.tree import XML_LANG, Tree, first_child, own_children, same_language
from biomedica.jats.xml import Element

__all__ = [
    "EMPTY",
    "Caption",
    "alt_text_of",
    "attribution_of",
    "caption_of",
    "joined",
    "label_of",
    "leading_label",
    "of_text",
    "third_party_words",
]

_LEADING_LABEL = re.compile(
    r"(?P<label>(?:Fig(?:ure|\.)?|FIG(?:URE|\.)?)\s?[A-Z]?\d{1,3}(?:\.\d{1,3})?[A-Za-z]?)\s?[.:|](?=\s|\Z)\s*"
)
_PRIVATE_USE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_NO_ALT = re.compile(
    r"\A(?:graphic file with name\b.*|an external file that holds a picture.*)\Z", re.I | re.S
)
_MARKUP_TOKEN = re.compile(r"<[^>]*>|&(?:amp|lt|gt);|.", re.DOTALL)
_THIRD_PARTY = re.compile(
    r"\b(?:re-?produced|re-?printed|re-?published|adapted|redrawn|taken|used|modified)"
    r"(?:\s+(?:and|or)\s+\w+)?(?:\s+here)?,?\s+(?:with|by)\s+(?:\w+\s+){0,2}?permission\b"
    r"|\b(?:re-?produced|re-?printed|re-?published|re-?drawn|adapted)\s+(?:in\s+part\s+)?from\b"
    r"|\b(?:with|by)\s+(?:\w+\s+){0,2}?permission\s+(?:from|of)\b"
    r"(?!\s+(?:the\s+|this\s+|both\s+)?(?:patient|participant|subject|parent|famil|mother))"
    r"|\bcourtesy\s+of\b|\bcortes[ií]a\s+d[aeo]s?\b|\badaptad[oa]s?\s+d[aeo]l?s?\b"
    r"|\breprodu[zc]id[oa]s?\s+(?:d[aeo]l?\b|com?n?\s+(?:(?:a|o|el|la)\s+)?(?:permiss|permis|autoriz)\w+)"
    r"|\b(?:photo(?:graph)?s?|image|picture|figure|illustration|video)\s+(?:credits?|courtesy)\b"
    r"|\bcredits?:"
    r"|\bcopyright\s+(?:\(c\)|©|\d{4}|by|holder|owner|held)"
    r"|©",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\b(?:(?:Original|Image|Figure)\s+source|Sources?|SOURCES?|Fontes?|FONTES?|Fuentes?|FUENTES?)\s?:\s?"
    r"(?=[^:]{0,120}?(?:\bet\s+al\b|\[\d|\b(?:19|20)\d\d\b))"
    r"(?P<who>(?:et\s+al\.|\b\w\w?\.|\([^()]{0,120}\)|[^.;()]){2,120})"
)
"""A line that names a source as one cites literature. The owner may be the author all the same."""
_NO_CREDIT = re.compile(
    r"\A[*†‡§]|\A(?:abbreviations?|notes?|notas?|legends?|legendas?|fig(?:ure|ura)?|tab(?:le|ela|la)|abbr)\b"
    r"|\bown (?:data|work|elaboration|source|calculation|estimation|analys[ie]s)s?\b|\bauthors?['’]? own\b|\bresearch data\b"
    r"|\belabora\w+ pr[oó]pr?i[ao]|\bdados da pesquisa\b|\bdatos de la investigaci[oó]n\b"
    r"|\belabora\w+ (?:pel[oa]s?|por (?:el|la|los|las|os|as)) (?:pr[oó]pri[oa]s? )?aut\w+",
    re.IGNORECASE,
)
_AUTHORS = re.compile(
    r"(?:the |los |las |os |as |el |la |o |a )?(?:present |this |own\b|authors?\b|autor|pr[óo]pri[oa]|elabora\w+ pr)",
    re.IGNORECASE,
)
_THIRD_PARTY_HINTS = (
    *("permission", "courtesy", "credit", "copyright", "©", "cortes", "adaptad"),
    *("produced ", "printed ", "published ", "adapted ", "drawn ", "reproduzid", "reproducid"),
)
_SOURCE_HINTS = ("ource", "onte", "uente", "OURCE", "ONTE", "UENTE")


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption read. `text` is one line; "" when there are no words."""

    text: str
    title: str | None
    markup: str


EMPTY = Caption("", None, "")


def of_text(text: str) -> Caption:
    """A caption out of plain text."""
    return Caption(text, None, escape(text, quote=False))


def joined(first: Caption, second: Caption) -> Caption:
    """A group's caption before its child's; the title is the child's."""
    if not first.text or not second.text:
        return second if second.text else first
    return Caption(f"{first.text} {second.text}", second.title, f"{first.markup} {second.markup}")


def caption_of(
    tree: Tree, owner: Element, item: str, warnings: list[str], *, without_label: bool = False
) -> Caption:
    """The caption that is a direct child of `owner`, in the language of its article.

    item: the figure's name for warnings. without_label: `leading_label` is taken off the text.
    """
    caption = _taken(tree, owner)
    if caption is None:
        return EMPTY
    stream, _, has_image_formula = stream_of(caption, tags=True)
    text, markup = plain_and_markup(stream)
    title = tree.text(first_child(caption, "title"))
    if not text.startswith(title):
        title = ""  # it stands after other text, where JATS has none
    if has_image_formula:
        warnings.append(f"formula_as_image: {item}")
    if _PRIVATE_USE.search(text):
        warnings.append(f"private_use_character: {item}")
    found = _LEADING_LABEL.match(text) if without_label else None
    if found is None:
        return Caption(text, title or None, markup)
    size = found.end()
    title = title[size:].strip() if title.startswith(found["label"]) else ""
    return Caption(text[size:], title or None, _without_head(markup, size))


def leading_label(tree: Tree, owner: Element) -> str | None:
    """A label that stands at the head of the caption's text: "Figure 1." (pandoc writes so). Where the
    caption that is taken has none, another's."""
    taken = _taken(tree, owner)
    for caption in [] if taken is None else [taken, *_by_language(tree, owner)]:
        found = _LEADING_LABEL.match(tree.text(caption))
        if found is not None:
            return found["label"]
    return None


def _taken(tree: Tree, owner: Element) -> Element | None:
    """Of several captions the first in the language of the article that has words; a label alone is
    taken where no caption in any language has more."""
    captions = _by_language(tree, owner)
    if len(captions) < 2:
        return captions[0] if captions else None
    return min(captions, key=lambda caption: _emptiness(tree, caption))


def _by_language(tree: Tree, owner: Element) -> list[Element]:
    """The captions in document order, those in the language of the article before the others."""
    captions = own_children(owner, "caption")
    if len(captions) < 2:
        return captions
    language = tree.place(owner).scope.get(XML_LANG) or tree.language
    return sorted(captions, key=lambda c: not same_language(c.get(XML_LANG, language), language))


def _emptiness(tree: Tree, caption: Element) -> int:
    """0 for words, 1 for a label alone, 2 for nothing."""
    text = tree.text(caption)
    found = _LEADING_LABEL.match(text)
    return 2 if not text else int(found is not None and found.end() == len(text))


def _without_head(markup: str, size: int) -> str:
    """The markup without its first `size` characters of text; tags stay balanced."""
    kept: list[str] = []
    for found in _MARKUP_TOKEN.finditer(markup):
        token = found[0]
        if token[0] == "<" or size <= 0:
            kept.append(token)
        else:
            size -= 1
    text = "".join(kept)
    while True:
        shorter = re.sub(r"<(b|i|sup|sub)>(\s*)</\1>", r"\2", text)
        if shorter == text:
            return text.strip()
        text = shorter


def label_of(tree: Tree, owner: Element) -> str | None:
    """The label that is a direct child, without a final `.`, `:` or `|`."""
    label = first_child(owner, "label")
    return strip_label(tree.text(label)) if label is not None else None


def alt_text_of(tree: Tree, owners: list[Element]) -> str | None:
    """The first alternative text among the elements that was written by somebody."""
    for owner in owners:
        for node in own_children(owner, "alt-text"):
            text = tree.text(node)
            if text and not _NO_ALT.match(text):
                return text
    return None


def attribution_of(tree: Tree, owner: Element) -> str | None:
    """The credit lines of a figure."""
    nodes = own_children(owner, "attrib")
    for caption in own_children(owner, "caption"):
        nodes += caption.iter("attrib")
    return normalise(" ".join(tree.text(node) for node in nodes)) or None


def third_party_words(tree: Tree, owner: Element, caption: str, attribution: str | None) -> str | None:
    """The words that say that somebody else owns the figure: wording of the caption, a credit line
    or permissions of the figure's own; None when there are none. An `attrib` that holds notes, a
    translated caption or the authors' own data is no credit."""
    folded = caption.casefold()
    is_worded = any(word in folded for word in _THIRD_PARTY_HINTS)  # far cheaper than the pattern
    words = [found[0] for found in _THIRD_PARTY.finditer(caption)] if is_worded else []
    words += _sources(caption)
    if attribution and not _NO_CREDIT.search(attribution):
        words.append(attribution)
    for permissions in own_children(owner, "permissions"):
        statement = first_child(permissions, "copyright-statement")
        text = tree.text(statement) or tree.text(first_child(permissions, "copyright-holder"))
        words.append(text or tree.text(permissions) or "permissions")
    return "; ".join(dict.fromkeys(words)) or None


def _sources(caption: str) -> list[str]:
    """The sources that a caption cites, its authors' own work apart."""
    if not any(word in caption for word in _SOURCE_HINTS):
        return []
    return [
        found[0].strip()
        for found in _SOURCE.finditer(caption)
        if not _AUTHORS.match(found["who"]) and not _NO_CREDIT.search(found["who"])
    ]
