"""References that reach no file, a surprising one, or one that is not the article's."""

from __future__ import annotations

from .case import Defect, Plant, Prefix, pair, refuse, written
from .document import article_xml, body_xml, fig
from .raster import encoded, picture

__all__ = ["MATCHING"]


def _named(href: str, *names: str, more: str = "") -> Plant:
    """The figure's reference, and the files that are there, each with a picture of its own."""

    def plant(prefix: Prefix) -> None:
        first = prefix.media.pop("fig1.jpg")
        for at, name in enumerate(names):
            extension = name.rsplit(".", 1)[-1].lower()
            form = {"gif": "gif", "png": "png"}.get(extension, "jpeg")
            prefix.media[name] = encoded(picture(prefix.rng), form) if at else first
            if not at and form != "jpeg":
                prefix.media[name] = encoded(picture(prefix.rng), form)
        second = fig("f2", more, label="Figure 2") if more else ""
        prefix.xml = article_xml(prefix, body_xml(fig(href=href), second))

    return plant


def _lost(prefix: Prefix) -> None:
    prefix.md5_of["fig1.jpg"] = prefix.media["fig1.jpg"]
    prefix.media["fig1.jpg"] = None


def _unlisted(prefix: Prefix) -> None:
    prefix.unlisted.add("fig1.jpg")


def _of_another(prefix: Prefix) -> None:
    """The key is that of a file which exists, of the next article."""
    prefix.keys["fig1.jpg"] = f"PMC{prefix.pmcid + 1}.1/fig1.jpg"


def _outside(prefix: Prefix) -> None:
    prefix.keys["fig1.jpg"] = "inventory-reports/fig1.jpg"


def _climbing(prefix: Prefix) -> None:
    prefix.keys["fig1.jpg"] = f"{prefix.article_id}/../fig1.jpg"


def _encoded_key(prefix: Prefix) -> None:
    _named("fig 1.jpg", "fig 1.jpg")(prefix)
    prefix.keys["fig 1.jpg"] = f"{prefix.article_id}/fig%201.jpg"


def _eps_with_twin(prefix: Prefix) -> None:
    prefix.media["fig1.eps"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n"
    prefix.xml = article_xml(prefix, body_xml(fig(href="fig1.eps")))


def _long_name(prefix: Prefix) -> None:
    """Longer than a file system allows, so that the file cannot exist in a folder."""
    name = "figure" * 50 + ".jpg"
    image = prefix.media.pop("fig1.jpg")
    prefix.media[name], prefix.md5_of[name] = None, image
    prefix.xml = article_xml(prefix, body_xml(fig(href=name)))


MATCHING = (
    Defect(
        "missing_image",
        "The metadata names an image that is not there.",
        written(refuse("image", "media_missing")),
        _lost,
    ),
    Defect(
        "unlisted_image",
        "An image lies there, and the metadata does not name it.",
        written(refuse("image", "media_missing")),
        _unlisted,
    ),
    Defect(
        "image_of_another_article",
        "The metadata names an image of another article: it is never read.",
        written(refuse("image", "invalid_key"), warnings=("invalid_media",)),
        _of_another,
    ),
    Defect(
        "image_outside_the_prefix",
        "The image's key is outside the article's prefix.",
        written(refuse("image", "invalid_key"), warnings=("invalid_media",)),
        _outside,
    ),
    Defect(
        "image_above_the_prefix",
        "The image's key climbs out of the article's prefix.",
        written(refuse("image", "invalid_key"), warnings=("invalid_media",)),
        _climbing,
    ),
    Defect(
        "reference_to_nowhere",
        "A graphic names a file that the article does not have.",
        written(refuse("image", "media_missing"), unreferenced_media=["fig1.jpg"]),
        _named("fig7.jpg", "fig1.jpg"),
    ),
    Defect(
        "reference_to_the_web",
        "A graphic names a URL: it is never fetched.",
        written(refuse("image", "external")),
        _named("https://figures.example.org/7/large.jpg", "fig1.jpg"),
    ),
    Defect(
        "web_reference_to_own_file",
        "A graphic names a URL whose last part is a file of the article.",
        written(pair()),
        _named("https://figures.example.org/7/fig1.jpg", "fig1.jpg"),
    ),
    Defect(
        "reference_with_path",
        "A graphic names its file with a folder before it.",
        written(pair()),
        _named("images/fig1.jpg", "fig1.jpg"),
    ),
    Defect(
        "reference_with_query",
        "A graphic names its file with a query behind it.",
        written(pair()),
        _named("fig1.jpg?size=large#top", "fig1.jpg"),
    ),
    Defect(
        "reference_in_other_case",
        "A graphic spells its file in small letters, and the file in capitals.",
        written(pair("FIG1.JPG")),
        _named("fig1.jpg", "FIG1.JPG"),
    ),
    Defect(
        "reference_in_other_normal_form",
        "A graphic spells an accent as a part of its letter, and the file apart from it.",
        written(pair("fige\u0301.jpg")),
        _named("fig\u00e9.jpg", "fige\u0301.jpg"),
    ),
    Defect(
        "endless_reference",
        "A graphic's reference has a hundred thousand letters.",
        written(refuse("image", "media_missing")),
        _named("fig" * 33_333 + ".jpg", "fig1.jpg"),
    ),
    Defect(
        "endless_name",
        "The metadata names a file that is longer than file systems allow, and lost.",
        written(refuse("image", "media_missing")),
        _long_name,
    ),
    Defect(
        "percent_encoded_reference",
        "A graphic spells a space and a letter with an accent by their codes.",
        written(pair("figé 1.jpg")),
        _named("fig%C3%A9%201.jpg", "figé 1.jpg"),
    ),
    Defect(
        "percent_encoded_key",
        "The metadata spells a space by its code, and the file has the space.",
        written(pair(None)),
        _encoded_key,
    ),
    Defect(
        "reference_without_extension",
        "A graphic names its file without the extension, and the stem has dots of its own.",
        written(pair("journal.0046493.g001.jpg")),
        _named("journal.0046493.g001", "journal.0046493.g001.jpg"),
    ),
    Defect(
        "several_files_of_one_stem",
        "A stem has a thumbnail, a plain and a large file: the large JPEG is taken.",
        written(pair("gr1_lrg.jpg"), unreferenced_media=[]),
        _named("gr1", "gr1.gif", "gr1.jpg", "gr1_lrg.jpg", "gr1_sml.jpg"),
    ),
    Defect(
        "two_references_to_one_file",
        "Two references are spelt apart and reach one file.",
        written(pair(), refuse("image", "duplicate_reference")),
        _named("fig1.jpg", "fig1.jpg", more="FIG1"),
    ),
    Defect(
        "eps_with_twin",
        "A graphic names an EPS that is there, beside a JPEG of the same stem.",
        written(pair()),
        _eps_with_twin,
    ),
)
