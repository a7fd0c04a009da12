"""What goes wrong between us and a bucket: what it means for an article, and for the source."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from biomedica.config import FetchConfig
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import UNREAD_DIGEST, PmcCloudSource, bucket, pmc_cloud
from biomedica.sources.access import Access
from tests.faulty import FaultyProxy
from tests.sources.conftest import ACCESS, SECRET, Cloud, listed
from tests.sources.layout import XML

ID = ArticleId(7, 1)
LIMIT = 1 << 20
JPG = b"jpg bytes" * 2000
NONE = {"unavailable": 0.0, "resets": 0.0, "truncated": 0.0, "corrupted": 0.0}
PASSING = ("unavailable", "resets", "truncated")


@pytest.fixture
def proxied(cloud: Cloud) -> Iterator[Callable[..., tuple[PmcCloudSource, FaultyProxy]]]:
    """Makes a source whose requests pass a proxy with these faults."""
    cloud.write_article(ID, {"f1.jpg": JPG})
    opened: list[FaultyProxy] = []

    def make(*, retries: int = 0, **faults: Any) -> tuple[PmcCloudSource, FaultyProxy]:
        proxy = FaultyProxy(cloud.endpoint, seed=7, **(NONE | faults))
        opened.append(proxy.__enter__())
        return cloud.source(endpoint_url=proxy.endpoint, retries=retries), proxy

    yield make
    for proxy in opened:
        proxy.__exit__()


def objects(name: str) -> Callable[[str, str], bool]:
    return lambda _, path: path.endswith(name)


Proxied = Callable[..., tuple[PmcCloudSource, FaultyProxy]]


# --- one object --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_tried_again_then_deferred(proxied: Proxied, fault: str) -> None:
    source, proxy = proxied(retries=2, always={".xml": fault})
    article = source.read_article(ID)
    with pytest.raises(Deferred, match=r"cannot read s3://\S+ now \(\S"):
        article.read_xml(LIMIT)
    assert proxy.injected == {fault: 3}
    assert article.read_media("f1.jpg", LIMIT) == JPG
    proxy.always.clear()
    assert article.read_xml(LIMIT) == XML


@pytest.mark.parametrize("fault", PASSING)
def test_metadata_that_cannot_be_had(proxied: Proxied, fault: str) -> None:
    source, proxy = proxied(always={".json": fault})
    with pytest.raises(Deferred):
        source.read_article(ID)
    proxy.always.clear()
    assert source.read_article(ID).read_xml(LIMIT) == XML


@pytest.mark.parametrize("fault", ["corrupted", "html"])
@pytest.mark.parametrize("name", [f"{ID}.xml", "f1.jpg"])
def test_an_answer_that_is_not_the_object(proxied: Proxied, fault: str, name: str) -> None:
    source, proxy = proxied(always={name: fault})
    article = source.read_article(ID)
    with pytest.raises(Deferred, match="disagrees with the MD5"):
        read(article, name)
    assert proxy.injected == {fault: 2}
    proxy.always.clear()
    assert read(article, name)


@pytest.mark.parametrize("fault", ["corrupted", "html"])
def test_an_answer_that_is_not_the_metadata(
    proxied: Proxied, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100))
    monkeypatch.setattr(FaultyProxy, "bit", lambda *_: next(numbers))
    source, proxy = proxied(always={".json": fault})
    with pytest.raises(Deferred, match="is not the object"):
        source.read_article(ID)
    proxy.always.clear()
    assert source.read_article(ID).read_xml(LIMIT) == XML


def test_a_spoilt_answer_is_had_right_the_second_time(proxied: Proxied) -> None:
    source, proxy = proxied(corrupted=0.5, where=objects(".xml"))
    for _ in range(12):
        article = source.read_article(ID)
        try:
            assert article.read_xml(LIMIT) == XML
        except Deferred:
            continue
    assert proxy.injected["corrupted"] >= 2


def read(article: Any, name: str) -> bytes:
    if name.endswith(".xml"):
        return article.read_xml(LIMIT)  # type: ignore[no-any-return]
    return article.read_media(name, LIMIT)  # type: ignore[no-any-return]


def test_a_404_that_is_not_of_s3_says_nothing_of_the_object(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = proxied(always={".xml": "hide"})
    article = source.read_article(ID)
    with pytest.raises(Rejected, match="xml_missing"):
        article.read_xml(LIMIT)
    monkeypatch.setattr(bucket, "_no_such_key", lambda _: False)
    with pytest.raises(Deferred):
        article.read_xml(LIMIT)


def test_ids_of_a_bucket_whose_metadata_cannot_all_be_had(cloud: Cloud, proxied: Proxied) -> None:
    """The command says which, ends with 1, and lists the others."""
    from typer.testing import CliRunner

    from biomedica.cli import app

    ids = [ArticleId(number, 1) for number in (8, 9, 10)]
    for article_id in ids:
        cloud.write_article(article_id)
    source, proxy = proxied(always={"PMC9.1.json": "unavailable"})
    words = ["ids", "--source", source.uri, "--source-endpoint-url", proxy.endpoint]
    words += ["--set", "fetch.retries=0", "--where", "license_code = 'CC BY'"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout.split()) == (1, ["PMC7.1", "PMC8.1", "PMC10.1"])
    assert "1 articles deferred" in done.stderr
    assert "PMC9.1  cannot read" in done.stderr
    proxy.always.clear()
    done = CliRunner().invoke(app, [*words, "--json"])
    values = json.loads(done.stdout)
    assert (done.exit_code, values["exit_status"], values["articles_deferred"]) == (0, 0, 0)
    assert values["ids"] == ["PMC7.1", "PMC8.1", "PMC9.1", "PMC10.1"]


# --- 403 ---------------------------------------------------------------------------------------


def test_403_on_one_key_is_tried_once_more(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr(bucket, "REFUSED_PAUSE", 3.0)
    source, proxy = proxied(always={".xml": "forbidden"})
    article = source.read_article(ID)
    for _ in range(20):
        with pytest.raises(Deferred, match="refused"):
            article.read_xml(LIMIT)
    assert proxy.injected == {"forbidden": 40}
    assert pauses == [3.0] * 20
    assert article.read_media("f1.jpg", LIMIT) == JPG


def test_403_on_every_key_stops(proxied: Proxied) -> None:
    """Twenty articles, each asked for twice but the last."""
    source, proxy = proxied(forbidden=1.0)
    for number in range(1, 20):
        for _ in range(2):
            with pytest.raises(Deferred, match="refused"):
                source.read_article(ArticleId(number, 1))
    with pytest.raises(SourceError, match=r"^not allowed to read s3://\S+ at \S+: all of the first 20 "
                       r"objects were refused \(403 AccessDenied\).*policy.*fetch\.anonymous=false") as caught:  # fmt: skip
        source.read_article(ArticleId(20, 1))
    assert proxy.injected["forbidden"] == 19 * 4 + 1
    assert "\n" not in str(caught.value)


def test_403_on_every_key_but_one_does_not_stop(proxied: Proxied) -> None:
    source, _ = proxied(forbidden=1.0, where=lambda _, path: "PMC7.1" not in path)
    assert source.read_article(ID).read_xml(LIMIT) == XML
    for number in range(100, 130):
        with pytest.raises(Deferred, match="refused"):
            source.read_article(ArticleId(number, 1))


@pytest.mark.parametrize(
    ("fetch", "code", "words"),
    [
        ({}, "AccessDenied", r"policy, or its requester who pays, .*fetch\.anonymous=false"),
        ({"anonymous": False}, "AccessDenied", "does not admit the AWS chain.*from a copy"),
        ({"profile": "mine"}, "InvalidAccessKeyId", "profile 'mine' do not count there: log in"),
        ({"anonymous": False}, "RequestTimeTooSkewed", "the clock of this machine is wrong"),
        ({"anonymous": False}, "", "403 Forbidden"),
    ],
)
def test_what_is_likely_where_everything_is_refused(
    fetch: dict[str, Any], code: str, words: str
) -> None:
    text = str(Access("bucket", FetchConfig(**fetch)).all_refused(20, code))
    assert re.search(words, text)
    assert "s3://bucket" in text
    assert "\n" not in text


def test_403_on_every_key_that_is_looked_up_stops_before_a_run(proxied: Proxied) -> None:
    source, _ = proxied(forbidden=1.0, where=lambda method, _: method == "HEAD")
    assert source.list_articles([ID])["input_digest"].to_pylist() == [UNREAD_DIGEST]
    with pytest.raises(SourceError, match="not allowed"):
        source.list_articles([ArticleId(number, 1) for number in range(1, 30)])


def test_a_key_that_cannot_be_looked_up_now_waits(proxied: Proxied) -> None:
    source, proxy = proxied(unavailable=1.0, where=lambda method, _: method == "HEAD")
    assert source.list_articles([ID])["input_digest"].to_pylist() == [UNREAD_DIGEST]
    assert proxy.injected == {"unavailable": 1}


# --- the source as a whole -----------------------------------------------------------------------


def sentence(action: Callable[[], object]) -> str:
    with pytest.raises(SourceError) as caught:
        action()
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert ACCESS not in text
    return text


@pytest.fixture
def few_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 tries again at once, and does not slow down after a SlowDown."""
    retries = "botocore.retries"
    monkeypatch.setattr(f"{retries}.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(
        f"{retries}.adaptive.ClientRateLimiter.on_sending_request", lambda *_, **__: None
    )


