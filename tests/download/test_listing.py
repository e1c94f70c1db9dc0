"""Which files of a repository make an artifact: by exact type, never a neighbour, never a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.render.plans import LLAMA_CPP, gguf, host, instance
from tests.render.plans import plan as made_plan

from stackplan.download.listing import Listing, chosen_files
from stackplan.download.obstacle import Obstacle
from stackplan.lock import LockedArtifact, LockedFile, locked


def wanted(quantisation: str = "Q4_K_M", size: int = 1000, **more: object) -> LockedArtifact:
    artifact = gguf("model", quantisation, files=more.pop("files", ()), file_bytes=size, **more)
    served = ((instance(artifact, "llama.cpp", 8100, place=()), ("worker",)),)
    return locked(made_plan("p", host("h"), (artifact,), served, (LLAMA_CPP,))).artifacts[0]


def listing(**sizes: int) -> Listing:
    return Listing("c" * 40, False, tuple(LockedFile(name, size, "d" * 64) for name, size in sizes.items()))


def names(artifact: LockedArtifact, sizes: dict[str, int], *, projector: bool = False) -> list[str]:
    return [file.path for file in chosen_files(artifact, listing(**sizes), projector=projector)]


@pytest.mark.parametrize(
    ("quantisation", "expected"),
    [
        ("Q4_K_M", "m-Q4_K_M.gguf"),
        ("Q4_K_S", "m-Q4_K_S.gguf"),
        ("Q4_K", "m.q4_k.gguf"),
        ("UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf"),
        ("IQ4_XS", "m-IQ4_XS.gguf"),
        ("BF16", "BF16/m-BF16-00001-of-00001.gguf"),
    ],
)
def test_a_type_is_matched_as_a_word(quantisation: str, expected: str) -> None:
    offered = ("m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.q4_k.gguf", "m-UD-Q4_K_XL.gguf")
    offered += ("m-IQ4_XS.gguf", "BF16/m-BF16-00001-of-00001.gguf", "mmproj-BF16.gguf", "m.imatrix-Q4_K_M.gguf")
    assert names(wanted(quantisation), dict.fromkeys(offered, 1000)) == [expected]


def test_all_parts_come_in_order() -> None:
    parts = {f"m-Q4_K_M-0000{part}-of-00003.gguf": 300 for part in (3, 1, 2)}
    assert names(wanted(), parts) == [f"m-Q4_K_M-0000{part}-of-00003.gguf" for part in (1, 2, 3)]


def test_a_missing_part_is_an_obstacle() -> None:
    with pytest.raises(Obstacle):
        names(wanted(), {"m-Q4_K_M-00001-of-00002.gguf": 500})


def test_of_two_models_in_one_repository_the_planned_size_decides() -> None:
    assert names(wanted(size=1000), {"small-Q4_K_M.gguf": 300, "large-Q4_K_M.gguf": 1010}) == ["large-Q4_K_M.gguf"]


def test_what_the_size_cannot_decide_is_refused_with_the_choice() -> None:
    with pytest.raises(Obstacle) as caught:
        names(wanted(size=1000), {"a-Q4_K_M.gguf": 1000, "b-Q4_K_M.gguf": 1000})
    assert "a-Q4_K_M.gguf, b-Q4_K_M.gguf" in caught.value.hint


def test_a_planned_name_wins_and_a_planned_name_that_is_gone_falls_back_to_its_type() -> None:
    planned = wanted(files=("m-Q4_K_M.gguf",))
    assert names(planned, {"m-Q4_K_M.gguf": 5, "other-Q4_K_M.gguf": 1000}) == ["m-Q4_K_M.gguf"]
    assert names(planned, {"sub/m-Q4_K_M-00001-of-00001.gguf": 1000}) == ["sub/m-Q4_K_M-00001-of-00001.gguf"]


def test_a_projector_comes_along_when_asked_for_and_f16_is_preferred() -> None:
    offered = {"m-Q4_K_M.gguf": 1000, "mmproj-F32.gguf": 20, "mmproj-F16.gguf": 10, "mmproj-Q8_0.gguf": 5}
    assert names(wanted(), offered, projector=True) == ["m-Q4_K_M.gguf", "mmproj-F16.gguf"]
    with pytest.raises(Obstacle):
        names(wanted(), {"m-Q4_K_M.gguf": 1000}, projector=True)


def test_safetensors_come_with_what_engines_read_beside_them_and_without_doubles() -> None:
    offered = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json", "tokenizer.json"]
    extra = ["1_Pooling/config.json", "2_Dense/model.safetensors"]
    ballast = ["pytorch_model.bin", "model.fp16.safetensors", "onnx/model.onnx", "onnx/config.json", ".gitattributes"]
    ballast += ["consolidated.safetensors", "README.md"]
    found = names(wanted("BF16", format="safetensors"), dict.fromkeys([*offered, *extra, *ballast], 10))
    assert sorted(found) == sorted([*offered, *extra])


def test_a_repository_with_other_names_for_its_only_weights_is_served_too() -> None:
    found = names(wanted("BF16", format="safetensors"), {"consolidated.safetensors": 10, "params.json": 1})
    assert found == ["consolidated.safetensors", "params.json"]


def test_ctranslate2_needs_its_model_vocabulary_configuration_and_the_card_by_which_speaches_knows_it() -> None:
    offered = dict.fromkeys(["model.bin", "config.json", "vocabulary.txt", "tokenizer.json", "README.md"], 10)
    found = names(wanted("float16", format="ctranslate2"), offered)
    assert found == ["model.bin", "README.md", "config.json", "tokenizer.json", "vocabulary.txt"]


@given(st.dictionaries(st.text(max_size=40), st.integers(0, 10**15), max_size=8), st.sampled_from(["gguf", "onnx"]))
def test_whatever_a_server_lists_is_chosen_from_or_refused(sizes: dict[str, int], kind: str) -> None:
    files = tuple(LockedFile(name, size, "d" * 64) for name, size in sizes.items())
    try:
        found = chosen_files(wanted(format=kind), Listing("c" * 40, None, files), projector=False)
    except Obstacle:
        return
    assert all(file.path in sizes and ".." not in file.path.split("/") for file in found)
    assert found
