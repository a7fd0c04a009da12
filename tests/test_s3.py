"""What source and dataset share on S3."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from biomedica.s3 import Patience, credential_provider, obstore_options, open_session

PATIENCE = Patience(retries=4, first_wait=0.5, growth=3, retry_seconds=100, stall_seconds=7)


def seconds(number: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)


def test_how_long_obstore_tries() -> None:
    options = obstore_options("eu-west-1", None, PATIENCE)
    assert options["region"] == "eu-west-1"
    assert options["retry_config"] == {
        "max_retries": 4,
        "retry_timeout": seconds(100),
        "backoff": {"init_backoff": seconds(0.5), "max_backoff": seconds(10), "base": 3},
    }
    assert options["client_options"] == {"timeout": seconds(900), "read_timeout": seconds(7)}
    slow = Patience(0, 0.5, 2, 100, stall_seconds=2000)
    assert obstore_options("x", None, slow)["client_options"]["timeout"] == seconds(2000)


@pytest.mark.parametrize(("endpoint", "plain"), [("http://h:1", True), ("https://h", False)])
def test_an_endpoint_is_named_so_that_the_environment_does_not_outdo_it(
    endpoint: str, plain: bool
) -> None:
    options = obstore_options("x", endpoint, PATIENCE)
    assert options["aws_endpoint_url_s3"] == endpoint
    assert options["virtual_hosted_style_request"] is False
    assert options["client_options"]["allow_http"] is plain
    assert "endpoint" not in options
    assert not any("endpoint" in name for name in obstore_options("x", None, PATIENCE))


def test_what_is_wrong_with_credentials_is_said_by_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def meaning(error: Exception) -> Exception:
        return LookupError(type(error).__name__)

    with pytest.raises(LookupError, match="ProfileNotFound"):
        open_session("lab", meaning)
    with pytest.raises(LookupError, match="ValueError"):
        credential_provider(open_session(None, meaning), meaning)
