"""What ships: every record checked, sourced and offered only if it exists."""

import re

import pytest

from stackplan.architecture import Attention
from stackplan.catalog_build import build_catalog
from stackplan.catalog_schema import MODE_OF_KIND
from stackplan.views.catalog import cache_bytes_per_token, state_bytes
from tests.catalog.files import bundled_records

KIB, MIB = 1024, 1024**2


@pytest.fixture(scope="module")
def catalog():
    return build_catalog(bundled_records(), "")[0]


def test_all_existing_models_of_the_fact_sheet_are_there(catalog):
    assert len(catalog.models) >= 164
    phantoms = {"starcoder2-33b", "deepseek-coder-v3", "llama-3.x-13b"}
    assert phantoms.isdisjoint(model.id for model in catalog.models)


def test_every_model_has_a_source_a_date_and_terms(catalog):
    for model in catalog.models:
        assert model.source, model.id
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", model.date), model.id
        assert model.licence.id, model.id


def test_every_quality_figure_has_a_source_and_a_date(catalog):
    figures = [figure for model in catalog.models for figure in model.quality]
    assert len(figures) >= 454
    assert all(figure.source and figure.date for figure in figures)


def test_artifact_names_are_unique(catalog):
    names = [artifact.id for model in catalog.models for artifact in model.artifacts]
    assert len(names) == len(set(names))


def test_every_mode_that_a_role_needs_has_an_engine_and_a_model_with_files(catalog):
    for role in catalog.roles:
        engines = {engine.id for engine in catalog.engines if role.mode in engine.modes} & set(role.engines)
        able = [
            artifact.id
            for model in catalog.models
            if set(role.suits) & set(model.suits)
            for artifact in model.artifacts
            if engines & set(artifact.engines)
        ]
        assert able, role.id


def test_every_artifact_names_engines_that_read_its_format_for_one_of_its_modes(catalog):
    engines = {engine.id: engine for engine in catalog.engines}
    for model in catalog.models:
        modes = {MODE_OF_KIND.get(kind, "chat") for kind in model.suits}
        for artifact in model.artifacts:
            for name in artifact.engines:
                assert artifact.format in engines[name].formats, artifact.id
                assert modes & set(engines[name].modes), artifact.id


def test_split_files_are_not_offered_to_ollama(catalog):
    split = [artifact for model in catalog.models for artifact in model.artifacts if artifact.parts > 1]
    assert split
    assert not [artifact.id for artifact in split if "ollama" in artifact.engines]


def test_images_are_pinned(catalog):
    images = [image for engine in catalog.engines for image in engine.images.values()]
    assert images
    assert not [image for image in images if ":" not in image or image.endswith((":latest", ":main"))]


@pytest.mark.parametrize(
    ("name", "cache_kib", "state_mib"),
    [
        # memory of the cache per token as measured in real llama.cpp or derived from the published configuration
        ("llama-3.1-8b-instruct", 128, 0),
        ("qwen2.5-32b-instruct", 256, 0),
        ("qwen3-30b-a3b", 96, 0),
        ("phi-3.5-mini-instruct", 384, 0),
        ("qwen3.5-27b", 64, 149.6),
        ("qwen3.5-35b-a3b", 20, 62.8),
        ("nemotron-3-nano-30b-a3b", 6, 47.6),
        ("granite-4.0-h-tiny", 8, 55.4),
        ("qwen3-next-80b-a3b-instruct", 24, 75.4),
    ],
)
def test_caches_and_states_are_those_of_the_published_shapes(catalog, name, cache_kib, state_mib):
    shape = catalog.model(name).architecture
    assert cache_bytes_per_token(shape, Attention.FULL) == cache_kib * KIB
    assert state_bytes(shape) / MIB == pytest.approx(state_mib, abs=0.1)


def test_models_without_commercial_use_are_marked(catalog):
    forbidden = {model.id for model in catalog.models if model.licence.commercial is False}
    assert {"qwen2.5-3b-instruct", "mistral-large-2", "command-r-plus", "jina-reranker-v3"} <= forbidden
