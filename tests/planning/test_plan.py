"""Plans by hand: hours, requests, bytes, objects, dollars."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import ConfigError
from biomedica.planning import Counts, Fleet, Plan, chosen_models, local_fleet, make_plan, read_cluster
from biomedica.planning.estimate import gpu_rate, storage_per_month
from biomedica.planning.work import ImageKind, demand_of, image_seconds, work_of
from tests.planning.worked import CLUSTER, known, round_rates, some

RATES = round_rates()
KNOWN = known()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cluster") / "cluster.yaml"
    path.write_text(CLUSTER)
    return path


def planned(counts: Counts, fleet: Fleet, *models: str, rates=RATES, assume=()) -> Plan:  # type: ignore[no-untyped-def]
    return make_plan(counts, rates, fleet, known(*assume), chosen_models(models, rates))


# -- what has to be done


def test_a_slice_of_the_measured_source_by_hand() -> None:
    """1,000 articles: 800 pass, each with 20 / 8 images; 15 of 20 small JPEGs of 100 kB, 5 TIFFs of 1 MB."""
    demand = demand_of(some(1000), RATES, KNOWN)
    assert demand.images == 2000
    assert demand.xml_bytes == 100_000
    assert demand.image_bytes == 0.75 * 100_000 + 0.25 * 1_000_000
    assert demand.stored_image_bytes == 0.75 * 100_000 + 0.25 * 500_000
    work = work_of(demand, RATES, RATES.encode, KNOWN, in_bucket=False)
    assert work.reads == 2 * 1000 + 2000
    assert work.gets == 0
    # 2 kB of metadata and 100 kB of XML each; 2,000 images of 325 kB
    assert work.bytes_read == 1000 * 102_000 + 2000 * 325_000 == 752e6
    assert work.cpu_seconds == pytest.approx(
        {
            "read": 4000 * 0.001 + 752 * 0.002,
            "parse": 1000 * 0.01,
            "image": 1500 * 0.004 + 500 * 0.5,
            "write": 1000 * 0.001 + 2000 * 0.0005 + 400 * 0.005,
        }
    )
    assert work.encode_seconds == pytest.approx(2000 / 50)
    # embeddings: 249 x 4 + 4 bytes
    assert work.bytes_written == pytest.approx(400e6 + 2000 * 4000 + 1000 * 20_000 + 2000 * 1000)
    assert work.shards == 32  # 32 ids a chunk
    # 12.5 MB of images a shard are one slice: articles, pairs, rejects, embeddings
    assert work.data_files == 32 * 4


def test_time_on_one_machine_by_hand() -> None:
    """Four cores at 0.8 of one alone, 0.87 of the kernels; start 8 s and the model's 3 s."""
    plan = planned(some(1000), local_fleet(RATES.machine), "ViT-T")
    seconds = 5.504 + 10 + 256 + 4 + 40
    found = plan.estimate
    assert found.resources["cores"] == pytest.approx(seconds / 4 / 0.8)
    assert found.bottleneck == "cores"
    assert set(found.resources) == {"cores", "driver"}
    assert found.start_seconds == 11
    assert found.work_seconds == pytest.approx(seconds / 4 / 0.8 / 0.87)
    assert found.tail_seconds == pytest.approx(seconds / 32 / 0.8 / 0.87 / 2)
    assert found.seconds == pytest.approx(11 + found.work_seconds + found.tail_seconds)
    # at the first shard's end after five seconds, and at the end of all
    assert found.commits == pytest.approx(found.work_seconds / (5 + found.work_seconds / 32 / 2) + 1)
    # 32 files of four tables; their logs with a checkpoint in ten entries; nine others
    assert found.objects == pytest.approx(32 * 4 + 4 * (found.commits + 2) * 1.1 + 4 + 9)
    assert plan.bill.total == 0
    assert plan.storage_per_month == 0


def test_the_metadata_counts_before_means() -> None:
    """600 pass and name 3,000 image files, of which figures show 20 of 40 in the sample."""
    counts = some(1000, taken=600, images_listed=3000)
    assert demand_of(counts, RATES, KNOWN).images == 1500
    other = some(1000, "s3://elsewhere", taken=600, images_listed=3000)
    assert demand_of(other, RATES, KNOWN).images == pytest.approx(3000 * 0.67)
    given = known("images_per_article=7", "images_used_share=0.1")
    assert demand_of(counts, RATES, given).images == 600 * 7


