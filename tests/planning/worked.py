"""Rates and assumptions with round numbers, whose plans can be reckoned by hand."""

from __future__ import annotations

from typing import Any

from biomedica.planning import Assumption, Counts, Rates, load_assumptions

ROUND: dict[str, Any] = {
    "measured": "2026-11-24",
    "seconds": 1,
    "machine": {
        "cpu": "Testing 1", "cores": 4, "memory_gib": 16, "system": "Linux x86_64",
        "python": "3.11.0", "torch": "2.9", "gpu": None,
    },
    "source": "file:///corpus",
    "read": {
        "place": "folder", "gets": 100, "bytes": 1_000_000, "wall_seconds_per_get": 0.002,
        "cpu_seconds_per_get": 0.001, "cpu_seconds_per_mb": 0.002,
    },
    "parse": {"articles": 10, "seconds_per_100kb": 0.01},
    "images": [
        {"image_format": "jpeg", "size": "under_0.5", "images": 9, "megapixels": 0.25,
         "seconds_per_image": 0.004, "generated": False},
        {"image_format": "jpeg", "size": "0.5_to_2", "images": 9, "megapixels": 1.0,
         "seconds_per_image": 0.01, "generated": False},
        {"image_format": "tiff", "size": "2_to_12", "images": 9, "megapixels": 5.0,
         "seconds_per_image": 0.5, "generated": True},
    ],
    "encode": [
        {"model": "ViT-T=weights.pt", "name": "ViT-T", "slug": "vit-t-00000000", "device": "cpu",
         "image_size": 200, "dimension": 249, "batch_size": 32, "images_per_second": 50,
         "flops_per_image": 4e9, "load_seconds": 3, "untrained": True},
    ],
    "write": {
        "seconds_per_article": 0.001, "seconds_per_pair": 0.0005, "seconds_per_image_mb": 0.005,
        "bytes_per_article": 20_000, "bytes_per_pair": 4_000,
    },
    "hash": {"md5_mb_per_second": 500, "sha256_mb_per_second": 1000},
    "all_cores": 0.8,
    "content": {
        "articles": 10, "articles_taken": 8, "xml_bytes": 1_000_000, "images_listed": 40,
        "images": [
            {"image_format": "jpeg", "size": "under_0.5", "images": 15, "bytes": 1_500_000,
             "stored_bytes": 1_500_000},
            {"image_format": "tiff", "size": "2_to_12", "images": 5, "bytes": 5_000_000,
             "stored_bytes": 2_500_000},
        ],
    },
}  # fmt: skip

CLUSTER = """
head_node_type: head
max_workers: 9
available_node_types:
  head: {resources: {}, node_config: {InstanceType: m7i.2xlarge}, max_workers: 0}
  cpu:
    max_workers: 4
    node_config:
      InstanceType: m7i.4xlarge
      InstanceMarketOptions: {MarketType: spot}
      BlockDeviceMappings: [{DeviceName: /dev/sda1, Ebs: {VolumeSize: 100}}]
  gpu: {max_workers: 0, node_config: {InstanceType: g6.4xlarge}}
"""


def round_rates(**changes: Any) -> Rates:
    return Rates.model_validate(ROUND | changes)


def known(*overrides: str) -> dict[str, Assumption]:
    return load_assumptions(overrides)


def some(articles: int, source: str = "file:///corpus", **more: Any) -> Counts:
    return Counts(articles, more.get("taken"), more.get("images_listed"), "given", "a test", source)
