"""One article inspected: the command, what it prints, its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from biomedica.cli import app
from biomedica.config import BuildConfig, ImageConfig
from biomedica.errors import BiomedicaError, ConfigError
from biomedica.jats import parser
from biomedica.reporting import inspect_article, inspect_xml, inspection_page, print_inspection
from biomedica.sources.sample import write_sample
from tests.jats.documents import document, fig, xref
from tests.reporting.pages import HOSTILE, checked, jpeg, words

CONFIG = BuildConfig(source=".", dataset=".")
BODY = (
    f"<p>See {xref('f1', 'Fig. 1B')}, and Figure 2.</p>"
    + fig("f1", "Figure 1", "One <italic>mouse</italic> &lt;b&gt;.")
    + fig("f2", "Figure 2", "Two mice.")
    + '<p><graphic xlink:href="g.jpg"/></p>'
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect") / "sample"
    write_sample(folder, articles=1, defects=True)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An article with one of its images beside it."""
    path = tmp_path / "article.xml"
    path.write_bytes(document(BODY))
    (tmp_path / "f1.jpg").write_bytes(jpeg(1, 40))
    (tmp_path / "f2.jpg").write_bytes(b"no image")
    return path


def run(*words_: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["inspect", *words_])
    if isinstance(done.exception, BiomedicaError):
        return 2, done.stdout, str(done.exception)
    return done.exit_code, " ".join(done.stdout.split()), done.stderr


# -- the command


def test_a_file(file: Path) -> None:
    status, shown, _ = run(str(file))
    assert status == 0
    for part in (
        "title On mice", "PMCID PMC123", "Figure 1 figure, f1, 1 mention (panels B)", "One mouse <b>.",
        "graphic 1 f1.jpg", "Figure 2 figure, f2, 1 mention (1 in words alone)",
        "3 g.jpg no_caption floating", "figs 2", "graphics 3 3", "licence none stated",
        "the parser accounts for everything",
    ):  # fmt: skip
        assert part in shown


def test_an_article_of_a_source(sample: Path) -> None:
    status, shown, _ = run("PMC98000001", "--source", str(sample))
    assert status == 0
    assert shown.startswith("PMC98000001.1 ")
    assert "from metadata; group" in shown


def test_the_object_has_all(file: Path) -> None:
    status, shown, _ = run(str(file), "--json")
    values = json.loads(shown)
    assert (status, values["exit_status"], values["disagreements"]) == (0, 0, [])
    assert values["counts"]["graphics"] == {"parser": 3, "xml": 3}
    assert [one["figure_id"] for one in values["article"]["figures"]] == ["f1", "f2"]
    assert values["article"]["rejects"][0]["reason"] == "no_caption"
    assert values["rejected"] is None
    assert values["license"]["group"] == "other"


WITHOUT_FILES = (
    fig("f1", "Figure 1")
    + fig("f2", "Figure 2", href="https://example.org/f2.png")
    + fig("f3", "Figure 3", href="images/f3")
    + fig("f4", "Figure 4", href="f3.jpg")
    + fig("f5", "Figure 5", href="f5.eps")
)


@pytest.fixture
def without_files(tmp_path: Path) -> Path:
    """Five figures of which one has a file of its own, and an image that none names."""
    path = tmp_path / "article.xml"
    path.write_bytes(document(WITHOUT_FILES))
    (tmp_path / "f3.jpg").write_bytes(jpeg(3, 40))
    (tmp_path / "f5.eps").write_bytes(b"%!PS")
    (tmp_path / "other.png").write_bytes(b"")
    return path


def test_graphics_without_a_file_are_told(without_files: Path) -> None:
    status, shown, _ = run(str(without_files))
    assert status == 0
    for part in (
        "files of 5 graphics 1 has one; 1 duplicate_reference, 1 external, 1 media_missing, "
        "1 unsupported_format; 1 image that none names",
        "graphic 1 f1.jpg no file: media_missing",
        "graphic 2 https://example.org/f2.png no file: external",
        "graphic 3 images/f3 the file f3.jpg",
        "graphic 4 f3.jpg no file: duplicate_reference",
        "graphic 5 f5.eps no file: unsupported_format",
    ):
        assert part in shown


