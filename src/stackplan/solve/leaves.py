"""Prices after a few splits: they tell far more options apart than those of one relaxation.

The relaxation of the whole problem lies a percent or two above the best choice, and thousands of options lie between.
After a few splits its parts lie much lower. Every choice lies in one of the parts, so an option that is too dear in
each of them, or barred from it, can be left out.
"""

from dataclasses import dataclass

from stackplan.problem import Problem
from stackplan.solve.index import Indexed
from stackplan.solve.pricing import PriceList, listed, priced_programme
from stackplan.solve.rows import Programme
from stackplan.solve.sided import NEVER, Sided
from stackplan.solve.simplex import Basis, Relaxation, Solved
from stackplan.solve.splits import Side, Split, splits, structure_of
from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class _Leaf:
    sides: tuple[Side, ...]
    solved: Solved
    basis: Basis


def leaf_prices(
    problem: Problem, reward: float, known: float, most: int, work: float = NEVER
) -> tuple[tuple[PriceList, ...], float]:
    """Prices of at most ``most`` parts that hold every choice together, and the work done (see `Relaxation.work`).

    Parts below ``known`` are not split again, and none once so much ``work`` is done.
    """
    index, programme = priced_programme(problem, reward)
    if not index.offers:
        return (), 0.0
    structure = structure_of(index, programme)
    with Relaxation(programme) as relaxation:
        sided = Sided(programme, relaxation)
        root = _leaf(sided, (), None)
        leaves = [root] if root else []
        done: list[_Leaf] = []
        while leaves and len(leaves) + len(done) < most and relaxation.work < work:
            leaf = leaves.pop(0)
            halves = (
                () if -leaf.solved.objective <= known else _halves(sided, leaf, splits(structure, leaf.solved.values))
            )
            if halves:
                leaves = sorted([*leaves, *halves], key=lambda one: one.solved.objective)
            else:
                done.append(leaf)
        spent = float(relaxation.work)
    return tuple(_prices(index, programme, leaf, reward) for leaf in [*leaves, *done]), spent


def _halves(sided: Sided, leaf: _Leaf, possible: list[Split]) -> tuple[_Leaf, ...]:
    """The parts of the split that lowers a leaf most; none where every split has a part without any choice.

    Such a part has no prices, and options that were not there might yet make it possible.
    """
    best: tuple[float, Split] | None = None
    for split in (one for one in possible if all(side.bars is not None for side in one)):
        bounds = sided.lifted(leaf.sides, split, leaf.basis, leaf.solved.objective)
        score = (bounds[0] - leaf.solved.objective + 1.0) * (bounds[1] - leaf.solved.objective + 1.0)
        if NEVER not in bounds and (best is None or score > best[0]):
            best = (score, split)
    if best is None:
        return ()
    found = [_leaf(sided, (*leaf.sides, side), leaf.basis) for side in best[1]]
    return () if None in found else tuple(one for one in found if one is not None)


def _leaf(sided: Sided, sides: tuple[Side, ...], basis: Basis | None) -> _Leaf | None:
    solved = sided.solve(sides, basis)
    return None if solved is None else _Leaf(sides, solved, sided.relaxation.basis())


def _prices(index: Indexed, programme: Programme, leaf: _Leaf, reward: float) -> PriceList:
    duals = dict(zip(programme.rows, leaf.solved.prices, strict=False))
    found = listed(index, -leaf.solved.objective, duals, reward)
    bars = [side.bars for side in leaf.sides if side.bars is not None]
    return replace(
        found,
        barred_keys=frozenset(key for one in bars for key in one.keys),
        barred_pairs=frozenset(pair for one in bars for pair in one.pairs),
        only=dict(pair for one in bars for pair in one.only),
        below={place: units for one in bars for place, units in sorted(one.below, reverse=True)},
    )
