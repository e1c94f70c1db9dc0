"""The index is never stale, never trusted when damaged, and never needed."""

import json
import os
import subprocess
import sys

import pytest

from stackplan.bundled import bundled_folder
from stackplan.catalog_codec import decode, encode
from stackplan.catalog_index import load_catalog
from stackplan.errors import UserError
from tests.catalog.files import FAMILY, write_catalog


def indexes(cache):
    return sorted(cache.glob("catalog-*.json"))


@pytest.fixture(scope="module")
def bundled_cache(tmp_path_factory):
    """A cache that holds the index of the bundled catalog."""
    cache = tmp_path_factory.mktemp("bundled-cache")
    load_catalog([bundled_folder("catalog")], cache)
    return cache


def test_the_index_gives_back_the_whole_bundled_catalog(bundled_cache, tmp_path):
    folders = [bundled_folder("catalog")]
    built = load_catalog(folders, tmp_path / "another")
    assert load_catalog(folders, bundled_cache) == built
    assert decode(json.loads(json.dumps(encode(built)))) == built


def test_a_warm_start_reads_no_yaml_and_checks_no_schema(bundled_cache):
    script = (
        "import sys; from pathlib import Path; from stackplan.catalog_index import load_catalog;"
        "load_catalog([Path(sys.argv[1])], Path(sys.argv[2]));"
        "print([name for name in ('yaml', 'pydantic', 'stackplan.estimate.weights') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", script, str(bundled_folder("catalog")), str(bundled_cache)]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_changed_file_is_read_anew(tmp_path):
    folder, cache = write_catalog(tmp_path / "catalog"), tmp_path / "cache"
    assert load_catalog([folder], cache).models[0].context_tokens == 32768
    write_catalog(folder, FAMILY.replace("    context_tokens: 32768", "    context_tokens: 16384"))
    assert load_catalog([folder], cache).models[0].context_tokens == 16384
    assert len(indexes(cache)) == 2


def test_a_new_file_is_seen(tmp_path):
    folder, cache = write_catalog(tmp_path / "catalog"), tmp_path / "cache"
    load_catalog([folder], cache)
    twin = FAMILY.replace("id: qwen2.5-0.5b-instruct", "id: twin")
    (folder / "models" / "twin.yaml").write_text(twin)
    assert [model.id for model in load_catalog([folder], cache).models] == ["qwen2.5-0.5b-instruct", "twin"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"494032768", b"494032769"),
        lambda _: b"\xff" * 100,
        lambda content: content.partition(b"\n")[0] + b"\n[]",
    ],
    ids=["empty", "cut", "one digit", "binary", "other json"],
)
def test_a_damaged_index_is_built_anew_and_replaced(tmp_path, damage):
    folder, cache = write_catalog(tmp_path / "catalog"), tmp_path / "cache"
    sound = load_catalog([folder], cache)
    (index,) = indexes(cache)
    whole = index.read_bytes()
    index.write_bytes(damage(whole))
    assert load_catalog([folder], cache) == sound
    assert index.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    folder = write_catalog(tmp_path / "catalog")
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert load_catalog([folder], blocked / "cache").models[0].id == "qwen2.5-0.5b-instruct"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_done_without(tmp_path):
    folder, cache = write_catalog(tmp_path / "catalog"), tmp_path / "cache"
    cache.mkdir(mode=0o500)
    assert load_catalog([folder], cache).models


def test_the_same_files_give_the_same_index_byte_for_byte(tmp_path):
    folder = write_catalog(tmp_path / "catalog")
    for name in ("one", "two"):
        load_catalog([folder], tmp_path / name)
    (one,), (two,) = indexes(tmp_path / "one"), indexes(tmp_path / "two")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_only_a_few_indexes_are_kept(tmp_path):
    cache = tmp_path / "cache"
    for tokens in range(1024, 1024 + 12):
        folder = write_catalog(
            tmp_path / "catalog", FAMILY.replace("    context_tokens: 32768", f"    context_tokens: {tokens}")
        )
        load_catalog([folder], cache)
    assert len(indexes(cache)) == 8
    assert not list(cache.glob("*.tmp"))


def test_no_catalog_at_all_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no catalog found"):
        load_catalog([tmp_path], tmp_path / "cache")
