"""Every mistake in a catalog file names file, line and field."""

import os

import pytest

from stackplan.errors import UserError
from tests.catalog.files import ENGINES, FAMILY, read_catalog, write_catalog


def refusal(folder, old: str, new: str, *, engines: bool = False) -> str:
    """The message when ``old`` is replaced by ``new`` in the sound catalog."""
    source = ENGINES if engines else FAMILY
    assert old in source
    spoilt = source.replace(old, new, 1)
    write_catalog(folder, *((FAMILY, spoilt) if engines else (spoilt, ENGINES)))
    with pytest.raises(UserError) as caught:
        read_catalog(folder)
    return caught.value.message.removeprefix(f"{folder}/")


def test_the_sound_catalog_is_accepted(tmp_path):
    records = read_catalog(write_catalog(tmp_path))
    assert [located.record.id for located in records.models] == ["qwen2.5-0.5b-instruct"]
    assert [located.record.id for located in records.engines] == ["llama.cpp", "ollama"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Q4_K_M: 0.371", "Q4_K_M: big", "models/qwen2.5.yaml:30: models.0.artifacts.0.published_gib.Q4_K_M: Input"),
        ("Q4_K_M: 0.371", "Q4_K_Z: 0.371", "models/qwen2.5.yaml:26: models.0.artifacts.0: unknown quantisation"),
        ("Q4_K_M: 0.371", "Q4_K_M: -1", "models/qwen2.5.yaml:30: models.0.artifacts.0.published_gib.Q4_K_M: Input"),
        ("    lineage: qwen\n", "", "models/qwen2.5.yaml:3: models.0.lineage: is missing"),
        ("    lineage:", "    colour: red\n    lineage:", "models/qwen2.5.yaml:5: models.0.colour: unknown field"),
        ("suits: [worker, draft]", "suits: [worker, poet]", "models/qwen2.5.yaml:12: models.0.suits.1: Input should"),
        ("commercial: true", "commercial: maybe", "models/qwen2.5.yaml:8: models.0.licence.commercial: Input should"),
        ("context_tokens: 32768", "context_tokens: -1", "models/qwen2.5.yaml:9: models.0.context_tokens: Input"),
        ("context_tokens: 32768", "context_tokens: 32k", "models/qwen2.5.yaml:9: models.0.context_tokens: Input"),
        ("value: 34.4", "value: .inf", "models/qwen2.5.yaml:36: models.0.quality.0.value: Input should be"),
        ("block_count: 24", "block_count: {}", "models/qwen2.5.yaml:17: models.0.architecture.block_count: must be"),
        ("block_count: 24", "block_count: 99999999999", "models/qwen2.5.yaml:17: models.0.architecture.block_count:"),
        ("block_count: 24", "block_count: 5000", "models/qwen2.5.yaml:3: models.0: architecture: block_count must be"),
        ("active_parameters: 494032768", "active_parameters: 494032769", "models/qwen2.5.yaml:3: models.0: active"),
        ("        tag:", "        repository: a/b\n        tag:", "models/qwen2.5.yaml:31: models.0.artifacts.1: an"),
        ('tag: "qwen2.5:0.5b"', 'tag: "x; rm -rf ~"', "models/qwen2.5.yaml:32: models.0.artifacts.1.tag: String"),
        ("name: Qwen2.5-0.5B-Instruct", 'name: "\\e[31mred"', "models/qwen2.5.yaml:4: models.0.name: String"),
        ("importance_matrix: true", "engines: [sglang]", "models/qwen2.5.yaml:28: models.0.artifacts.0.engines: unkn"),
        ("id: qwen2.5-0.5b-instruct", "id: ../../etc", "models/qwen2.5.yaml:3: models.0.id: String should match"),
    ],
)
def test_a_spoilt_model_is_refused_by_file_line_and_field(tmp_path, old, new, message):
    assert refusal(tmp_path, old, new).startswith(message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("modes: [chat]", "modes: [chat, poetry]", "engines.yaml:5: engines.0.modes.1: Input should be"),
        ("container_port: 8080", "container_port: 0", "engines.yaml:8: engines.0.container_port: Input should be"),
        ("formats: [gguf]", "formats: []", "engines.yaml:4: engines.0.formats: List should have at least 1 item"),
        ("id: ollama", "id: llama.cpp", "engines.yaml:11: engines.1.id: 'llama.cpp' is already defined in"),
    ],
)
def test_a_spoilt_engine_is_refused_by_file_line_and_field(tmp_path, old, new, message):
    assert refusal(tmp_path, old, new, engines=True).startswith(message)


def test_the_same_model_in_two_files_of_a_folder_is_an_error(tmp_path):
    write_catalog(tmp_path)
    (tmp_path / "models" / "zcopy.yaml").write_text(FAMILY)
    with pytest.raises(
        UserError, match=r"zcopy.yaml:3: models.0.id: 'qwen2.5-0.5b-instruct' is already defined in .*qwen2.5.yaml"
    ):
        read_catalog(tmp_path)


def test_the_users_record_replaces_the_bundled_one_whole(tmp_path):
    bundled = write_catalog(tmp_path / "bundled")
    mine = write_catalog(tmp_path / "mine", FAMILY.replace("name: Qwen2.5-0.5B-Instruct", "name: Mine"))
    (mine / "engines.yaml").unlink()
    records = read_catalog(mine, bundled)
    assert [(located.record.name, located.path) for located in records.models] == [
        ("Mine", mine / "models" / "qwen2.5.yaml")
    ]
    assert len(records.engines) == 2


def test_the_hint_counts_the_other_mistakes(tmp_path):
    write_catalog(tmp_path, FAMILY.replace("lineage: qwen", "lineage: 7").replace("inputs: [text]", "inputs: 7"))
    with pytest.raises(UserError) as caught:
        read_catalog(tmp_path)
    assert "and 1 more" in caught.value.message + caught.value.hint


def test_a_pipe_in_the_folder_is_refused_and_not_waited_for(tmp_path):
    write_catalog(tmp_path)
    os.mkfifo(tmp_path / "models" / "pipe.yaml")
    with pytest.raises(UserError, match=r"pipe.yaml: not a file"):
        read_catalog(tmp_path)
