"""A bounded run of the image fuzzer, and that it would find what it looks for. More: `make fuzz`."""

from __future__ import annotations

import os
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from biomedica.errors import Deferred, Rejected
from tests.fuzz import images
from tests.fuzz.bounded import run
from tests.fuzz.image_mutants import CHANGES, parts
from tests.fuzz.images import Originals, fuzz, make, originals


@pytest.fixture(scope="module")
def seeds() -> Originals:
    return originals(None)


def test_mutants_of_drawn_images(seeds: Originals) -> None:
    result = fuzz(seeds, 0, range(500))
    assert result.findings == {}
    assert sum(result.outcomes.values()) == 500
    rejected = {name for name in result.outcomes if name.startswith("rejected")}
    assert {"rejected corrupt", "rejected truncated", "rejected too_many_pixels"} <= rejected
    assert sum(result.outcomes[name] for name in rejected) < 400
    assert result.memory < 2000


def test_mutants_of_real_images(corpus: Path) -> None:
    assert fuzz(originals(corpus), 0, range(150)).findings == {}


def test_mutants_come_again(seeds: Originals) -> None:
    made = [make(seeds, 3, number)[1] for number in range(60)]
    assert made == [make(seeds, 3, number)[1] for number in range(60)]
    assert len(set(made)) > 55


def test_every_original_is_an_image(seeds: Originals) -> None:
    outcomes = {name: images.judge(data) for name, data in seeds}
    assert not [name for name, outcome in outcomes.items() if outcome.startswith("rejected")]
    assert {outcome.partition(" ")[0] for outcome in outcomes.values()} == {
        "jpeg", "png", "tiff", "gif", "webp", "bmp",
    }  # fmt: skip


def test_parts_are_the_file(seeds: Originals) -> None:
    for name, data in seeds:
        pieces = parts(data)
        assert b"".join(pieces) == data, name
        assert len(pieces) > 2 or name.endswith((".tif", ".bmp")), name


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_takes_any_bytes(change: Callable[..., bytes], seeds: Originals) -> None:
    chance = random.Random(1)
    changed = 0
    for _, data in seeds:
        for piece in (data, data[:30], data[:3], b""):
            out = change(piece, data, chance) if piece or change.__name__ == "_insert" else piece
            assert isinstance(out, bytes)
            changed += out != piece
    assert changed > len(seeds) // 2


def _raises(number: int) -> str:
    raise Rejected("bored")


def _waits(number: int) -> str:
    time.sleep(30)
    return ""


def _dies(number: int) -> str:
    os._exit(3)


def _grows(number: int) -> str:
    return str(len(bytearray(1 << 31)))


def _warns(number: int) -> str:
    warnings.warn("careful", stacklevel=1)
    return ""


@pytest.mark.parametrize(
    ("trial", "words"),
    [(_raises, "bored"), (_waits, "no answer"), (_dies, "died"), (_grows, "MemoryError"),
     (_warns, "careful")],
)  # fmt: skip
def test_faults_are_findings_and_the_rest_goes_on(trial: Callable[[int], str], words: str) -> None:
    def second_fails(number: int) -> str:
        return trial(number) if number == 1 else "well"

    result = run(second_fails, range(4), seconds=3, headroom=1 << 28)
    assert list(result.findings) == [1]
    assert words in result.findings[1]
    assert result.outcomes == {"well": 3}


def _nameless(*_: object) -> object:
    raise Rejected("bored", "x")


def _out_of_memory(*_: object) -> object:
    raise Deferred("no memory")


@pytest.mark.parametrize("decoder", [_nameless, _out_of_memory])
def test_unlisted_reasons_and_deferrals_are_findings(
    decoder: Callable[..., object], monkeypatch: pytest.MonkeyPatch, seeds: Originals
) -> None:
    monkeypatch.setattr(images, "decode", decoder)
    with pytest.raises((AssertionError, Deferred)):
        images.judge(seeds[0][1])


def test_findings_are_kept_and_fail_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(images, "mutant", lambda data, other, chance: data[:20])
    monkeypatch.setattr(images, "check", lambda *_: None)
    command = ["images", "--count", "2", "--keep", str(tmp_path)]
    monkeypatch.setattr("sys.argv", command)
    assert images.main() == 0
    kept = iter(["data:image/jpeg;base64,", ""])  # the look at an original, then a mutant
    monkeypatch.setattr(images, "data_uri", lambda *_: next(kept, ""))
    assert images.main() == 1
    assert len(list(tmp_path.iterdir())) == 2
    assert "AssertionError" in capsys.readouterr().out