def test_another_source_is_assumed_and_says_so() -> None:
    demand = demand_of(some(1000, "s3://pmc-oa-opendata"), RATES, KNOWN)
    assert demand.images == 4000
    assert demand.xml_bytes == 90_000
    assert demand.image_bytes == pytest.approx(0.52 * 76_000 + 0.41 * 141_000 + 0.07 * 476_000)
    assert {one.basis for one in demand.basis} == {"assumed"}
    own = demand_of(some(1000), RATES, KNOWN)
    assert {one.basis for one in own.basis if one.name != "metadata_bytes"} == {"measured"}


def test_images_that_were_not_measured_go_by_the_nearest_size() -> None:
    kind = ImageKind("jpeg", "2_to_12", 1.0, 1, 1)
    assert image_seconds(RATES.images, kind) == pytest.approx(0.01 * 4.0 / 1.0)
    large = ImageKind("tiff", "over_12", 1.0, 1, 1)
    assert image_seconds(RATES.images, large) == pytest.approx(0.5 * 20 / 5)
    unknown = ImageKind("bmp", "0.5_to_2", 1.0, 1, 1)
    assert image_seconds(RATES.images, unknown) == 0.01


# -- on a cluster


def test_a_bucket_on_a_cluster_by_hand(cluster: Path) -> None:
    """4 spot m7i.4xlarge and the head: 72 cores, 4 x 6.2 + 3.1 Gbit/s."""
    fleet = read_cluster(cluster)
    assert (fleet.cores, fleet.gpus, fleet.nodes) == (72, 0, 5)
    assert fleet.gbps == pytest.approx(27.9)
    assert fleet.dollars_per_hour == pytest.approx(0.4032 + 4 * 0.8064 * 0.4)
    plan = planned(some(1_000_000, "s3://mine/pmc"), fleet)
    work, found = plan.work, plan.estimate
    assert work.shards == 5000
    assert work.reads == 6_000_000
    assert work.gets == 6_000_000 + 1000  # pages of the listing
    assert found.resources["requests"] == pytest.approx(6_001_000 / 5500)
    assert found.resources["network"] == pytest.approx(work.bytes_read / (27.9 * 1.25e8))
    # 72 actors read 288 articles ahead; 1,024 requests of a run in flight are fewer than 72 x 16
    assert found.resources["waiting for reads"] == pytest.approx(1e6 * 0.06 / 288 + 4e6 * 0.03 / 1024)
    assert found.start_seconds == 308
    hours = found.seconds / 3600
    assert plan.bill.machines == pytest.approx(hours * fleet.dollars_per_hour)
    assert plan.bill.disks == pytest.approx(hours * 400 * 0.08 / 730)
    requests = found.objects * 0.005 / 1000 + work.gets * 0.0004 / 1000
    assert plan.bill.requests == pytest.approx(requests)
    free = planned(some(1_000_000, "s3://pmc-oa-opendata"), fleet)
    assert free.bill.requests == pytest.approx(free.estimate.objects * 0.005 / 1000)


def test_gpus_take_the_encoding_from_the_cores(cluster: Path) -> None:
    """An L4: 121 TFLOP/s, 0.3 of it, 4 GFLOP an image."""
    without = planned(some(10_000, "s3://mine/pmc"), read_cluster(cluster), "ViT-T")
    fleet = read_cluster(cluster, ["gpu=1"])
    plan = planned(some(10_000, "s3://mine/pmc"), fleet, "ViT-T")
    assert plan.estimate.resources["GPUs"] == pytest.approx(40_000 / (121e12 * 0.3 / 4e9))
    assert plan.estimate.resources["network of GPU nodes"] == pytest.approx(
        40_000 * 3 * 200 * 200 / 1.25e9
    )
    cores = plan.work.core_seconds / 88 / 0.8
    assert plan.estimate.resources["cores"] == pytest.approx(cores * 88 / min(88, plan.work.shards))
    assert without.estimate.resources["cores"] > plan.estimate.resources["cores"]
    basis = {one.name: one for one in plan.assumptions}
    assert basis["encode_gpu"].basis == "assumed"
    assert "4.0 GFLOP an image" in basis["encode_gpu"].source


