"""A bucket in PMC's layout: what is listed, read, counted."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import UNREAD_DIGEST, DirectorySource, PmcCloudSource, open_source, pmc_cloud
from biomedica.sources.bucket import Bucket
from biomedica.sources.metadata import is_safe_name
from biomedica.sources.pmc_cloud import etag_digest
from tests.faulty import FaultyProxy
from tests.sources.conftest import ACCESS, SECRET, Cloud, listed
from tests.sources.layout import XML, document, md5, url

ID = ArticleId(7, 1)
LIMIT = 1 << 20
PNG, JPG = b"png bytes", b"jpg bytes"
QUIET = {"seed": 0, "unavailable": 0.0, "resets": 0.0, "truncated": 0.0, "corrupted": 0.0}


# --- listing ---------------------------------------------------------------------------------


def test_a_copy_of_a_folder_lists_and_reads_as_the_folder(cloud: Cloud) -> None:
    for article_id in (ID, ArticleId(7, 10), ArticleId(7, 2), ArticleId(123456789012, 99999)):
        cloud.write_article(article_id, {"f1.jpg": JPG, "f 2.png": PNG})
    cloud.upload(cloud.folder, "a/deep prefix/")
    folder = DirectorySource(str(cloud.folder))
    for prefix in ("", "a/deep prefix"):
        source = cloud.source(prefix)
        assert source.list_articles().equals(folder.list_articles())
        theirs, ours = folder.read_article(ID), source.read_article(ID)
        assert (ours.input_digest, ours.metadata) == (theirs.input_digest, theirs.metadata)
        assert ours.read_xml(LIMIT) == XML
        assert ours.read_media("f 2.png", LIMIT) == PNG
        assert ours.xml_uri == "/".join([source.uri, str(ID), f"{ID}.xml"])
        assert ours.media_uri("f1.jpg") == f"{source.uri}/{ID}/f1.jpg"


def test_versions_are_sorted_as_numbers_and_may_have_gaps(cloud: Cloud) -> None:
    for article_id in (ArticleId(7, 2), ArticleId(7, 10), ArticleId(70, 3), ArticleId(8, 4)):
        cloud.write_article(article_id)
    source = cloud.source()
    assert listed(source, [ArticleId(7, 0)]) == [ArticleId(7, 10)]
    assert listed(source, [ArticleId(7, 2), ArticleId(8, 0), ArticleId(7, 0), ArticleId(7, 0)]) == [
        ArticleId(7, 2),
        ArticleId(7, 10),
        ArticleId(8, 4),
    ]
    assert listed(source, [ArticleId(7, 1), ArticleId(9, 0), ArticleId(71, 0)]) == []
    assert listed(source, []) == []


def test_many_ids_are_found_as_few_are(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for article_id in (ID, ArticleId(7, 3), ArticleId(9, 4)):
        cloud.write_article(article_id)
    source = cloud.source()
    wanted = [ArticleId(9, 4), ArticleId(8, 1), ArticleId(7, 0)]
    few = source.list_articles(wanted)
    assert few.num_rows == 2
    monkeypatch.setattr(pmc_cloud, "_FEW", 0)
    assert source.list_articles(wanted).equals(few)


def test_other_names_are_no_articles(cloud: Cloud) -> None:
    cloud.write_article(ID)
    for key in ("PMC8.json", "PMC8.0.json", "PMC8.1.txt", "PMC8.1.json.bak", "PMC8.x.json", "PMC/"):
        cloud.put(f"metadata/{key}", b"{}")
    cloud.put("PMC9.1/PMC9.1.xml", XML)
    cloud.put("metadata/deeper/PMC8.1.json", b"{}")
    assert listed(cloud.source()) == [ID]
    assert listed(cloud.source(), [ArticleId(8, 0), ArticleId(9, 1), ArticleId(9, 0)]) == []


def test_without_metadata_the_copies_beside_the_xml_are_taken(cloud: Cloud) -> None:
    texts = {}
    for article_id in (ArticleId(7, 2), ArticleId(7, 10), ArticleId(80, 1)):
        texts[article_id] = cloud.write_article(article_id)
    for article_id, text in texts.items():
        cloud.put(f"{article_id}/{article_id}.json", text)
        cloud.delete(f"metadata/{article_id}.json")
    cloud.put("PMC7.11/other.txt", b"no metadata")
    source = cloud.source()
    table = source.list_articles()
    assert [digest.hex() for digest in table["input_digest"].to_pylist()] == [
        md5(texts[article_id]) for article_id in sorted(texts)
    ]
    assert listed(source, [ArticleId(7, 0), ArticleId(80, 1)]) == [ArticleId(7, 10), ArticleId(80, 1)]
    assert source.read_article(ArticleId(80, 1)).read_xml(LIMIT) == XML


def test_copies_are_listed_page_by_page_and_none_is_asked_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files lie beside them: versions, lengths and other names at every cut of a page."""
    ids = [ArticleId(1, 1), ArticleId(1, 2), ArticleId(1, 10), ArticleId(10, 1), ArticleId(100, 3),
           ArticleId(19, 1), ArticleId(123456789012, 99999)]  # fmt: skip
    for article_id in ids:
        for name in (f"{article_id}.json", f"{article_id}.xml", "a.jpg", "z.jpg", "sub/x.json"):
            cloud.put(f"{article_id}/{name}", f"{article_id} {name}".encode())
    for key in ("PMC2.1/PMC2.1.xml", "PMC2.1/PMC3.1.json", "PMC-ids.csv.gz", "PMC7.1.json", "PMCx/a",
                "PMC5.0/PMC5.0.json", "PMC6.1/sub/PMC6.1.json"):  # fmt: skip
        cloud.put(key, b"{}")
    whole = cloud.source().list_articles()
    assert [d.hex() for d in whole["input_digest"].to_pylist()] == [
        md5(f"{article_id} {article_id}.json".encode()) for article_id in sorted(ids)
    ]
    for size in (1, 2, 3, 5):
        monkeypatch.setattr("biomedica.sources.bucket.PAGE", size)
        with FaultyProxy(cloud.endpoint, **QUIET) as proxy:
            source = cloud.source(endpoint_url=proxy.endpoint)
            assert listed(source) == sorted(ids)
            assert source.list_articles().equals(whole)
            assert all("list-type=2" in path for _, path in proxy.log)