def test_the_object_says_what_has_no_file(without_files: Path) -> None:
    values = json.loads(run(str(without_files), "--json")[1])
    assert [(one["graphic"], one["file"], one["reason"]) for one in values["files"]] == [
        (1, None, "media_missing"),
        (2, None, "external"),
        (3, "f3.jpg", None),
        (4, None, "duplicate_reference"),
        (5, None, "unsupported_format"),
    ]
    assert values["files"][3]["detail"] == "'f3.jpg' is the file of graphic 3"
    assert values["unreferenced_media"] == ["other.png"]


def test_the_page_says_what_has_no_file(without_files: Path) -> None:
    found = inspect_article(str(without_files), None, CONFIG)
    tree = checked(inspection_page(found, ImageConfig()))
    assert "files 1 of 5 graphics have one" in words(tree)
    assert len(tree.xpath("//img")) == 1
    for reason in ("external", "media_missing", "unsupported_format", "duplicate_reference"):
        assert len(tree.xpath(f"//figcaption[contains(., '{reason}')]")) == 1


def test_without_a_source_of_media_nothing_is_said_of_files() -> None:
    found = inspect_xml(document(WITHOUT_FILES), "x", CONFIG)
    assert found.to_dict()["files"] is None
    assert "no file" not in words(checked(inspection_page(found, ImageConfig())))


def test_settings_count(file: Path) -> None:
    status, shown, _ = run(str(file), "--set", "parse.keep_uncaptioned=true", "--json")
    assert status == 0
    assert json.loads(shown)["article"]["rejects"] == []


def test_a_reject_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cut.xml"
    path.write_bytes(document(BODY)[:-30])
    status, shown, _ = run(str(path))
    assert status == 0
    assert "rejected at stage parse: malformed_xml, the XML is not well-formed (line 1: " in shown
    assert "no reader takes it" in shown
    assert json.loads(run(str(path), "--json")[1])["rejected"]["reason"] == "malformed_xml"


def test_what_must_not_be_taken_is_no_disagreement() -> None:
    suppressed = "<custom-meta-group><custom-meta><meta-name>pmc-prop-legally-suppressed</meta-name>"
    suppressed += "<meta-value>yes</meta-value></custom-meta></custom-meta-group>"
    found = inspect_xml(document(BODY, meta=suppressed), "x", CONFIG)
    assert found.rejected is not None
    assert found.rejected[1] == "legally_suppressed"
    assert (found.disagreements, found.article) == ((), None)
    assert found.census is not None


def test_a_difference_is_a_line_and_a_status(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "read_references", lambda _: ((), 3))
    status, shown, _ = run(str(file))
    assert status == 1
    assert "differs references: the parser has 3, the XML 0 1 disagreement" in shown
    values = json.loads(run(str(file), "--json")[1])
    assert (values["exit_status"], len(values["disagreements"])) == (1, 1)


