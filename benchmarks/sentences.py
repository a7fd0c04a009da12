"""Where sentences begin: ours beside every splitter that is importable, on the labelled sample.

    python benchmarks/sentences.py --corpus DIR [--part develop|held_out|fresh|last] [--errors] [--json]

The sample is `tests/gold/sentences.json`: paragraphs of real articles with the offsets at which a
reader says that their sentences begin. `boundaries` count what lies inside a paragraph (its first
sentence begins at 0 for everybody). A sentence is right when both of its ends are; a cited
sentence is one in which an xref to a figure begins, what the dataset stores beside the figure.
The rules of ours were written on `develop` and mended after `fresh`; `held_out` and `last` were
only measured.
Times are CPU times of one process per 100 kB of UTF-8 text, the best of some rounds.
Languages are not told to a splitter: few articles name theirs.
"""

from __future__ import annotations

import argparse
import json
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from biomedica.jats.sentences import sentence_starts
from biomedica.jats.text import marked_text
from biomedica.jats.tree import Tree
from biomedica.jats.xml import choose_article, read_xml

GOLD = Path(__file__).parent.parent / "tests" / "gold" / "sentences.json"
ROUNDS = 3
Splitter = Callable[[str], list[int]]


class Paragraph(NamedTuple):
    """starts: offsets of the sentences as marked. cited: offsets of the xrefs to figures."""

    text: str
    starts: list[int]
    cited: list[int]
    part: str


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, required=True, help="the folder of real articles")
    arguments.add_argument(
        "--part", choices=["develop", "held_out", "fresh", "last"], help="default: all"
    )
    arguments.add_argument("--errors", action="store_true", help="print where ours is wrong")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    paragraphs = [p for p in read_sample(options.corpus) if options.part in (None, p.part)]
    print(
        f"{len(paragraphs)} paragraphs, {sum(len(p.starts) for p in paragraphs)} sentences, "
        f"{sum(len(set(cited_spans(p, p.starts))) for p in paragraphs)} cite a figure"
    )
    print(f"{'':16}{'precision':>10}{'recall':>8}{'F1':>8}", end="")
    print(f"{'wrong':>8}{'cited wrong':>13}{'paragraphs right':>18}{'ms/100 kB':>11}")
    ours = show("biomedica", sentence_starts, paragraphs)
    if options.errors:
        show_errors(paragraphs)
    others = {
        name: show(name, splitter, paragraphs)
        for name, make in OTHERS.items()
        if (splitter := imported(make)) is not None
    }
    if options.json:
        print(json.dumps({"paragraphs": len(paragraphs), **ours, "others": others}))


def read_sample(corpus: Path) -> list[Paragraph]:
    """The labelled paragraphs, read by the parser out of the articles.

    Raises ValueError when a paragraph's text is no longer what was labelled.
    """
    labelled: dict[str, list[dict[str, Any]]] = {}
    for row in json.loads(GOLD.read_text(encoding="utf-8"))["paragraphs"]:
        labelled.setdefault(row["file"], []).append(row)
    found: list[Paragraph] = []
    for name, rows in labelled.items():
        root, _ = read_xml((corpus / name).read_bytes())
        tree = Tree(choose_article(root, None))
        figures = {figure.get("id") for figure in tree.named["fig"]}
        elements = list(root.iter("{*}p"))
        for row in rows:
            text, xrefs, _ = marked_text(elements[row["p"] - 1])
            if sha256(text.encode()).hexdigest() != row["sha256"]:
                raise ValueError(f"{name}: the text of paragraph {row['p']} is not what was labelled")
            cited = [
                mark.start for mark in xrefs if figures & set((mark.element.get("rid") or "").split())
            ]
            found.append(Paragraph(text, row["starts"], cited, row["part"]))
    return found


def score(splitter: Splitter, paragraphs: Iterable[Paragraph]) -> dict[str, float]:
    """Shares between 0 and 1.

    sentence_error_rate: of the marked sentences, those that do not come out with both ends right.
    cited_error_rate: the same of those that cite a figure. f1: of the inner boundaries.
    """
    hit = found = marked = sentences = wrong = cited = cited_wrong = right = total = 0
    for paragraph in paragraphs:
        starts = splitter(paragraph.text)
        expected = paragraph.starts
        hit += len(set(starts[1:]) & set(expected[1:]))
        found += len(starts) - 1
        marked += len(expected) - 1
        spans = set(spans_of(starts))
        sentences += len(expected)
        wrong += sum(span not in spans for span in spans_of(expected))
        in_it = set(cited_spans(paragraph, expected))
        cited += len(in_it)
        cited_wrong += len(in_it - spans)
        right += starts == expected
        total += 1
    precision, recall = hit / max(1, found), hit / max(1, marked)
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "sentence_error_rate": wrong / sentences,
        "cited": cited,
        "cited_error_rate": cited_wrong / max(1, cited),
        "paragraphs_right": right / total,
    }


def spans_of(starts: list[int]) -> list[tuple[int, int | None]]:
    return list(zip(starts, [*starts[1:], None], strict=True))


