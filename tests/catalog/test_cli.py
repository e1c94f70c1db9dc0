"""``stackplan catalog`` as people and programs call it."""

import json
import os
import subprocess
import sys

import pytest

from tests.catalog.files import FAMILY, write_catalog


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def call(home, *arguments):
    """The finished process of one command, with a cache and a configuration of its own."""
    environment = {**os.environ, "STACKPLAN_CACHE": str(home / "cache"), "STACKPLAN_CONFIG": str(home / "config")}
    command = [sys.executable, "-m", "stackplan", "catalog", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_list_prints_a_table_and_json(home):
    people = call(home, "list", "--suits", "rerank")
    programs = json.loads(call(home, "list", "--suits", "rerank", "--json").stdout)
    assert people.returncode == 0
    assert people.stdout.splitlines()[0].split()[:2] == ["id", "B"]
    assert [line.split()[0] for line in people.stdout.splitlines()[1:-2]] == [m["id"] for m in programs["models"]]
    assert all("rerank" in model["suits"] for model in programs["models"])


def test_list_can_leave_out_what_a_business_may_not_use(home):
    ids = {m["id"] for m in json.loads(call(home, "list", "--commercial", "--json").stdout)["models"]}
    assert "jina-reranker-v3" not in ids
    assert "mistral-medium-3.5-128b" not in ids, "terms nobody could read are not a permission"


def test_show_tells_licence_shape_files_and_sources(home):
    shown = call(home, "show", "qwen3-8b").stdout
    for part in ("Apache-2.0", "144 KiB per token", "bartowski/Qwen_Qwen3-8B-GGUF:Q4_K_M", "derived", "MATH-500"):
        assert part in shown
    data = json.loads(call(home, "show", "qwen3-8b", "--json").stdout)
    assert data["architecture"]["cache_bytes_per_token_f16"] == 144 * 1024


def test_an_unknown_model_names_the_nearest_ones(home):
    result = call(home, "show", "qwen3-8")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "error[unknown-model]: no model is called 'qwen3-8'" in result.stderr
    assert "qwen3-8b" in result.stderr


def test_an_unknown_kind_names_the_known_ones(home):
    result = call(home, "list", "--suits", "poetry")
    assert (result.returncode, "choose one of audio, code" in result.stderr) == (1, True)


def test_validate_is_quiet_about_a_sound_catalog_and_exact_about_a_spoilt_one(home, tmp_path):
    sound = write_catalog(tmp_path / "sound")
    assert call(home, "validate", "--catalog", str(sound)).returncode == 0
    spoilt = write_catalog(tmp_path / "spoilt", FAMILY.replace("lineage: qwen", "lineage: 7"))
    result = call(home, "validate", "--catalog", str(spoilt))
    assert result.returncode == 1
    assert f"{spoilt}/models/qwen2.5.yaml:5: models.0.lineage: Input should be a valid string" in result.stderr


def test_validate_prints_what_disagrees(home, tmp_path):
    folder = write_catalog(tmp_path, FAMILY.replace("Q8_0: 0.495", "Q8_0: 0.9"))
    findings = json.loads(call(home, "validate", "--catalog", str(folder), "--json").stdout)["findings"]
    mine = [finding for finding in findings if not finding["note"]]
    assert [finding["artifact"] for finding in mine] == ["bartowski/Qwen2.5-0.5B-Instruct-GGUF:Q8_0"]


def test_a_folder_that_is_not_there_is_told(home):
    result = call(home, "list", "--catalog", "/nowhere")
    assert (result.returncode, "/nowhere: no such folder" in result.stderr) == (1, True)


def test_a_folder_without_a_catalog_is_not_ignored(home, tmp_path):
    result = call(home, "list", "--catalog", str(tmp_path))
    assert (result.returncode, f"{tmp_path}: holds no catalog" in result.stderr) == (1, True)