def test_a_defect_of_the_parser_is_a_difference(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise ValueError("out of order")

    monkeypatch.setattr(parser, "read_references", broken)
    found = inspect_article(str(file), None, CONFIG)
    assert found.rejected == ("parse", "parser_error", "ValueError: out of order")
    assert len(found.disagreements) == 1


def test_mistakes_are_sentences(sample: Path, tmp_path: Path) -> None:
    for words_, said in (
        ((str(tmp_path / "no.xml"),), "give the path of a JATS XML, or an article id and its --source"),
        ((str(tmp_path),), "there is no file"),
        (("PMC98000001.1",), "there is no file 'PMC98000001.1'"),
        (("PMC5.1", "--source", str(sample)), "has no PMC5.1: `biomedica ids --source"),
        (("x.xml", "--source", str(sample)), "is not an article id"),
        (("",), "no article is given: write the path of a JATS XML, or an id and --source URI"),
        (("", "--source", str(sample)), "no article is given"),
    ):
        status, _, error = run(*words_)
        assert status == 2
        assert said in error


def test_every_article_of_the_sample_with_defects_agrees(sample: Path) -> None:
    paths = sorted(sample.rglob("*.xml"))
    assert len(paths) > 50
    for path in paths:
        assert inspect_article(str(path), None, CONFIG).disagreements == (), path


def test_what_the_source_rejects(sample: Path) -> None:
    truth = json.loads((sample / "truth.json").read_text(encoding="utf-8"))
    found = [
        inspect_article(one["article_id"], str(sample), CONFIG).rejected
        for one in truth["defects"]
        if one.get("reason") == "xml_missing"
    ]
    assert all(one is not None and one[0] == "source" for one in found)


# -- the page


def test_the_page_shows_every_figure(file: Path) -> None:
    found = inspect_article(str(file), None, CONFIG)
    text = inspection_page(found, ImageConfig())
    assert text == inspection_page(found, ImageConfig())
    tree = checked(text)
    shown = words(tree)
    for part in ("On mice", "One mouse <b>.", "40 × 40 px, jpeg", "1 mention (panels B)",
                 "No image", "no_caption", "The parser accounts for everything that the XML has."):  # fmt: skip
        assert part in shown
    assert len(tree.xpath("//img")) == 1
    assert tree.xpath("//article//i/text()") == ["mouse"]
    assert len(tree.xpath("//li[contains(., 'in words alone')]")) == 1


def test_the_page_is_written(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages" / "article.html"
    status, shown, _ = run(str(file), "--html", str(out))
    assert status == 0
    assert shown.endswith(f"the page: {out}".replace("\n", ""))
    checked(out.read_text(encoding="utf-8"))


def test_the_page_of_a_reject_says_why() -> None:
    text = inspection_page(inspect_xml(b"<html/>", "page.xml", CONFIG), ImageConfig())
    assert "Rejected at stage parse: not_jats" in words(checked(text))


def test_a_difference_stands_at_the_top(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "read_references", lambda _: ((), 3))
    tree = checked(inspection_page(inspect_article(str(file), None, CONFIG), ImageConfig()))
    (line,) = tree.xpath("//header//li/text()")
    assert line == "references: the parser has 3, the XML 0"


def hostile(count: int) -> bytes:
    """Figures whose every text tries to break the page or to fill it."""
    text = "".join(HOSTILE).replace("\x00", "").replace("\x1b", "").replace("&", "&amp;")
    text = text.replace("<", "&lt;").replace(">", "&gt;") + " word" * 1500
    figures = "".join(
        f'<fig id="f{i}"><label>{text[:200]}</label><caption><p>{text}</p></caption>'
        f'<attrib>{text}</attrib><graphic xlink:href="{i}.jpg"/></fig>'
        for i in range(count)
    )
    cited = "".join(f"<p>{text} {xref(f'f{i}', 'Fig. 1')} {text}</p>" for i in range(count))
    return document(figures + cited + '<graphic xlink:href="x"/>' * 2000)


def test_a_hostile_article_neither_breaks_nor_fills_the_page() -> None:
    found = inspect_xml(hostile(240), HOSTILE[0], CONFIG, media=None, read_media=lambda _: jpeg(1))
    assert found.disagreements == ()
    tree = checked(inspection_page(found, ImageConfig()))
    assert "The first 200 of 240." in words(tree)
    assert "And 1,700 more." in words(tree)


def test_images_stop_where_the_page_is_full(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(60)]
    path = tmp_path / "many.xml"
    path.write_bytes(document("".join(fig(f"f{n}", "Figure 1", href=n) for n in names)))
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(jpeg(number, 300))
    tree = checked(inspection_page(inspect_article(str(path), None, CONFIG), ImageConfig()))
    assert 20 < len(tree.xpath("//img")) < 60
    assert "not shown, the page is full" in words(tree)


def test_nothing_is_fetched_for_a_source_that_is_away() -> None:
    with pytest.raises(ConfigError):
        inspect_article("no/such.xml", None, CONFIG)


def test_a_file_is_read_within_the_limits_of_a_build(tmp_path: Path) -> None:
    path = tmp_path / "big.xml"
    path.write_bytes(b"<article>" + b" " * 2000 + b"</article>")
    config = BuildConfig.model_validate(
        {"source": "s", "dataset": "d", "parse": {"max_xml_bytes": 1000}}
    )
    found = inspect_article(str(path), None, config)
    assert found.rejected is not None
    assert found.rejected[:2] == ("parse", "too_large")
    with pytest.raises(ConfigError, match="there is no file"):
        inspect_article("/dev/zero", None, config)


def test_a_terminal_is_not_steered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xml = document(fig("f", "Figure \x9b31m 1", "A \u202emouse."))
    print_inspection(inspect_xml(xml, "x", CONFIG))
    said = capsys.readouterr().out
    assert "mouse" in said
    assert "\x9b" not in said
    assert "\u202e" not in said
