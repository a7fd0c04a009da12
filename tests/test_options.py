"""Settings on the command line."""

from __future__ import annotations

import pytest

from biomedica.errors import ConfigError
from biomedica.options import read_overrides


def test_options_that_are_not_given_leave_settings_alone() -> None:
    settings = ["ids=[PMC1.1]", "dataset=s3://a-bucket/x", "store.region=eu-west-1"]
    assert read_overrides(settings, ids=None, dataset=None, store__endpoint_url=None) == {
        "ids": ["PMC1.1"],
        "dataset": "s3://a-bucket/x",
        "store.region": "eu-west-1",
    }


def test_an_option_beats_a_setting() -> None:
    assert read_overrides(["dataset=./a"], dataset="./b") == {"dataset": "./b"}


@pytest.mark.parametrize("text", ["dataset", "=x", "a=[1"])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        read_overrides([text])
