"""What nobody has looked at closely is told by a bound: nothing that it holds is worth more or takes less."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from tests.plan.test_choose import small_world
from tests.plan.test_more_memory import with_budget
from tests.plan.worlds import bundled

from stackplan.assess import HostAssessor
from stackplan.bare import separable
from stackplan.bases import Base
from stackplan.choose import choose
from stackplan.configuration import Configuration
from stackplan.estimate.engines import place_obstacle
from stackplan.market import Market
from stackplan.merits import most_worthy
from stackplan.offered import Offered
from stackplan.option_rows import rows_of
from stackplan.options import empty_problem
from stackplan.pipeline import Space, space_of
from stackplan.problem import TIERS
from stackplan.reach import problem_of
from stackplan.seeds import first_columns, lightest_columns
from stackplan.sketches import files_of, outlooks_of, sketch_of, terms_of
from stackplan.solve.pricing import PriceList, prices
from stackplan.taken import Taken
from stackplan.units import GIB

MACHINES = ("rtx-3090-ti", "dual-rtx-3090", "apple-m4-max-64gb", "cpu-only", "jetson-agx-orin-32gb")


@pytest.mark.parametrize("profile", MACHINES)
@pytest.mark.parametrize("stack", ["everyday", "rag-services"])
def test_no_base_is_worth_more_or_takes_less_than_its_prospect_and_its_file_say(profile: str, stack: str) -> None:
    space = space_of(bundled(profile, stack))
    finder, seen = space.finder, 0
    pools = [pool.id for pool in finder.host.pools]
    for prospect in space.prospects[::7]:
        best = dict(prospect.best)
        for lot in finder.lots(prospect):
            file = prospect.files.index(lot.ways[0].artifact)
            worth = dict(zip([need.id for need in prospect.served.needs], prospect.worth[:, file], strict=True))
            for base in finder.bases_of(lot):
                seen += 1
                for need, merit in base.merits:
                    told = (best[need], worth[finder.needs[need].id], dict(lot.best)[need])
                    assert all(merit <= most * (1 + 1e-12) for most in told)
                assert holds(base.least, dict(zip(pools, prospect.held[file].tolist(), strict=True)))
                assert holds(base.least, {pool.pool: pool.weights_bytes for pool in lot.least.pools})
    assert seen


def holds(taken: Taken, least: Mapping[str, int]) -> bool:
    """Whether so many fixed bytes at least, and among them weights, are in each pool."""
    sizes = {pool.pool: min(pool.fixed_bytes, pool.weights_bytes) for pool in taken.pools}
    return all(sizes[pool] >= size for pool, size in least.items() if size)


@pytest.mark.parametrize("profile", MACHINES)
def test_files_side_by_side_hold_what_each_holds_alone_and_are_hardly_quicker(profile: str) -> None:
    """The arrays are the estimators' own arithmetic: bytes of llama.cpp to the byte, speeds but for the cache."""
    space = space_of(bundled(profile, "everyday"))
    assess, close = space.assessor, 0
    for prospect in space.prospects[::5]:
        for file, held in zip(prospect.files, prospect.held, strict=True):
            told = Configuration(
                prospect.served.model, file, prospect.served.engine, "chat", 4096, "q8_0", prospect.placement
            )
            by_pool = dict(zip(drawn_on(assess, told), assess.weights(told), strict=False))
            if separable(told) and not (told.placement.is_cut and file.weights and file.weights.prediction_bytes):
                assert by_pool == {
                    pool.id: size
                    for pool, size in zip(assess.host.pools, held.tolist(), strict=True)
                    if pool.id in by_pool
                }
            speed = assess.speed(told)
            if speed is not None and prospect.served.mode == "chat":
                told_at_once = assess.at_once.rates_at_most(prospect.served.model, [file], (prospect.placement,))
                rate = told_at_once.per_second[0, 0]
                assert speed.decode_tokens_per_second <= rate
                close += rate < 1.1 * speed.decode_tokens_per_second
    assert close


def drawn_on(assess: HostAssessor, configuration: Configuration) -> list[str]:
    """The pools that a configuration draws on, as its weights are told."""
    pools = {assess.pool_of(device) for device in configuration.placement.devices}
    return sorted({*pools, assess.host.host_pool.id})


def test_no_model_is_looked_for_where_its_engine_runs_nothing() -> None:
    space = space_of(bundled("rtx-3090-ti", "everyday"))
    for prospect in space.prospects:
        assert place_obstacle(prospect.served.engine, prospect.placement) is None
    told = {refusal.reason for refusal in space.finder.refusals}
    assert {"vllm-needs-gpu", "vllm-no-partial-offload", "ollama-no-expert-offload"} <= told


def test_what_is_hopeless_holds_nothing() -> None:
    space = space_of(bundled("rtx-3060-12gb", "everyday"))
    hopeful = set(space.finder.hopeful(space.prospects))
    hopeless = [prospect for prospect in space.prospects if prospect not in hopeful]
    assert hopeless
    assert not [base for prospect in hopeless for base in space.finder.bases(prospect)]