def test_an_empty_bucket(cloud: Cloud) -> None:
    for ids in (None, [], [ID]):
        assert "not in PMC's layout" in sentence(lambda ids=ids: cloud.source().list_articles(ids))  # type: ignore[misc]
    cloud.write_article(ID)
    for prefix in ("elsewhere", "metadata", str(ID)):
        assert "not in PMC's layout" in sentence(cloud.source(prefix).list_articles)


def test_no_bucket(cloud: Cloud) -> None:
    source = PmcCloudSource("s3://nobody-has-this", cloud.source().bucket.config)
    assert "there is no bucket nobody-has-this" in sentence(source.list_articles)
    assert "there is no bucket" in sentence(lambda: source.read_article(ID))


def test_a_bucket_that_may_not_be_read(new_cloud: Callable[..., Cloud], proxied: Proxied) -> None:
    source, _ = proxied(forbidden=1.0)
    text = sentence(source.list_articles)
    assert "not allowed to list" in text
    assert "fetch.anonymous=false" in text


def test_no_endpoint(cloud: Cloud, few_waits: None) -> None:
    source = cloud.source(endpoint_url="http://127.0.0.1:9", retries=8)
    text = sentence(source.list_articles)
    assert "http://127.0.0.1:9 does not answer" in text
    assert "fetch.endpoint_url" in text
    with pytest.raises(Deferred):
        cloud.source(endpoint_url="http://127.0.0.1:9").read_article(ID)


