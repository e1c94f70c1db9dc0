"""Layers to devices: counted from the end, split by shares, experts kept back."""

import pytest

from stackplan.architecture import Architecture, Attention, Layer, WeightTable
from stackplan.estimate.placement import layer_table, placement_obstacle, shares, weight_bytes
from stackplan.serving import Placement

LAYER = Layer(Attention.FULL, 8, 8, 64, 64)
WEIGHTS = WeightTable(1000, 900, (10, 20, 30, 40), (1, 2, 3, 4), 100, 50)
TABLE = layer_table(Architecture("llama", 4, 512, 1000, (LAYER,) * 4, 4096), WEIGHTS)


def test_two_equal_cards_take_41_and_39_of_80_layers_and_the_last_the_output():
    first, second = shares(80, Placement(("gpu0", "gpu1")))
    assert (first.start, first.stop, first.output) == (0, 41, False)
    assert (second.start, second.stop, second.output) == (41, 80, True)


def test_layers_are_counted_from_the_end_the_output_first():
    assert [(s.start, s.stop, s.output) for s in shares(32, Placement(("gpu0",), 1))] == [(32, 32, True)]
    assert [(s.start, s.stop, s.output) for s in shares(32, Placement(("gpu0",), 17))] == [(16, 32, True)]
    assert [(s.start, s.stop, s.output) for s in shares(32, Placement(("gpu0",), 0))] == [(32, 32, False)]
    assert [(s.start, s.stop, s.output) for s in shares(32, Placement(("gpu0",), 999))] == [(0, 32, True)]


def test_shares_are_proportions():
    first, second = shares(80, Placement(("gpu0", "gpu1"), split=(3, 1)))
    assert (first.stop - first.start, second.stop - second.start) == (61, 19)


def test_a_share_of_nothing_holds_nothing():
    first, second = shares(4, Placement(("gpu0", "gpu1"), split=(1, 0)))
    assert (first.start, first.stop, first.output) == (0, 4, True)
    assert (second.start, second.stop, second.output) == (4, 4, False)


def test_experts_of_the_first_blocks_stay_in_host_memory():
    share = shares(4, Placement(("gpu0",)))[0]
    assert weight_bytes(TABLE, share, 0) == (110, 0)
    assert weight_bytes(TABLE, share, 2) == (107, 3)
    assert weight_bytes(TABLE, share, 99) == (100, 10)


@pytest.mark.parametrize(
    "placement",
    [
        Placement(("gpu0",), split=(1, 1)),
        Placement(("gpu0", "gpu1"), split=(0, 0)),
        Placement(("gpu0", "gpu1"), split=(2, -1)),
        Placement(("gpu0",), -1),
        Placement(("gpu0",), cpu_expert_layers=-1),
    ],
)
def test_a_placement_that_means_nothing_is_refused(placement):
    assert placement_obstacle(placement) is not None
