"""Small random worlds and a solver that tries everything: nothing here is shared with stackplan's solver."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator

from stackplan.problem import Candidate, Diversity, Need, Offer, Problem, Take
from stackplan.values import replace

GIB = 1024**3


def random_world(seed: int, *, needs: int = 3, keys: int = 4) -> Problem:
    """A world of a few needs and weights, small enough to try every assignment."""
    rng = random.Random(seed)  # noqa: S311
    pools = {"gpu0": rng.randint(4, 20) * GIB, "ram": rng.randint(4, 30) * GIB}
    if rng.random() < 0.4:
        pools["gpu1"] = rng.randint(4, 12) * GIB
    need_values = tuple(Need(f"need{i}", rng.random() < 0.6) for i in range(needs))
    candidates, offers = [], []
    for key in range(keys):
        lineage = rng.choice(["a", "b"])
        file_bytes = rng.randint(1, 12) * GIB + 64 * rng.randint(0, 5)
        servable = [need for need in need_values if rng.random() < 0.7] or [need_values[0]]
        for variant in range(rng.randint(1, 3)):
            device = rng.choice([pool for pool in pools if pool != "ram"])
            tier = rng.choice(["hot", "hot", "warm", "cold"])
            takes = (
                Take(device, rng.randint(1, 12) * GIB + 64 * rng.randint(0, 3), rng.randint(0, 2) * GIB),
                Take("ram", rng.randint(0, 2) * GIB, 0, file_bytes if tier == "warm" and rng.random() < 0.5 else 0),
            )
            name = f"key{key}-{variant}"
            group = f"warm-{device}" if tier == "warm" else ""
            candidates.append(Candidate(name, f"key{key}", tier, takes, ((f"file{key}", file_bytes),), group, lineage))
            quality = rng.randint(1, 100) * 1000
            offers += [Offer(need.id, name, quality + rng.randint(0, 9000), rng.randint(1, 2)) for need in servable]
    return Problem(
        needs=need_values,
        pools=pools,
        candidates=tuple(candidates),
        offers=tuple(offers),
        disk_bytes=rng.randint(8, 40) * GIB if rng.random() < 0.5 else None,
        diversities=(Diversity("need0", "need1", rng.randint(1, 20) * 1000),) if rng.random() < 0.5 else (),
        overlapping_groups=frozenset({"warm-gpu0"}) if rng.random() < 0.3 else frozenset(),
        distinct=(("need0", "need2"),) if rng.random() < 0.3 and needs > 2 else (),
    )


def breach(problem: Problem, assignment: dict[str, str]) -> str | None:
    """The first rule that the assignment breaks, or None; adds everything up from the definitions."""
    candidates = {candidate.id: candidate for candidate in problem.candidates}
    slots: dict[str, int] = defaultdict(int)
    for need, name in assignment.items():
        matching = [offer for offer in problem.offers if (offer.need, offer.candidate) == (need, name)]
        if not matching:
            return f"{name} was never offered to {need}"
        slots[name] += matching[0].slots
    return next(
        iter((*_rules_broken(problem, assignment, candidates), *_limits_broken(problem, slots, candidates))), None
    )


def _rules_broken(problem: Problem, assignment: dict[str, str], candidates: dict[str, Candidate]) -> Iterator[str]:
    yield from (f"{need.id} unserved" for need in problem.needs if need.required and need.id not in assignment)
    keys = [candidates[name].key for name in set(assignment.values())]
    if len(keys) != len(set(keys)):
        yield "the same weights twice"
    for group in problem.distinct:
        chosen = [candidates[assignment[need]].key for need in group if need in assignment]
        if len(chosen) != len(set(chosen)):
            yield "distinct needs share weights"


def _limits_broken(problem: Problem, slots: dict[str, int], candidates: dict[str, Candidate]) -> Iterator[str]:
    for pool, budget in problem.pools.items():
        if pool_peak(problem, slots, pool) > budget:
            yield f"{pool} exceeded"
    files = {name: size for chosen in slots for name, size in candidates[chosen].files}
    if problem.disk_bytes is not None and sum(files.values()) > problem.disk_bytes:
        yield "disk exceeded"


def pool_peak(problem: Problem, slots: dict[str, int], pool: str) -> int:
    """Bytes at the worst moment, told as a story: every way to have WARM ones loaded, and every COLD start."""
    taken = {c.id: (c, next((t for t in c.takes if t.pool == pool), None)) for c in problem.candidates if c.id in slots}
    size = {name: (t.fixed_bytes + t.per_slot_bytes * slots[name]) if t else 0 for name, (_, t) in taken.items()}
    hot = sum(size[name] for name, (c, _) in taken.items() if c.tier == "hot")
    kept = sum(t.kept_bytes for c, t in taken.values() if t and c.tier == "warm")
    loaded = 0
    for group in {c.swap_group for c, _ in taken.values() if c.tier == "warm"}:
        members = sorted((size[n] for n, (c, _) in taken.items() if c.tier == "warm" and c.swap_group == group))
        loaded += sum(members[-2:]) if group in problem.overlapping_groups else members[-1]
    cold = [size[name] for name, (c, _) in taken.items() if c.tier == "cold"]
    return max([hot + kept + loaded, *(hot + one for one in cold)])


def worth(problem: Problem, assignment: dict[str, str]) -> tuple[int, int, int]:
    """(value, -memory, -disk): larger is better, level by level."""
    candidates = {candidate.id: candidate for candidate in problem.candidates}
    total = memory = 0
    for offer in problem.offers:
        if assignment.get(offer.need) == offer.candidate:
            total += offer.value
            memory += sum(t.per_slot_bytes * offer.slots for t in candidates[offer.candidate].takes)
    for rule in problem.diversities:
        pair = [candidates[assignment[n]].lineage for n in (rule.first, rule.second) if n in assignment]
        total -= rule.penalty if len(pair) == 2 and pair[0] == pair[1] != "" else 0
    used = {candidates[name] for name in assignment.values()}
    memory += sum(t.fixed_bytes + t.kept_bytes for c in used for t in c.takes)
    disk = sum({name: size for c in used for name, size in c.files}.values())
    return total, -memory, -disk


def assignments(problem: Problem) -> Iterator[dict[str, str]]:
    """Every assignment that breaks no rule."""
    choices = [
        [None, *(offer.candidate for offer in problem.offers if offer.need == need.id)] for need in problem.needs
    ]
    for combination in itertools.product(*choices):
        assignment = {n.id: c for n, c in zip(problem.needs, combination, strict=True) if c is not None}
        if breach(problem, assignment) is None:
            yield assignment


def best_by_trying_everything(problem: Problem) -> tuple[int, int, int] | None:
    """The best worth of all assignments, or None when none serves the required needs."""
    return max((worth(problem, assignment) for assignment in assignments(problem)), default=None)


def larger_world(seed: int) -> Problem:
    """A world too large to try everything in: 2-8 needs, 3-20 weights in up to 4 sizes, 2-5 pools, every rule."""
    rng = random.Random(f"larger {seed}")  # noqa: S311
    needs = tuple(Need(f"need{i}", rng.random() < 0.55) for i in range(2 + seed % 7))
    cards = [f"gpu{i}" for i in range(rng.randint(1, 4))]
    tight = 4 if rng.random() < 0.2 else 1  # a fifth of the worlds have hardly room for anything
    pools = {card: _size(rng, 4, 24) // tight for card in cards} | {"ram": _size(rng, 8, 64) // tight}
    candidates: list[Candidate] = []
    offers: list[Offer] = []
    for key in range(rng.randint(3, 20)):
        lineage = rng.choice(["a", "b", "c", ""])
        weights, quality = _size(rng, 1, 14), rng.randint(5, 95) * 1000
        servable = [need for need in needs if rng.random() < 0.5] or [rng.choice(needs)]
        slots = {need.id: rng.randint(1, 3) for need in servable}
        shared = rng.random() < 0.15
        for variant in range(rng.randint(1, 4)):
            name, part = f"key{key}-{variant}", rng.choice([0.5, 0.75, 1.0])
            tier = rng.choice(["hot", "hot", "warm", "warm", "cold"])
            file = ("common", 3 * GIB) if shared else (f"file{key}-{part}", int(weights * part))
            candidates.append(
                Candidate(
                    id=name,
                    key=f"key{key}",
                    tier=tier,
                    takes=_takes(rng, rng.sample(cards, rng.randint(0, min(2, len(cards)))), file[1], tier),
                    files=(file,),
                    swap_group=f"turn{rng.randint(0, 1)}" if tier == "warm" else "",
                    lineage=lineage,
                )
            )
            worth_here = int(quality * part * {"hot": 1.0, "warm": 0.9, "cold": 0.6}[tier])
            offers += [Offer(n.id, name, worth_here + rng.randint(0, 3) * 500, slots[n.id]) for n in servable]
    names = [need.id for need in needs]
    distinct = tuple(rng.sample(names, min(3, len(names))))
    if rng.random() < 0.25:  # a pool of embedders: needs that nothing tells apart
        needs = tuple(replace(need, required=needs[-1].required) if need.id in distinct else need for need in needs)
        offers = [o for o in offers if o.need not in distinct[1:]]
        offers += [replace(o, need=other) for o in list(offers) for other in distinct[1:] if o.need == distinct[0]]
    offered = {offer.candidate for offer in offers}
    return Problem(
        needs=needs,
        pools=pools,
        candidates=tuple(candidate for candidate in candidates if candidate.id in offered),
        offers=tuple(offers),
        disk_bytes=_size(rng, 4, 50) if rng.random() < 0.5 else None,
        diversities=tuple(_rules(rng, names)) if rng.random() < 0.5 else (),
        overlapping_groups=frozenset({"turn0"}) if rng.random() < 0.3 else frozenset(),
        distinct=(distinct,) if rng.random() < 0.5 else (),
    )


def _size(rng: random.Random, least: int, most: int) -> int:
    """Whole or odd GiB: some worlds have exact fits and ties, others nothing that is round."""
    return rng.randint(least, most) * GIB + rng.choice([0, 0, rng.randint(1, GIB - 1)])


def _takes(rng: random.Random, cards: list[str], weights: int, tier: str) -> tuple[Take, ...]:
    """Weights split over cards, or in host memory where there is none; a WARM one may keep them mapped."""
    per_slot = rng.choice([0, GIB // 4, GIB, rng.randint(1, GIB)])
    takes = [Take(card, weights // len(cards) + GIB // 8, per_slot // len(cards)) for card in cards]
    mapped = weights if tier == "warm" and rng.random() < 0.5 else 0
    own = 0 if cards else weights
    return (*takes, Take("ram", own + rng.randint(0, GIB), 0 if cards else per_slot, mapped))


def _rules(rng: random.Random, names: list[str]) -> list[Diversity]:
    pairs = rng.sample([(a, b) for a in names for b in names if a < b], min(2, len(names) - 1))
    return [Diversity(first, second, rng.randint(1, 30) * 1000) for first, second in pairs]