def test_a_rate_of_one_gpu_goes_to_another_by_their_peaks(cluster: Path) -> None:
    machine = RATES.machine.model_copy(update={"gpu": "NVIDIA H100 80GB HBM3"})
    model = RATES.encode[0].model_copy(update={"device": "cuda", "images_per_second": 9890.0})
    rates = RATES.model_copy(update={"machine": machine, "encode": (model,)})
    group = next(g for g in read_cluster(cluster, ["gpu=2"]).groups if g.gpus)
    assert gpu_rate(group, [model], rates, KNOWN) == pytest.approx(1210)
    with pytest.raises(ConfigError, match="have no GPU and ViT-T was measured on one"):
        planned(some(10), read_cluster(cluster), "ViT-T", rates=rates)
    silent = RATES.encode[0].model_copy(update={"flops_per_image": 0.0})
    with pytest.raises(ConfigError, match="nothing tells how fast ViT-T is on the GPUs of gpu"):
        gpu_rate(group, [silent], RATES, KNOWN)


def test_what_if_names_the_bottleneck(cluster: Path) -> None:
    plan = planned(some(1_000_000, "s3://mine/pmc"), read_cluster(cluster), "ViT-T")
    rows = {one.what: one for one in plan.what_if}
    assert set(rows) == {
        *(f"{what} × {factor}" for what in ("cores", "network") for factor in ("0.5", "1", "2", "4")),
        *(f"{count} of gpu" for count in (1, 2, 4)),
    }
    assert rows["cores × 1"].seconds == plan.estimate.seconds
    assert rows["cores × 2"].cores == 8 + 2 * 64
    assert rows["cores × 1"].bottleneck == "cores"
    assert rows["cores × 0.5"].seconds > rows["cores × 1"].seconds
    assert rows["1 of gpu"].gpus == 1
    slow = planned(
        some(1_000_000, "s3://mine/pmc"), read_cluster(cluster), assume=["requests_per_second=50"]
    )
    assert {one.bottleneck for one in slow.what_if} == {"requests"}


def test_storage_has_steps() -> None:
    assert storage_per_month(1000) == pytest.approx(23)
    assert storage_per_month(60_000) == pytest.approx(51_200 * 0.023 + 8_800 * 0.022)
    assert storage_per_month(600_000) == pytest.approx(
        51_200 * 0.023 + 460_800 * 0.022 + 88_000 * 0.021
    )


# -- what always holds

SOURCES = st.sampled_from(["file:///corpus", "s3://mine/pmc", "s3://pmc-oa-opendata"])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**7), st.floats(0.1, 50), SOURCES, st.booleans(), st.booleans())
def test_more_machines_are_never_slower(
    cluster: Path, articles: int, factor: float, source: str, with_model: bool, with_gpus: bool
) -> None:
    fleet = read_cluster(cluster, ["gpu=2"] if with_gpus else [])
    models = ["ViT-T"] if with_model else []
    before = planned(some(articles, source), fleet, *models)
    for change in ({"cores": 1 + factor}, {"gpus": 1 + factor}, {"network": 1 + factor}):
        after = planned(some(articles, source), fleet.scaled(**change), *models)
        assert after.estimate.seconds <= before.estimate.seconds * (1 + 1e-9), change


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**7), SOURCES, st.integers(0, 20), st.booleans())
def test_nothing_is_below_zero(
    cluster: Path, articles: int, source: str, gpus: int, with_model: bool
) -> None:
    plan = planned(
        some(articles, source),
        read_cluster(cluster, [f"gpu={gpus}"]),
        *(["ViT-T"] if with_model else []),
    )
    costs, found = plan.bill, plan.estimate
    assert min(costs.machines, costs.disks, costs.requests, plan.storage_per_month) >= 0
    assert (
        min(*found.resources.values(), found.start_seconds, found.work_seconds, found.tail_seconds) >= 0
    )
    assert found.seconds >= max(found.resources.values())
    assert all(one.dollars >= 0 and one.seconds > 0 for one in plan.what_if)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**5), st.integers(2, 50), SOURCES)
