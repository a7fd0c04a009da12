"""The publishers' habits that are data: names, labels, files, ids, captions, places of figures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HOUSES", "House", "Journal"]


@dataclass(frozen=True, slots=True)
class Journal:
    """An invented journal."""

    title: str
    short: str
    abbreviation: str
    issn: tuple[tuple[str, str], ...]
    doi: str
    """template of the DOI over {number}, {year} and {short}"""


@dataclass(frozen=True, slots=True)
class House:
    """One publisher. `{n}` is the figure's number, `{stem}` the article's file stem."""

    name: str
    publisher: str
    journals: tuple[Journal, ...]
    label: str
    in_text: str
    in_text_plural: str
    panel_mark: str
    """markup around a panel letter in a caption"""
    letters: str
    caption: str
    """title_p | p | title"""
    reference_style: str
    """number | superscript | author"""
    number_only: bool
    """the xref holds only the number: Figure <xref>1</xref>A"""
    place: str
    """section | paragraph | floats"""
    figure_id: str
    file: str
    stem: str
    formats: tuple[tuple[str, str], ...]
    """(format, mode) of figure images, each as likely as the others"""
    href_extension: bool = True
    date_type: str = "epub"
    date_parts: int = 3


_JPEG, _GREY = ("jpeg", "RGB"), ("jpeg", "L")

HOUSES: tuple[House, ...] = (
    House(
        "plos", "Open Science Press",
        (
            Journal("Open Life Sciences Letters", "olsl", "Open Life Sci Lett",
                    (("epub", "9932-6203"),), "10.99371/journal.olsl.{number}"),
            Journal("Open Pathogens", "opat", "Open Pathog",
                    (("epub", "9953-7374"),), "10.99371/journal.opat.{number}"),
        ),
        "Fig {n}", "Fig ", "Figs ", "({})", "ABCDEFGH", "title_p", "number", False, "section",
        "{stem}.g{n:03}", "{stem}.g{n:03}", "{short}.{number}", (_JPEG, _JPEG, ("png", "RGB"), _GREY),
    ),
    House(
        "mdpi", "Multidisciplinary Platform Publishing",
        (
            Journal("Tumours and Tissues", "tumtis", "Tumours Tissues (Basel)",
                    (("epub", "9972-6694"),), "10.93390/tumtis{number}"),
            Journal("Cellular Reports International", "celrep", "Cell Rep Int",
                    (("epub", "9973-4409"),), "10.93390/celrep{number}"),
        ),
        "Figure {n}", "Figure ", "Figures ", "(#{}#)", "abcdefgh", "p", "number", False, "floats",
        "{short}-{number}-f{n:03}", "{short}-{volume}-{number}-g{n:03}", "{short}-{volume}-{number}",
        (_JPEG, _JPEG, ("png", "P"), ("png", "RGB")),
    ),
    House(
        "elsevier", "Noordzee Science",
        (
            Journal("Journal of Applied Imaging and Therapy", "jait", "J Appl Imaging Ther",
                    (("ppub", "9985-1111"), ("epub", "9985-112X")), "10.91016/j.jait.{year}.{number}"),
            Journal("Molecular Medicine Reports and Methods", "mmrm", "Mol Med Rep Methods",
                    (("epub", "9986-2223"),), "10.91016/j.mmrm.{year}.{number}"),
        ),
        "Fig. {n}", "Fig. ", "Figs. ", "({})", "ABCDEFGH", "p", "author", False, "section",
        "f{n:03}5", "gr{n}", "{short}{number}", (_JPEG, _JPEG, _GREY), date_type="collection",
        date_parts=2,
    ),
    House(
        "springer", "Weissenstein Nature",
        (
            Journal("European Annals of Translational Biology", "40001", "Eur Ann Transl Biol",
                    (("ppub", "9901-5591"), ("epub", "9901-5592")), "10.91186/s40001-{year}-{number}"),
            Journal("BWC Clinical Genomics", "12901", "BWC Clin Genomics",
                    (("epub", "9902-3331"),), "10.91186/s12901-{year}-{number}"),
        ),
        "Fig. {n}", "Fig. ", "Figs. ", "#{}#", "abcdefgh", "p", "number", True, "paragraph",
        "Fig{n}", "{stem}_Fig{n}_HTML", "{short}_{year}_{number}_Article",
        (_JPEG, _JPEG, ("png", "RGB"), ("png", "RGBA")),
    ),
    House(
        "wiley", "Whitley & Daughters",
        (
            Journal("Advances in Cancer Practice", "ACP4", "Adv Cancer Pract",
                    (("ppub", "9904-7634"), ("epub", "9904-7642")), "10.91002/acp4.{number}"),
            Journal("Birth and Development Research", "BDR2", "Birth Dev Res",
                    (("epub", "9905-1727"),), "10.91002/bdr2.{number}"),
        ),
        "FIGURE {n}", "Figure ", "Figures ", "({})", "abcdefgh", "p", "superscript", True, "section",
        "{short}{number}-fig-{n:04}", "{short}-{volume}-e{number}-g{n:03}",
        "{short}-{volume}-e{number}", (("webp", "RGB"),) * 3 + (_JPEG,),
    ),
    House(
        "elife", "Living Sciences Publications",
        (Journal("lifeScience", "life", "lifeScience", (("epub", "9950-0840"),), "10.97554/life.{number}"),),
        "Figure {n}.", "Figure ", "Figures ", "({})", "ABCDEFGH", "title_p", "author", False, "section",
        "fig{n}", "life-{number}-fig{n}", "life-{number}", (_JPEG, _JPEG, ("tiff", "RGB"), ("png", "RGB")),
        date_type="pub",
    ),
    House(
        "old", "Oxbridge Academic",
        (
            Journal("Nucleotide Research", "gkx", "Nucleotide Res",
                    (("ppub", "9305-1048"), ("epub", "9362-4962")), "10.91093/nar/gkx{number}"),
            Journal("Annals of Field Botany", "mcx", "Ann Field Bot",
                    (("ppub", "9305-7364"),), "10.91093/afb/mcx{number}"),
        ),
        "Figure {n}", "Figure ", "Figures ", "#({})#", "ABCDEFGH", "title_p", "author", False, "paragraph",
        "{stem}F{n}", "{stem}f{n}", "{short}{number}", (_JPEG, _GREY), href_extension=False,
        date_type="ppub", date_parts=2,
    ),
    House(
        "scielo", "Associação Paulista de Pesquisa",
        (
            Journal("Revista de Saúde Coletiva e Clínica", "rscc", "Rev Saude Colet Clin",
                    (("ppub", "9034-8910"), ("epub", "9518-8787")), "10.91606/rscc.{year}{number}"),
            Journal("Anales de Medicina Tropical", "amtr", "An Med Trop",
                    (("epub", "9036-3634"),), "10.91606/amtr.{year}{number}"),
        ),
        "Figura {n}", "Figura ", "Figuras ", "({})", "ABCDEFGH", "title", "superscript", False, "paragraph",
        "f{n}", "{stem}-gf{n:02}", "9034-{short}-{volume}-{number}",
        (_JPEG, ("png", "L"), ("tiff", "RGB"), ("gif", "P")), date_type="collection", date_parts=1,
    ),
)  # fmt: skip
