"""Votes for tests: one that is easy to write, and wild ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from biomedica.annotation import Vote, load_taxonomy

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TAXONOMY = load_taxonomy()


def cast(annotator: str, cluster_id: int, /, *concepts: str, at: int = 0, **more: Any) -> Vote:
    """A vote on a cluster of run r1; concepts of either level; `at` in seconds after START."""
    levels = {
        level: tuple(c for c in concepts if TAXONOMY.level(c) == level) for level in ("global", "local")
    }
    values = {
        "time": START + timedelta(seconds=at),
        "annotator": annotator,
        "taxonomy_version": TAXONOMY.version,
        "run": "r1",
        "cluster_id": cluster_id,
        "global_concepts": levels["global"],
        "local_concepts": levels["local"],
    }
    return Vote(**(values | more))


def retract(vote: Vote, at: int = 1000) -> Vote:
    """The undo of a vote."""
    kept = ("annotator", "is_adjudication", "taxonomy_version", "run", "cluster_id", "pair_id")
    values = {name: getattr(vote, name) for name in kept}
    time = START + timedelta(seconds=at)
    return Vote(**values, time=time, action="retract", supersedes=vote.vote_id)


def _name(text: str) -> bool:
    try:
        cast(text, 1, "maps")
    except ValueError:
        return False
    return True


names = st.sampled_from(["ann", "ben", "eva"]) | st.text(min_size=1, max_size=20).filter(_name)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
wild_comments = texts | st.tuples(
    st.sampled_from([*"=+-@'\t\r\n,;\"", "''=", "'+", "\0", "\ufeff", "＝"]), texts
).map("".join)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


@st.composite
def votes(draw: st.DrawFn) -> Vote:
    """Any vote, or retraction, on a few clusters and pairs."""
    more: dict[str, Any] = {
        "time": draw(times),
        "comment": draw(wild_comments),
        "is_adjudication": draw(st.booleans()),
    }
    if draw(st.booleans()):
        more |= {"cluster_id": None, "pair_id": f'PMC{draw(st.integers(1, 3))}.1/=f,"1" é.jpg'}
        more |= {"run": draw(st.none() | st.just("r1"))}
    if draw(st.booleans()):
        gone = {"action": "retract", "supersedes": "0" * 31 + draw(st.sampled_from("0af"))}
        return cast(draw(names), 7, **(more | gone))
    more |= {
        "panel_type": draw(st.none() | st.sampled_from(["single", "multiple"])),
        "panel_subtype": draw(st.none() | st.sampled_from(["images", "single_panel"])),
        "is_mixed": draw(st.booleans()),
        "supersedes": draw(st.none() | st.just("a" * 32)),
        "suggestions": draw(st.just(()) | st.just(({"concept": "map", "source": "clip"},))),
    }
    concepts = draw(st.lists(st.sampled_from([one.id for one in TAXONOMY.concepts]), max_size=4))
    return cast(draw(names), draw(st.integers(0, 5)) if "pair_id" not in more else 0,
                *concepts, **(more | ({} if concepts else {"is_not_sure": True})))  # fmt: skip