def test_totals_are_linear_in_articles(articles: int, times: int, source: str) -> None:
    def totals(count: int) -> list[float]:
        in_bucket = source.startswith("s3:")
        work = work_of(
            demand_of(some(count, source), RATES, KNOWN),
            RATES,
            RATES.encode,
            KNOWN,
            in_bucket=in_bucket,
        )
        return [
            work.core_seconds,
            work.encode_seconds or 0,
            work.bytes_read,
            work.bytes_written,
            work.reads,
        ]

    many, one = totals(articles * times), totals(articles)
    assert many == pytest.approx([times * value for value in one])


# -- bad input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLUSTER.replace("max_workers: 4", "max_workers: 0"), "asks for no workers"),
        (CLUSTER.replace("m7i.4xlarge", "x9z.enormous"), "--price x9z.enormous=1.20,16,0"),
        (CLUSTER.replace("{InstanceType: g6.4xlarge}", "{}"), "--price TYPE=1.20,16,0"),
        (CLUSTER.replace("max_workers: 4", "max_workers: many"), "max_workers of cpu is no number"),
        ("available_node_types: [1]", "no available_node_types"),
        ("- 1", "no available_node_types"),
        ("a: [", "cannot read the cluster file"),
        ("", "no available_node_types"),
    ],
)
def test_a_cluster_that_cannot_be_planned(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_cluster(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_cluster_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no cluster file"):
        read_cluster(tmp_path / "cluster.yaml")


def test_prices_of_ones_own(cluster: Path, tmp_path: Path) -> None:
    fleet = read_cluster(cluster, prices=["m7i.4xlarge=1"])
    assert fleet.dollars_per_hour == pytest.approx(0.4032 + 4 * 1)  # the price in one's market
    strange = tmp_path / "cluster.yaml"
    strange.write_text(CLUSTER.replace("m7i.4xlarge", "x9z.enormous"))
    fleet = read_cluster(strange, prices=["x9z.enormous=2,100,1"])
    assert (fleet.cores, fleet.gpus) == (408, 4)
    with pytest.raises(ConfigError, match=r"nothing is known of 'x9z\.enormous'"):
        read_cluster(strange, prices=["x9z.enormous=2"])  # of how many cores?
    for wrong in (
        "m7i.4xlarge",
        "m7i.4xlarge=",
        "=1",
        "m7i.4xlarge=-1",
        "m7i.4xlarge=nan",
        "m=1,2,3,4",
    ):
        with pytest.raises(ConfigError, match="write TYPE=DOLLARS"):
            read_cluster(cluster, prices=[wrong])


@pytest.mark.parametrize("wrong", ["tpu=1", "head=2", "cpu=-1", "cpu=1.5", "cpu", "cpu=many"])
def test_nodes_that_cannot_be(wrong: str, cluster: Path) -> None:
    with pytest.raises(ConfigError, match="--nodes"):
        read_cluster(cluster, [wrong])


@pytest.mark.parametrize(
    "wrong",
    [
        "images=4",
        "efficiency=0",
        "efficiency=1.1",
        "efficiency=nan",
        "xml_bytes=inf",
        "taken_share=-1",
        "xml_bytes",
    ],
)
def test_assumptions_that_cannot_be(wrong: str) -> None:
    with pytest.raises(ConfigError, match="--assume"):
        known(wrong)


def test_every_assumption_is_documented_and_may_be_given() -> None:
    for name, one in KNOWN.items():
        assert one.unit, name
        assert one.source, name
        changed = known(f"{name}={one.value / 2}")[name]
        assert (changed.value, changed.basis) == (one.value / 2, "given")


def test_an_unmeasured_model_is_told() -> None:
    with pytest.raises(ConfigError, match="know no model 'ViT-X'"):
        chosen_models(["ViT-X"], RATES)
    for name in ("ViT-T", "ViT-T=other.pt", "ViT-T/tag", "vit-t-00000000"):
        assert chosen_models([name], RATES) == RATES.encode