@pytest.mark.parametrize("profile", MACHINES)
def test_at_any_prices_a_prospect_may_gain_as_much_as_each_of_its_bases(profile: str) -> None:
    space = space_of(bundled(profile, "everyday"))
    finder, own = space.finder, [one for one in space.prospects[::9] if one.best]
    terms = terms_of(own, finder)
    for found in _prices(space):
        for tier in (Offered(found, tier, finder, terms) for tier in TIERS):
            bounds, files = tier.gains(outlooks_of(own, terms)), iter(tier.gains(files_of(own, terms)))
            for bound, prospect in zip(bounds, own, strict=True):
                most = {file.id: next(files) for file in prospect.files}
                bases = finder.bases(prospect)
                gains = tier.gains(rows_of([sketch_of(base, finder, terms) for base in bases], terms))
                for base, gain in zip(bases, gains, strict=True):
                    assert gain <= min(bound, most[base.artifact.id]) + 1e-6


def _prices(space: Space, rounds: int = 2) -> Iterator[PriceList]:
    """Prices of the first columns, and of those with what gains most at these: bad prices and better ones."""
    market, finder = space.market, space.finder
    columns, empty = first_columns(market), empty_problem(finder.host, finder.needs, finder.rating)
    for _ in range(rounds):
        found = prices(problem_of(empty, columns), 0.0)
        assert found is not None
        yield found
        columns |= market.columns(market.best(found).options)


@pytest.mark.parametrize("seed", [1, 4, 7, 12])
def test_rows_gain_what_the_solver_says_of_the_same_options(seed: int) -> None:
    """The array arithmetic and `PriceList.profits` tell the same of an option that serves one need."""
    space = space_of(small_world(seed))
    for told, known in _told(space, next(_prices(space))):
        assert told >= known - 1e-6  # several needs share running costs: the rows add up what they gain together


def test_what_is_hot_on_a_card_costs_no_host_memory() -> None:
    """Where RAM is short, weights that stay mapped there have a price: in WARM, not in HOT."""
    space = space_of(with_budget(bundled("rtx-3090-ti", "everyday"), "ram", 6 * GIB))
    dear = [found for found in _prices(space, rounds=8) if found.memory["ram"] > 0]
    assert dear
    for found in dear[-1:]:
        assert all(told >= known - 1e-6 for told, known in _told(space, found))


def _told(space: Space, found: PriceList) -> Iterator[tuple[float, float]]:
    """What rows and prices say of 300 options in each tier that serve one need."""
    market = space.market
    options, gains, _ = market.above(found, -np.inf)
    for place in range(0, len(options), max(1, len(options) // 300)):
        for tier in range(len(TIERS)):
            for column in market.columns([(int(options[place]), tier)]).values():
                profits = found.profits(column.candidate, column.offers)
                if len(profits) == 1:
                    yield float(gains[place, tier]), max(profits.values())


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.1])
def test_what_is_not_looked_at_for_want_of_time_gains_no_more_than_is_said(seconds: float) -> None:
    space = space_of(bundled("rtx-3060-12gb", "everyday"))
    found = list(_prices(space, rounds=3))[-1]
    options, gains, missed = space.market.above(found, 0.0, until=seconds)
    whole, every, none = space.market.above(found, 0.0)
    assert none == -np.inf
    assert len(options) < len(whole)
    seen = np.sort(gains[gains > missed])
    assert (seen == np.sort(every[every > missed])).all()


@pytest.mark.parametrize("position", [0, 2])
def test_the_most_worthy_come_first_and_few_prospects_are_opened_for_them(position: int) -> None:
    space = space_of(bundled("rtx-3090-ti", "everyday"))
    first = [merit for merit, _ in (pair for _, pair in zip(range(20), most_worthy(space, position), strict=False))]
    assert len(space.market.closed) == len(space.market.prospects)  # a market of its own: nothing opened in it
    everything = sorted(
        (merit for base in space.bases for need, merit in base.merits if need == position), reverse=True
    )
    assert first == everything[:20]


def test_a_choice_says_how_many_ways_it_did_not_look_at() -> None:
    space = space_of(bundled("rtx-4060-ti-16gb", "rag-services"))
    chosen = choose(space.market)
    assert 0 < chosen.passed_over < len(Market.of(space.prospects, space.finder).prospects)


def test_what_is_looked_at_before_no_plan_is_said_is_everything() -> None:
    """Also the files of a prospect that was looked into, when they promised nothing then."""
    space = space_of(bundled("rtx-3060-12gb", "rag-services"))
    market = space.market
    market.best(next(_prices(space)))
    list(lightest_columns(market))
    worth_asking = [one for one in space.finder.hopeful(space.prospects) if one.best]
    everything = {base.configuration(0).name: base for one in worth_asking for base in space.bases_in(one)}
    seen = {base.configuration(0).name: base for base in market.bases}
    assert seen.keys() >= everything.keys()
    for name in seen.keys() - everything.keys():  # opened before the way that makes it pointless
        assert any(is_as_good(other, seen[name]) for other in everything.values()), name


def is_as_good(one: Base, other: Base) -> bool:
    """Whether one way of a model does all that another of the same place does, with a file no larger."""
    kind = (one.served.key, one.placement, one.kv_type) == (other.served.key, other.placement, other.kv_type)
    worth = dict(one.merits)
    serves = all(worth.get(need, -1.0) >= merit for need, merit in other.merits)
    return kind and serves and one.artifact.file_bytes <= other.artifact.file_bytes