@pytest.fixture
def crowd(cloud: Cloud) -> list[ArticleId]:
    """More than a page, in a shape of many versions, lengths and first digits."""
    ids = [ArticleId(1, version) for version in range(1, 31)]
    ids += [ArticleId(10**6 + number, 1) for number in range(700)]
    ids += [ArticleId(number, 2) for number in range(2, 600)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: cloud.put(f"metadata/{i}.json", str(i).encode()), ids))
    return sorted(ids)


def test_more_articles_than_a_page(
    cloud: Cloud, crowd: list[ArticleId], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cloud.source()
    whole = source.list_articles()
    assert listed(source) == crowd
    assert [d.hex() for d in whole["input_digest"].to_pylist()] == [md5(str(i).encode()) for i in crowd]
    monkeypatch.setattr("biomedica.sources.bucket.PAGE", 7)
    monkeypatch.setattr(pmc_cloud, "_SHARED_DIGITS", 2)
    assert source.list_articles().equals(whole)
    assert listed(source, [ArticleId(1, 0)]) == [ArticleId(1, 30)]


def test_the_root_is_never_listed_without_a_prefix(cloud: Cloud) -> None:
    cloud.write_article(ID)
    with FaultyProxy(cloud.endpoint, **QUIET) as proxy:
        source = cloud.source(endpoint_url=proxy.endpoint, contact="archive@example.org")
        source.list_articles()
        source.list_articles([ID, ArticleId(8, 0)])
        source.read_article(ID).read_xml(LIMIT)
        assert all("prefix=metadata%2FPMC" in path or "prefix=PMC" in path for _, path in lists(proxy))
        assert source.traffic.requests == proxy.requests
        assert {agent.partition("/")[0] for agent in proxy.agents} == {"biomedica"}
        assert all(" (+archive@example.org)" in agent for agent in proxy.agents)
    with pytest.raises(ValueError, match="root"):
        next(source.bucket.pages(""))


def lists(proxy: FaultyProxy) -> list[tuple[str, str]]:
    found = [entry for entry in proxy.log if "list-type=2" in entry[1]]
    assert found
    return found


# --- digests ---------------------------------------------------------------------------------


def test_an_etag_of_a_multipart_upload_is_a_digest_too(cloud: Cloud) -> None:
    data = cloud.write_article(ID)
    key = f"metadata/{ID}.json"
    upload = cloud.client.create_multipart_upload(Bucket=cloud.name, Key=key)["UploadId"]
    place = {"Bucket": cloud.name, "Key": key, "UploadId": upload}
    etag = cloud.client.upload_part(**place, PartNumber=1, Body=data)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    cloud.client.complete_multipart_upload(**place, MultipartUpload=parts)
    source = cloud.source()
    (digest,) = source.list_articles()["input_digest"].to_pylist()
    assert digest.hex() != md5(data)
    assert source.list_articles([ID])["input_digest"].to_pylist() == [digest]
    assert source.read_article(ID).input_digest == digest.hex()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_every_etag_is_a_digest(text: str) -> None:
    assert len(etag_digest(text)) == 16
    assert etag_digest(f'"{text}"') == etag_digest(f'W/"{text}"') == etag_digest(text.strip('"')) or (
        text.startswith("W/")
    )


@given(st.binary())
def test_the_etag_of_a_plain_upload_is_the_md5_of_the_folder(data: bytes) -> None:
    assert etag_digest(f'"{md5(data)}"').hex() == md5(data)
    assert etag_digest(f'"{md5(data)}-3"') not in (bytes.fromhex(md5(data)), UNREAD_DIGEST)
    assert etag_digest("") == etag_digest('""') == UNREAD_DIGEST


def test_metadata_whose_etag_is_no_md5_is_believed_when_two_answers_agree(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a bucket that encrypts with a key of its own."""
    cloud.write_article(ID)
    real, asked = Bucket.get, []

    def encrypted(self: Bucket, key: str, limit: int) -> Any:
        asked.append(key)
        found = real(self, key, limit)
        return found and (found[0], f'"{md5(key.encode())}"')

    monkeypatch.setattr(Bucket, "get", encrypted)
    article = cloud.source().read_article(ID)
    assert article.input_digest == md5(f"metadata/{ID}.json".encode())
    assert asked == [f"metadata/{ID}.json"] * 2


# --- objects ---------------------------------------------------------------------------------


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        action()
    return caught.value.reason


def test_what_is_missing(cloud: Cloud) -> None:
    cloud.write_article(ID, {"f1.jpg": JPG})
    source = cloud.source()
    assert refusal(lambda: source.read_article(ArticleId(8, 1))) == "unknown_id"
    article = source.read_article(ID)
    cloud.delete(f"{ID}/{ID}.xml")
    cloud.delete(f"{ID}/f1.jpg")
    assert refusal(lambda: article.read_xml(LIMIT)) == "xml_missing"
    assert refusal(lambda: article.read_media("f1.jpg", LIMIT)) == "media_missing"
    assert refusal(lambda: article.read_media("f9.jpg", LIMIT)) == "media_missing"


def test_what_vanishes_with_its_metadata_waits(cloud: Cloud) -> None:
    cloud.write_article(ID, {"f1.jpg": JPG})
    article = cloud.source().read_article(ID)
    cloud.delete(f"{ID}/{ID}.xml")
    cloud.put(f"metadata/{ID}.json", json.dumps(document(ID)).encode())
    with pytest.raises(Deferred, match="changed"):
        article.read_xml(LIMIT)
    cloud.delete(f"metadata/{ID}.json")
    with pytest.raises(Deferred, match="changed"):
        article.read_xml(LIMIT)


def test_bytes_that_disagree_with_their_md5_wait(cloud: Cloud) -> None:
    cloud.write_article(ID, {"f1.jpg": JPG})
    source = cloud.source()
    article = source.read_article(ID)
    for name, html in ((f"{ID}.xml", b"<html/>"), ("f1.jpg", JPG + b"!")):
        cloud.put(f"{ID}/{name}", html)
    before = source.traffic.requests
    with pytest.raises(Deferred, match="disagrees"):
        article.read_xml(LIMIT)
    with pytest.raises(Deferred, match="disagrees"):
        article.read_media("f1.jpg", LIMIT)
    assert source.traffic.requests - before == 6
    assert article.media_read == article.bytes_read == 0


def test_an_answer_without_md5_is_taken_as_it_is(cloud: Cloud) -> None:
    cloud.write_article(ID, xml_url=url(ID, f"{ID}.xml"))
    cloud.put(f"{ID}/{ID}.xml", b"<html/>")
    assert cloud.source().read_article(ID).read_xml(LIMIT) == b"<html/>"


def test_metadata_that_is_wrong(cloud: Cloud) -> None:
    cloud.write_article(ID)
    source = cloud.source()
    cloud.put(f"metadata/{ID}.json", b"<html/>")
    assert refusal(lambda: source.read_article(ID)) == "metadata_invalid"
    cloud.put(f"metadata/{ID}.json", json.dumps(document(ArticleId(8, 1))).encode())
    assert refusal(lambda: source.read_article(ID)) == "metadata_mismatch"


def test_limits_are_kept_without_the_whole_of_a_larger_object(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = bytes(3 << 20)
    cloud.write_article(ID, {"f1.jpg": big})
    source = cloud.source()
    article = source.read_article(ID)
    assert article.read_media("f1.jpg", len(big)) == big
    assert refusal(lambda: article.read_media("f1.jpg", len(big) - 1)) == "too_large"
    assert refusal(lambda: article.read_xml(len(XML) - 1)) == "too_large"
    assert (article.media_read, article.bytes_read) == (1, len(big))
    monkeypatch.setattr(pmc_cloud, "MAX_METADATA_BYTES", 10)
    assert refusal(lambda: source.read_article(ID)) == "metadata_invalid"


def test_an_encoded_name_is_found_as_it_is_and_as_it_was_meant(cloud: Cloud) -> None:
    names = ("a%20b.jpg", "c%23d.jpg", "sub%2Fdir.jpg", "%2e%2e")
    cloud.write_article(ID, media_urls=[url(ID, name, JPG) for name in names])
    cloud.put(f"{ID}/a%20b.jpg", JPG)
    cloud.put(f"{ID}/c#d.jpg", JPG)
    cloud.put(f"{ID}/sub/dir.jpg", JPG)
    article = cloud.source().read_article(ID)
    assert article.read_media(names[0], LIMIT) == article.read_media(names[1], LIMIT) == JPG
    for name in names[2:]:
        assert refusal(lambda name=name: article.read_media(name, LIMIT)) == "media_missing"  # type: ignore[misc]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40).filter(is_safe_name))
def test_any_safe_name_is_a_key(cloud: Cloud, name: str) -> None:
    data = name.encode()
    cloud.put(f"{ID}/{name}", data)
    assert cloud.source().read_object(ID, name, LIMIT) == data


def test_threads_and_pickles(cloud: Cloud) -> None:
    media = {f"f{number}.jpg": bytes([number]) * 100 for number in range(30)}
    cloud.write_article(ID, media)
    source = pickle.loads(pickle.dumps(cloud.source(contact="x")))  # noqa: S301
    assert source.bucket.config.contact == "x"
    assert source.traffic.requests == 0
    article = source.read_article(ID)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda name: article.read_media(name, LIMIT), media))
    assert read == list(media.values())
    assert (article.media_read, article.bytes_read, source.traffic.requests) == (30, 3000, 31)


# --- doors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    ["s3://", "s3://UPPER", "s3://b", "s3://key:secret@bucket/x", "s3://bucket/a?x=1", "s3://bucket/a#b",
     "s3://bucket/../x", "s3://bucket/a//b", "s3:/bucket", "s3://bucket/a\nb"],
)  # fmt: skip
def test_uris_that_are_no_bucket(uri: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(uri)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_uris() -> None:
    assert open_source("S3://bucket").uri == open_source("s3://bucket/").uri == "s3://bucket"
    assert open_source("s3://bucket/a/b/").uri == "s3://bucket/a/b"
    assert isinstance(open_source("s3://bucket"), PmcCloudSource)
    assert open_source("s3://pmc-oa-opendata").traffic.requests == 0


def test_a_profile_signs(
    new_cloud: Callable[..., Cloud], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = new_cloud(public=False)
    cloud.write_article(ID)
    keys = tmp_path / "keys"
    keys.write_text(f"[lab]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    with pytest.raises(Deferred, match="403"):
        cloud.source().read_article(ID)
    for fetch in ({"profile": "lab"}, {"anonymous": False}):
        monkeypatch.setenv("AWS_PROFILE", "lab")
        source = cloud.source(**fetch)
        assert listed(source) == [ID]
        assert source.read_article(ID).read_xml(LIMIT) == XML
        kept = pickle.dumps(source)
        assert SECRET.encode() not in kept
        assert SECRET not in repr(source) + repr(vars(source)) + repr(source.read_article(ID))
    monkeypatch.delenv("AWS_PROFILE")
    for fetch in ({"profile": "other"}, {"anonymous": False}):
        with pytest.raises(SourceError, match="no usable AWS credentials"):
            cloud.source(**fetch).list_articles()


def test_a_folder_of_real_layout_is_read_the_same(cloud: Cloud, tmp_path: Any) -> None:
    from biomedica.sources.sample import write_sample

    write_sample(tmp_path / "sample", articles=4, seed=1)
    shutil.rmtree(tmp_path / "sample" / "models", ignore_errors=True)
    cloud.upload(tmp_path / "sample")
    folder, source = DirectorySource(str(tmp_path / "sample")), cloud.source()
    assert source.list_articles().equals(folder.list_articles())
    for article_id in listed(folder):
        theirs, ours = folder.read_article(article_id), source.read_article(article_id)
        assert ours.metadata == theirs.metadata
        assert ours.input_digest == theirs.input_digest
        for name in theirs.metadata.media:
            assert ours.read_media(name, LIMIT) == theirs.read_media(name, LIMIT)