def cited_spans(paragraph: Paragraph, starts: list[int]) -> list[tuple[int, int | None]]:
    spans = spans_of(starts)
    return [spans[bisect_right(starts, position) - 1] for position in paragraph.cited]


def show(name: str, splitter: Splitter, paragraphs: list[Paragraph]) -> dict[str, float]:
    """One line of the table."""
    v = score(splitter, paragraphs)
    v["ms_per_100_kb"] = milliseconds(splitter, [paragraph.text for paragraph in paragraphs])
    print(f"{name:16}{v['precision']:>10.2%}{v['recall']:>8.2%}{v['f1']:>8.2%}", end="")
    cited = f"{v['cited_error_rate']:.2%}" if v["cited"] else "–"
    print(f"{v['sentence_error_rate']:>8.2%}{cited:>13}", end="")
    print(f"{v['paragraphs_right']:>18.2%}{v['ms_per_100_kb']:>11.2f}", flush=True)
    return v


def milliseconds(splitter: Splitter, texts: list[str]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for text in texts:
            splitter(text)
        best = min(best, time.process_time() - start)
    return best * 1000 / (sum(len(text.encode()) for text in texts) / 100_000)


def show_errors(paragraphs: list[Paragraph]) -> None:
    for paragraph in paragraphs:
        text, found = paragraph.text, set(sentence_starts(paragraph.text))
        for at in sorted(found ^ set(paragraph.starts)):
            sign = "split " if at in found else "missed"
            print(f"  {sign} …{text[max(0, at - 40) : at]}|{text[at : at + 30]}…")


def imported(make: Callable[[], Splitter]) -> Splitter | None:
    try:
        return make()
    except (ImportError, LookupError):  # not installed, or without its data
        return None


def aligned(split: Callable[[str], Iterable[str]]) -> Splitter:
    """Of a splitter that gives sentences: where they begin. One that it rewrote is not counted."""

    def starts(text: str) -> list[int]:
        found: list[int] = []
        position = 0
        for sentence in split(text):
            at = text.find(sentence.strip(), position) if sentence.strip() else -1
            if at >= 0:
                found.append(at)
                position = at + len(sentence.strip())
        return sorted({0, *found})

    return starts


def nltk() -> Splitter:
    tokenize = import_module("nltk.tokenize")
    tokenize.sent_tokenize("It has its data.")
    return aligned(tokenize.sent_tokenize)


def punkt() -> Splitter:
    """NLTK's algorithm and English model, in a package that holds the model."""
    return aligned(import_module("punkt").sent_tokenize)


def nupunkt() -> Splitter:
    return aligned(import_module("nupunkt").sentences)


def pysbd() -> Splitter:
    return aligned(import_module("pysbd").Segmenter(language="en", clean=False).segment)


def sentencesplit() -> Splitter:
    return aligned(import_module("sentencesplit").Segmenter(language="en").segment)


def yasbd() -> Splitter:
    detector = import_module("yasbd").BoundaryDetector(lang="en")
    return aligned(detector.segment)


def syntok() -> Splitter:
    segmenter = import_module("syntok.segmenter")

    def starts(text: str) -> list[int]:
        sentences = [s for paragraph in segmenter.process(text) for s in paragraph]
        return sorted({0, *(sentence[0].offset for sentence in sentences if sentence)})

    return starts


def segtok() -> Splitter:
    return aligned(import_module("segtok.segmenter").split_single)


def blingfire() -> Splitter:
    split = import_module("blingfire").text_to_sentences
    return aligned(lambda text: split(text).split("\n"))


def sentence_splitter() -> Splitter:
    return aligned(import_module("sentence_splitter").SentenceSplitter(language="en").split)


def sentencex() -> Splitter:
    segment = import_module("sentencex").segment
    return aligned(lambda text: segment("en", text))


def choppa() -> Splitter:
    """The rules of LanguageTool."""
    module = import_module("choppa")
    rules = Path(module.__file__ or "").parent / "data" / "srx" / "languagetool_segment.srx"
    document = module.SrxDocument(ruleset=str(rules))
    return aligned(lambda text: module.SrxTextIterator(document, "en_two", text))


def spacy_rules() -> Splitter:
    nlp = import_module("spacy").blank("en")
    nlp.add_pipe("sentencizer")
    return lambda text: sorted({0, *(sentence.start_char for sentence in nlp(text).sents)})


def biosenter() -> Splitter:
    """A model of spaCy trained on biomedical articles."""
    import_module("biosenter")
    nlp = import_module("spacy").load("biosenter")
    return lambda text: sorted({0, *(sentence.start_char for sentence in nlp(text).sents)})


OTHERS: dict[str, Callable[[], Splitter]] = {
    make.__name__: make
    for make in (
        *(pysbd, syntok, segtok, nltk, punkt, nupunkt, blingfire, sentence_splitter, sentencex),
        *(sentencesplit, yasbd, choppa, spacy_rules, biosenter),
    )
}

if __name__ == "__main__":
    main()
