"""The cluster file and the image: in Ray's schema, and speaking of files and packages that exist."""

from __future__ import annotations

import json
import re
import shlex
from importlib.metadata import files
from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).parents[1]
CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())


def test_the_cluster_file_fits_rays_schema() -> None:
    (schema,) = [one for one in files("ray") or () if one.name == "ray-schema.json"]
    jsonschema.validate(CLUSTER, json.loads(Path(str(schema.locate())).read_text()))
    types = CLUSTER["available_node_types"]
    assert CLUSTER["head_node_type"] in types
    assert sum(kind.get("max_workers", 0) for kind in types.values()) <= CLUSTER["max_workers"]
    for kind in types.values():
        assert {"InstanceType", "ImageId"} <= set(kind["node_config"])


def test_the_cluster_file_holds_no_account() -> None:
    text = (ROOT / "cluster.yaml").read_text()
    assert not re.search(r"arn:|\d{12}(?!\d)(?<!0{12})|AKIA|subnet-|sg-[0-9a-f]|KeyName", text)
    assert CLUSTER["available_node_types"]["head"]["node_config"]["ImageId"] == "ami-" + 17 * "0"
    assert "RAY_AUTH_TOKEN" not in text  # a token never stands in a file of the project


def test_a_cluster_asks_for_a_token() -> None:
    assert any("RAY_AUTH_MODE=token" in command for command in CLUSTER["setup_commands"])
    for start in (*CLUSTER["head_start_ray_commands"], *CLUSTER["worker_start_ray_commands"]):
        assert start.startswith(". ~/.profile;")
    assert "/home/ubuntu/.ray/auth_token" in CLUSTER["file_mounts"]


def test_the_image_copies_what_there_is() -> None:
    lines = (ROOT / "docker" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [shlex.split(line) for line in lines if line and not line.startswith("#")]
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
    assert {words[0] for words in instructions} <= known
    copied = {name for words in instructions if words[0] == "COPY" for name in words[1:-1]}
    assert {"pyproject.toml", "constraints.txt", "biomedica", "jobs"} <= copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
