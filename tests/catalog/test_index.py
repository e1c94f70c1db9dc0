"""The index of the catalog says what the files say; tests/test_content_index.py has what all indexes share."""

import json
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


def test_models_of_one_shape_have_one_shape(bundled_cache):
    shapes = [model.architecture for model in load_catalog([bundled_folder("catalog")], bundled_cache).models]
    assert len({id(shape) for shape in shapes}) == len(set(shapes)) < len(shapes)


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


def test_the_same_files_give_the_same_index_byte_for_byte(tmp_path):
    folder = write_catalog(tmp_path / "catalog")
    for name in ("one", "two"):
        load_catalog([folder], tmp_path / name)
    (one,), (two,) = indexes(tmp_path / "one"), indexes(tmp_path / "two")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_no_catalog_at_all_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no catalog found"):
        load_catalog([tmp_path], tmp_path / "cache")