def test_an_endpoint_that_goes_down_in_mid_run(proxied: Proxied) -> None:
    source, proxy = proxied()
    article = source.read_article(ID)
    proxy.down = True
    with pytest.raises(Deferred):
        article.read_xml(LIMIT)
    with pytest.raises(Deferred):
        source.read_article(ID)
    assert "does not answer" in sentence(source.list_articles)


def test_credentials_that_are_none_of_the_bucket(
    cloud: Cloud, proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"):
        assert "no usable AWS credentials" in str(answer(cloud, code, 403))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    source, _ = proxied(forbidden=1.0)
    signing = PmcCloudSource(source.uri, source.bucket.config.model_copy(update={"anonymous": False}))
    assert "these credentials" in sentence(signing.list_articles)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("PermanentRedirect", 301, "set fetch.region"),
        ("AuthorizationHeaderMalformed", 400, "set fetch.region"),
        ("301", 301, "set fetch.region"),
        ("NoSuchBucket", 404, "there is no bucket"),
        ("AccessDenied", 403, "not allowed"),
        ("SlowDown", 503, "answers SlowDown"),
        ("<b>\n", 500, "answers status 500"),
    ],
)
def test_what_an_answer_means(cloud: Cloud, code: str, status: int, words: str) -> None:
    assert words in str(answer(cloud, code, status))


