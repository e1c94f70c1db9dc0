"""What quantisation costs: ordered as measured, harder on small models, nothing for weights that were trained so."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackplan.bundled import bundled_folder
from stackplan.catalog_index import load_catalog
from stackplan.judgement_yaml import load_quantisation
from stackplan.quality_tables import QuantisationTables
from stackplan.quantisation import cache_loss, effective_parameters, size_factor, weight_loss
from stackplan.serving import KV_TYPES

EIGHT_BILLION = 8e9
LADDER = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "IQ3_XXS", "IQ2_M", "IQ2_XXS", "IQ1_S")


@cache
def tables() -> QuantisationTables:
    return load_quantisation(bundled_folder("catalog") / "quantisation.yaml")


def loss(quantisation: str, parameters: float = EIGHT_BILLION, bits: float | None = None, family: str = "") -> float:
    return weight_loss(tables(), quantisation, size_factor(tables(), parameters), bits, family)


def test_fewer_bits_cost_more() -> None:
    assert all(loss(more) < loss(fewer) for more, fewer in pairwise(LADDER))


def test_eight_bits_cost_next_to_nothing_and_one_bit_nearly_everything() -> None:
    assert loss("Q8_0") < 0.005
    assert loss("IQ1_S") > 0.9


def test_four_bits_cost_between_what_knowledge_tests_and_editing_code_lose() -> None:
    fourteen, thirty_two = loss("Q4_K_M", 14.77e9), loss("Q4_K_M", 32.76e9)
    assert 0.01 < fourteen < (69.2 - 61.7) / 69.2
    assert 0.01 < thirty_two < (58.6 - 54.1) / 58.6


@given(st.floats(1e8, 1e12), st.floats(1e8, 1e12), st.sampled_from(LADDER))
def test_small_models_suffer_at_least_as_much(one: float, other: float, quantisation: str) -> None:
    small, large = sorted((one, other))
    assert loss(quantisation, small) >= loss(quantisation, large)


def test_weights_trained_in_a_quantised_type_lose_nothing() -> None:
    for family in tables().native:
        assert loss("MXFP4", family=family) == loss("Q4_K_M", family=family) == 0


def test_the_same_type_applied_after_training_does_cost() -> None:
    assert loss("MXFP4", family="another") > loss("Q4_K_M")


def test_a_file_whose_rows_fell_back_to_larger_types_is_judged_by_its_bits() -> None:
    promised, real = loss("Q2_K"), loss("Q2_K", bits=4.57)
    assert loss("Q4_K_M") < real < promised / 2


def test_a_file_with_fewer_bits_than_usual_is_not_judged_worse_than_its_type() -> None:
    assert loss("Q4_K_M", bits=4.7) == loss("Q4_K_M")


def test_an_unknown_type_is_judged_by_its_bits_or_as_the_worst() -> None:
    assert loss("Q4_K_M") < loss("Q9_NEW", bits=4.0) < loss("Q2_K")
    assert loss("Q9_NEW") == loss("IQ1_S")


def test_every_quantisation_of_the_catalog_is_known() -> None:
    catalog = load_catalog([bundled_folder("catalog")])
    assert {artifact.quantisation for model in catalog.models for artifact in model.artifacts} <= set(
        tables().divergence
    )


@pytest.mark.parametrize("kv_type", KV_TYPES)
def test_every_cache_type_has_a_cost(kv_type: str) -> None:
    assert 0 <= cache_loss(tables(), kv_type, size_factor(tables(), EIGHT_BILLION)) < loss("Q4_K_M")


def test_a_cheaper_cache_is_not_free() -> None:
    f16, q8, q4 = (cache_loss(tables(), kv_type, size_factor(tables(), 27e9)) for kv_type in ("f16", "q8_0", "q4_0"))
    assert f16 == 0 < q8 < q4


def test_a_sparse_model_counts_as_the_geometric_mean_of_its_sizes() -> None:
    catalog = load_catalog([bundled_folder("catalog")])
    sparse = max(catalog.models, key=lambda model: model.parameters / model.active_parameters)
    assert sparse.active_parameters < effective_parameters(sparse) < sparse.parameters
