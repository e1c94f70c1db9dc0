"""How long planning takes, how much is proved, and how it grows: one table over machines and stacks, one over catalogs.

    python bench/solve.py [PROFILE/STACK ...] [--growth PROFILE/STACK]

Nothing is asserted here; the figures are for people and for comparing one commit with another. Planning is timed in one
warm process, from a world that is read to a plan: what `stackplan plan` does after starting and reading its files.

A machine that others use may be half as fast in one second as in the next. So each plan stands between two runs of one
small loop, and what it took is also told as if the machine had been all the time as fast as it was at its fastest.
What took over a second is timed again afterwards.
``metered`` is the work that was counted, as the time that it should take (`stackplan.meter`): planning ends by that.
"""

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stackplan.catalog import Artifact, Catalog, Model
from stackplan.cli.world import Asked, read_world
from stackplan.meter import Meter
from stackplan.pipeline import World, plan_world
from stackplan.problem import Choice
from stackplan.values import replace

ROOT = Path(__file__).resolve().parents[1]
GROWTH = ("rtx-3090-ti/everyday", "apple-m4-max-64gb/agents", "dual-rtx-3090/coding")
FACTORS = (1, 3, 10)
_LOOPS = 3  # of which the least tells the pace
_SLOW, _AGAIN = 1.0, 2  # what took so many seconds is timed so many times more
SHAVED = 4096  # bytes by which each copy of a file is larger than the one before, so that no two are twins


@dataclass(frozen=True, slots=True)
class Run:
    """One plan: what it took, what was on the table, how it ended."""

    seconds: float
    cpu_seconds: float
    pace: float
    work: Meter
    offered: int
    columns: int
    status: str
    gap: float


def run(world: World) -> Run:
    """Plan once and measure, without collecting garbage on the way: the program does not either."""
    gc.collect()
    gc.disable()
    pace = _pace()
    started, cpu = time.perf_counter(), time.process_time()
    planned = plan_world(world)
    seconds, spent = time.perf_counter() - started, time.process_time() - cpu
    pace = (pace + _pace()) / 2
    chosen = planned.chosen
    status = chosen.answer.status if isinstance(chosen.answer, Choice) else "no plan"
    gap = chosen.answer.gap if isinstance(chosen.answer, Choice) else 0.0
    told = (chosen.work, chosen.offered, len(chosen.problem.candidates))
    return Run(seconds, spent, pace, *told, status, gap)


def _pace() -> float:
    """Seconds that a loop takes which does nothing but count; the least of a few."""
    least = float("inf")
    for _ in range(_LOOPS):
        started, count = time.perf_counter(), 0
        for number in range(100_000):
            count += number & 3
        least = min(least, time.perf_counter() - started)
    return least


def grown(world: World, factor: int) -> World:
    """The world with every model ``factor`` times: under other names, in files of slightly other sizes."""
    copies = [_copy(model, number) for number in range(factor) for model in world.catalog.models]
    return replace(world, catalog=_with_models(world.catalog, copies))


def _with_models(catalog: Catalog, models: list[Model]) -> Catalog:
    return replace(catalog, models=tuple(sorted(models, key=lambda model: model.id)))


def _copy(model: Model, number: int) -> Model:
    if number == 0:
        return model
    name = f"{model.id}-copy{number}"
    artifacts = tuple(_copied_file(artifact, name, number) for artifact in model.artifacts)
    return replace(model, id=name, name=f"{model.name} {number}", artifacts=artifacts)


def _copied_file(artifact: Artifact, model: str, number: int) -> Artifact:
    size = artifact.file_bytes + SHAVED * number
    return replace(artifact, id=f"{artifact.id}#{number}", model=model, file_bytes=size)


def worlds(names: list[str]) -> Iterator[tuple[str, World]]:
    """The worlds called ``profile/stack``; all of them where none is named."""
    profiles = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
    stacks = sorted(path.stem for path in (ROOT / "profiles" / "stacks").glob("*.yaml"))
    for name in names or [f"{profile}/{stack}" for stack in stacks for profile in profiles]:
        profile, _, stack = name.partition("/")
        yield name, read_world(Asked(profile=profile, stack=stack))


def _row(name: str, done: Run) -> str:
    figures = (
        f"{done.seconds:8.2f} {done.cpu_seconds:8.2f} {done.work.seconds:8.2f} {done.offered:11,} {done.columns:9,}"
    )
    return f"{name:36} {figures}  {done.status:9} {100 * done.gap:7.3f} %"


def _head(first: str) -> str:
    figures = f"{'seconds':>8} {'own cpu':>8} {'metered':>8} {'offered':>11} {'columns':>9}"
    return f"{first:36} {figures}  {'status':9} {'gap':>9}"


def _table(names: list[str]) -> None:
    print(_head("profile/stack"))
    found, slow = [], []
    for name, world in worlds(names):
        found.append(run(world))
        slow += [(len(found) - 1, name, world)] if found[-1].seconds > _SLOW else []
        print(_row(name, found[-1]), flush=True)
    least = list(found)
    for number, name, world in slow * _AGAIN:
        if least[number].seconds > _SLOW:
            again = run(world)
            least[number] = min(least[number], again, key=lambda one: one.seconds)
            print(_row(f"{name} again", again), flush=True)
    fastest = min(one.pace for one in found)
    proved = sum(one.status in {"optimal", "no plan"} for one in found)
    print(f"{len(found)} plans: {proved} proved or refuted")
    _summary("as measured", [one.seconds for one in found])
    _summary(f"the least of {_AGAIN + 1} where that was over {_SLOW:g} s", [one.seconds for one in least])
    _summary("had the machine always been as fast as once", [one.seconds * fastest / one.pace for one in found])
    slowest = max(one.pace for one in found)
    print(f"  its slowest moment was {slowest / fastest:.1f} times as slow as its fastest")
    ratios = sorted(one.seconds * fastest / one.pace / one.work.seconds for one in found)
    low, middle, high = (ratios[len(ratios) * share // 10] for share in (1, 5, 9))
    print(f"  as fast as once, a metered second took {middle:.2f} (eight in ten: {low:.2f} to {high:.2f})\n")


def _summary(name: str, told: list[float]) -> None:
    seconds = sorted(told)
    quick, most = sum(one <= 1.0 for one in seconds), seconds[9 * len(seconds) // 10]
    middle = seconds[len(seconds) // 2]
    told = f"median {middle:.2f}, nine in ten within {most:.2f}, longest {seconds[-1]:.2f} s"
    print(f"  {name}: {quick} within 1 s; {told}")


def _growth(names: tuple[str, ...]) -> None:
    print(_head("growth with the catalog") + "  by the clock, by pace")
    for name, world in worlds(list(names)):
        alone: Run | None = None
        for factor in FACTORS:
            done = run(grown(world, factor))
            alone = alone or done
            times = done.seconds / alone.seconds
            told = f"{times:6.2f} x {times * alone.pace / done.pace:10.2f} x"
            print(_row(f"{name} x{factor}", done), told, flush=True)


def main() -> None:
    """Print both tables."""
    words = sys.argv[1:]
    growth = tuple(words[words.index("--growth") + 1 :]) if "--growth" in words else GROWTH
    named = words[: words.index("--growth")] if "--growth" in words else words
    if named or "--growth" not in words:
        _table(named)
    _growth(growth)


if __name__ == "__main__":
    main()
