from __future__ import annotations

import pickle
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.config import StoreConfig
from biomedica.errors import Deferred, StoreError
from biomedica.store import open_storage
from biomedica.store.storage import fault


def test_files_are_created_once(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "new" / "root")
    assert storage.put_new("pairs/a.parquet", b"abc") is True
    assert storage.put_new("pairs/a.parquet", b"xyz") is False
    assert storage.get("pairs/a.parquet") == b"abc"
    assert storage.get_range("pairs/a.parquet", 1, 2) == b"bc"
    assert storage.size("pairs/a.parquet") == 3
    with pytest.raises(StoreError, match="3 bytes instead of 4"):
        storage.put_new("pairs/a.parquet", b"abcd")


def test_reading_a_missing_root_makes_nothing(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "none")
    assert storage.size("a") is None
    assert list(storage.list()) == []
    assert list(storage.list_temporary()) == []
    storage.delete("a")
    with pytest.raises(FileNotFoundError):
        storage.get("a")
    assert not (tmp_path / "none").exists()


def test_list_and_delete(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    for name in ("t/b", "t/a", "other/c"):
        storage.put_new(name, name.encode())
    assert sorted(storage.list("t")) == [("t/a", 3), ("t/b", 3)]
    assert [path for path, _ in storage.list("t", after="t/a")] == ["t/b"]
    storage.delete("t/a")
    storage.delete("t/a")
    assert sorted(path for path, _ in storage.list()) == ["other/c", "t/b"]


def test_temporary_names_are_no_files_but_can_be_removed(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    storage.put_new("t/a.parquet", b"a")
    (tmp_path / "t" / "b.parquet#1").write_bytes(b"half")
    assert [path for path, _ in storage.list()] == ["t/a.parquet"]
    assert list(storage.list_temporary()) == [("t/b.parquet#1", 4)]
    storage.delete("t/b.parquet#1")
    assert list(storage.list_temporary()) == []


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_forms_of_a_folder(tmp_path: Path, form: str) -> None:
    storage = open_storage(form.format(tmp_path))
    storage.put_new("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert storage.uri("a") == str(tmp_path / "a")
    assert storage.delta_options() == {}


def test_a_folder_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c é"
    storage = open_storage(folder)
    storage.put_new("t/a", b"1")
    assert (folder / "t" / "a").read_bytes() == b"1"
    assert list(storage.list("t")) == [("t/a", 1)]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "gs://bucket/x",
        "s3://",
        "s3:/bucket/x",
        "s3://B_/x",
        "http://host/x",
        "file://h/x",
        "/data/a%20b",
        "file:///data/a%2520b",
        "s3://bucket/a%20b",
        "s3://bucket/x//y",
        "s3://bucket/../z",
    ],
)
def test_other_places_are_refused(uri: str) -> None:
    with pytest.raises(StoreError):
        open_storage(uri)


def test_a_place_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_storage(tmp_path / "new" / "folder").check_writable()
    open_storage("s3://bucket/prefix").check_writable()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no folder"):
        open_storage(tmp_path / "file" / "below").check_writable()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StoreError, match="read-only"):
        open_storage(tmp_path / "new").check_writable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_credentials_in_a_uri_are_refused_and_not_repeated() -> None:
    with pytest.raises(StoreError) as caught:
        open_storage("s3://AKIAKEY:hunter2@bucket/prefix")
    assert "hunter2" not in str(caught.value)
    assert "AKIAKEY" not in str(caught.value)


def test_an_endpoint_of_the_environment_with_a_key_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://user:hunter2@127.0.0.1:1")
    with pytest.raises(StoreError, match="endpoint") as caught:
        open_storage("s3://bucket/x").get("a")
    assert "hunter2" not in str(caught.value)


def test_unsafe_rename_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    with pytest.raises(StoreError, match="UNSAFE_RENAME"):
        open_storage("s3://bucket/x").delta_options()


def test_pickles_and_shows_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        config = StoreConfig(endpoint_url=endpoint, region="us-east-1")
        storage = open_storage("s3://bucket/prefix/", config)
        storage._store()
    pickled = pickle.dumps(storage)
    assert b"hunter2" not in pickled
    assert b"AKIAKEY" not in pickled
    assert repr(storage) == "Storage('s3://bucket/prefix')"
    assert not {"hunter2", "AKIAKEY"} & set(storage.delta_options().values())
    again = pickle.loads(pickled)  # noqa: S301 - our own bytes
    assert again.root == storage.root
    assert again.config == config


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        (
            "Generic LocalFileSystem error: No space left on device (os error 28)",
            StoreError,
            "no space",
        ),
        ("Permission denied (os error 13)", StoreError, "permissions"),
        ("Read-only file system (os error 30)", StoreError, "permissions"),
        ("status 403 Forbidden: <AWSAccessKeyId>AKIAKEY</AWSAccessKeyId>", StoreError, "permissions"),
        ("<Code>NoSuchBucket</Code>", StoreError, "create it first"),
        ("error sending request: connection refused; key=AKIAKEY", Deferred, "connection refused"),
        ("503 Slow Down AKIAKEY", Deferred, "503"),
        # in the words of obstore, deltalake and pyarrow
        ('ConnectError("dns error", "failed to lookup AKIAKEY")', Deferred, "name is not resolved"),
        ("curlCode: 6, Could not resolve hostname AKIAKEY", Deferred, "name is not resolved"),
        ("code: 111, kind: ConnectionRefused AKIAKEY", Deferred, "(connection refused): check the net"),
        ("curlCode: 7, Could not connect to server AKIAKEY", Deferred, "connection refused"),
        ("kind: Timeout, source: TimedOut AKIAKEY", Deferred, "timed out"),
        ("curlCode: 28, Timeout was reached AKIAKEY", Deferred, "timed out"),
        ("SendRequest, IncompleteMessage AKIAKEY", Deferred, "connection cut"),
        ("invalid peer certificate: UnknownIssuer AKIAKEY", Deferred, "no TLS that can be trusted"),
    ],
)
def test_faults(text: str, kind: type[Exception], says: str) -> None:
    found = fault(OSError(text), "write", "s3://b/x")
    assert type(found) is kind
    assert says in str(found)
    assert "AKIAKEY" not in str(found)
    assert "s3://b/x" in str(found)


@given(st.text())
def test_any_fault_has_one_line(text: str) -> None:
    assert len(str(fault(OSError(text), "read", "x")).splitlines()) == 1
