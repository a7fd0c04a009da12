from __future__ import annotations

from pathlib import Path

import pytest

from biomedica.errors import ConfigError, StoreError
from biomedica.sources import read_id_table
from biomedica.store import Dataset, DatasetWriter
from biomedica.store.scope import SELECTIONS, Scope, read_scope, write_scope

SETTINGS = {"parse": {"keep_uncaptioned": False}}


def ids(*names: str) -> Scope:
    return Scope(ids=read_id_table(names), source="one", settings=SETTINGS)


def test_a_scope_is_read_back(tmp_path: Path) -> None:
    some = read_id_table(["PMC3", "PMC1.2"])
    scope = Scope(False, some, ("n_media > 0",), "s", SETTINGS, ("m",), "published_first")
    with DatasetWriter.begin(tmp_path) as writer:
        assert read_scope(Dataset.open(tmp_path)) is None
        writer.commit([], {"selection": write_scope(writer.storage, scope)})
        writer.commit([], {"command": "compact"})  # says nothing of it
    assert read_scope(Dataset.open(tmp_path)) == scope
    assert scope.words == "2 named and those where n_media > 0, versions: published_first"
    for path in (tmp_path / SELECTIONS).glob("*.json"):
        path.unlink()
    with pytest.raises(StoreError, match="give the dataset's selection anew"):
        read_scope(Dataset.open(tmp_path))


def test_builds_widen_it() -> None:
    both = ids("PMC1", "PMC2").widened(ids("PMC2", "PMC3.1"))
    assert both.ids == read_id_table(["PMC1", "PMC2", "PMC3.1"])
    some = both.widened(Scope(where=("a",), source="two")).widened(Scope(where=("b",), models=("m",)))
    assert some.ids == both.ids
    assert (some.where, some.models) == (("a", "b"), ("m",))
    everything = some.widened(Scope(everything=True))
    assert (everything.everything, everything.ids, everything.where) == (True, None, ())
    assert everything.widened(ids("PMC1")).everything
    assert everything.words == "all"


def test_builds_keep_the_policy_of_versions() -> None:
    latest = Scope(everything=True, versions="latest")
    assert latest.widened(Scope(everything=True, versions="latest")).versions == "latest"
    with pytest.raises(ConfigError, match=r"select\.versions is all, and the dataset takes latest"):
        latest.widened(ids("PMC1"))
