"""Bases that no best plan needs, left out before options are made of them.

The same argument as in `solve.dominance`, one step earlier and for whole curves: a base is left out when, at every context,
bases of as many other models as there are needs that those could serve take no more of any pool and are worth at
least as much to every need, so that one of them is free to take its place; or when another base of its own model is.
tests/test_frontier.py holds against the solver that nothing of the optimum is lost.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stackplan.bases import Base
from stackplan.hardware import Host


@dataclass(frozen=True, slots=True)
class _Curve:
    base: Base
    merits: tuple[float, ...]
    takes: tuple[int, ...]
    disk_bytes: int


def frontier(bases: Sequence[Base], host: Host, need_count: int, lineage_margin: float) -> list[Base]:
    """The bases worth making options of, in their order.

    ``lineage_margin`` is what a need may lose to a diversity rule: between lineages merits must differ by as much.
    """
    reach: dict[str, set[int]] = defaultdict(set)
    groups: dict[tuple[str, ...], list[_Curve]] = defaultdict(list)
    for base in bases:
        reach[base.served.key] |= {need for need, _ in base.merits}
        groups[(base.served.mode, *base.placement.devices)].append(_curve(base, host, need_count))
    kept = {id(curve.base) for group in groups.values() for curve in _undominated(group, reach, lineage_margin)}
    return [base for base in bases if id(base) in kept]


def _curve(base: Base, host: Host, need_count: int) -> _Curve:
    merits = [-1.0] * need_count
    for need, merit in base.merits:
        merits[need] = merit
    takes: list[int] = []
    for taken in base.taken:
        pools = {pool.pool: pool for pool in taken.pools}
        for pool in host.pools:
            here = pools.get(pool.id)
            takes += [here.fixed_bytes, here.per_slot_bytes, here.weights_bytes] if here else [0, 0, 0]
    return _Curve(base, tuple(merits), tuple(takes), base.configuration(0).disk_bytes)


def _undominated(group: list[_Curve], reach: dict[str, set[int]], margin: float) -> list[_Curve]:
    kept: list[_Curve] = []
    for curve in sorted(group, key=lambda curve: (sum(curve.takes[:9:3]), -max(curve.merits), curve.disk_bytes)):
        if not _is_dominated(curve, kept, reach, margin):
            kept.append(curve)
    return kept


def _is_dominated(curve: _Curve, rivals: list[_Curve], reach: dict[str, set[int]], margin: float) -> bool:
    key, lineage = curve.base.served.key, curve.base.served.model.lineage
    keys: set[str] = set()
    served: set[int] = set()
    for rival in rivals:
        if rival.disk_bytes > curve.disk_bytes or len(rival.takes) < len(curve.takes):
            continue
        own = rival.base.served.key == key
        lead = 0.0 if own or rival.base.served.model.lineage == lineage else margin
        if not _worth_as_much(rival.merits, curve.merits, lead) or not _takes_no_more(rival.takes, curve.takes):
            continue
        if own:
            return True
        keys.add(rival.base.served.key)
        served |= reach[rival.base.served.key]
        if len(keys) >= len(served):
            return True
    return False


def _worth_as_much(better: tuple[float, ...], worse: tuple[float, ...], lead: float) -> bool:
    return all(one < 0 or other >= one + lead for other, one in zip(better, worse, strict=True))


def _takes_no_more(better: tuple[int, ...], worse: tuple[int, ...]) -> bool:
    return all(one <= other for one, other in zip(better, worse, strict=False))