def answer(cloud: Cloud, code: str, status: int) -> SourceError:
    from botocore.exceptions import ClientError

    error = ClientError(
        {"Error": {"Code": code, "Message": SECRET}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "ListObjectsV2",
    )
    fault = Access(cloud.name, cloud.source().bucket.config).fault(error, "list")
    assert SECRET not in str(fault)
    assert "\n" not in str(fault)
    return fault


def test_a_bucket_of_another_region(cloud: Cloud) -> None:
    """AWS tells the region of a bucket with every listing."""
    cloud.write_article(ID)
    with FaultyProxy(cloud.endpoint, seed=0, **NONE) as proxy:
        real = proxy.forward
        proxy.forward = lambda *args: add_region(real(*args))  # type: ignore[method-assign]
        source = cloud.source(endpoint_url=proxy.endpoint)
        assert "set fetch.region=eu-west-1" in sentence(source.list_articles)
        there = cloud.source(endpoint_url=proxy.endpoint, region="eu-west-1")
        assert listed(there) == [ID]


def add_region(answer: tuple[int, str, list[tuple[str, str]], bytes]) -> Any:
    status, reason, headers, body = answer
    return status, reason, [*headers, ("x-amz-bucket-region", "eu-west-1")], body


# --- listings that break off -----------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["unavailable", "resets", "truncated", "html", "forbidden"])
def test_a_listing_that_breaks_off_is_no_shorter_list(
    cloud: Cloud, proxied: Proxied, fault: str, few_waits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8, 12):
        cloud.put(f"metadata/PMC{number}.1.json", b"{}")
    monkeypatch.setattr(bucket, "PAGE", 2)
    monkeypatch.setattr(pmc_cloud, "_SHARED_DIGITS", 0)
    source, proxy = proxied(where=lambda _, path: "continuation-token" in path, **{fault: 1.0})
    sentence(source.list_articles)
    assert proxy.injected[fault] == 1
    sentence(lambda: source.list_articles([ArticleId(7, 0)]) if not add_versions(cloud) else None)


def add_versions(cloud: Cloud) -> None:
    for version in range(2, 6):
        cloud.put(f"metadata/PMC7.{version}.json", b"{}")


@pytest.mark.parametrize("fault", PASSING)
def test_every_page_of_a_listing_is_tried_again(
    cloud: Cloud, proxied: Proxied, few_waits: None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [ArticleId(number, 1) for number in range(7, 12)]
    for article_id in ids[1:]:
        cloud.put(f"metadata/{article_id}.json", b"{}")
    monkeypatch.setattr(bucket, "PAGE", 2)
    failed: set[str] = set()

    def first_time(_: str, path: str) -> bool:
        known = path in failed
        failed.add(path)
        return not known

    source, proxy = proxied(retries=2, where=first_time, **{fault: 1.0})
    assert listed(source) == ids
    assert proxy.injected[fault] == len(failed) >= 4


# --- all at once -----------------------------------------------------------------------------------


def test_under_faults_an_article_is_right_or_waits(cloud: Cloud, proxied: Proxied) -> None:
    media = {f"f{number}.jpg": bytes([number]) * 5000 for number in range(20)}
    ids = [ArticleId(number, 1) for number in range(20, 26)]
    for article_id in ids:
        cloud.write_article(article_id, media)
    source, proxy = proxied(retries=4, unavailable=0.05, resets=0.02, truncated=0.01, corrupted=0.05)
    assert listed(source) == [ID, *ids]
    for article_id in ids:
        article = source.read_article(article_id)
        for name, data in media.items():
            try:
                assert article.read_media(name, LIMIT) == data
            except Deferred:
                continue
    assert proxy.injected["corrupted"]
    assert proxy.requests >= source.traffic.requests
