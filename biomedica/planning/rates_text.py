"""Rates on a terminal."""

from __future__ import annotations

from biomedica.planning.rates import Rates

__all__ = ["print_rates"]

_SIZES = {
    "under_0.5": "under 0.5 MP",
    "0.5_to_2": "0.5–2 MP",
    "2_to_12": "2–12 MP",
    "over_12": "over 12 MP",
}


def print_rates(rates: Rates, path: str) -> None:
    """What was measured, as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    machine = rates.machine
    table = Table("kernel", "a core", box=None, header_style="bold", title_justify="left")
    table.title = f"{machine.cpu}, {machine.cores} cores" + (f", {machine.gpu}" if machine.gpu else "")
    table.columns[1].justify = "right"
    if rates.read is not None:
        wall, cpu = rates.read.wall_seconds_per_get, rates.read.cpu_seconds_per_get
        table.add_row(
            f"read from a {rates.read.place}",
            f"{1e3 * wall:.2f} ms a GET, {1e3 * cpu:.2f} ms of the processor",
        )
    else:
        table.add_row("read", "not measured: no source was given")
    table.add_row("parse", f"{1e3 * rates.parse.seconds_per_100kb:.2f} ms per 100 kB of XML")
    for image in sorted(rates.images, key=lambda one: (one.image_format, one.megapixels)):
        drawn = " (drawn)" if image.generated else ""
        table.add_row(
            f"{image.image_format} {_SIZES[image.size]}{drawn}",
            f"{1e3 * image.seconds_per_image:.1f} ms an image of {image.megapixels:.2f} MP",
        )
    for model in rates.encode:
        where = "the GPU" if model.device == "cuda" else "a core"
        table.add_row(
            f"encode by {escape(model.name)}", f"{model.images_per_second:,.1f} images/s on {where}"
        )
    table.add_row("write Parquet", f"{1 / rates.write.seconds_per_image_mb:,.0f} MB/s of images")
    table.add_row("hash", f"{rates.hash.md5_mb_per_second:,.0f} MB/s MD5")
    table.add_row("each core, all busy", f"{rates.all_cores:.2f} of one alone")
    console.print(table)
    what = rates.source or "the built-in sample"
    console.print(
        f"measured on {rates.content.articles} articles of {escape(what)}; kept in {escape(path)}"
    )
