"""What a unit of each kind of planning's work takes, fitted to plans timed here: figures for `stackplan.meter`.

    python bench/work.py [PROFILE/STACK ...]

Kinds go together (who rates more files opens more of them), so figures are only moved away from those that hold now as
far as the times demand it (ridge regression). What moves by less than the machine's own unevenness is no reason to
change anything: other figures are other plans.
"""

import sys

import numpy as np

from solve import run, worlds
from stackplan.meter import MICROSECONDS

_HELD = 2.0  # how much a figure weighs against one plan's time


def main() -> None:
    """Print the fit."""
    runs = [run(world) for _, world in worlds(sys.argv[1:])]
    fastest, kinds = min(one.pace for one in runs), list(MICROSECONDS)
    seconds = np.array([one.seconds * fastest / one.pace for one in runs])
    known = np.array([MICROSECONDS[kind] / 1e6 for kind in kinds])
    taken = np.array([[one.work.counts.get(kind, 0.0) for kind in kinds] for one in runs]) * known
    weights = 1 / np.maximum(seconds, 0.2)
    table = np.vstack([taken * weights[:, None], _HELD * np.eye(len(kinds))])
    factors = np.linalg.lstsq(table, np.concatenate([seconds * weights, np.full(len(kinds), _HELD)]), rcond=None)[0]
    print(f"{'kind':10} {'now':>12} {'fitted':>12}  microseconds, at the fastest pace of this run")
    for kind, factor, share in zip(kinds, factors, taken.mean(axis=0), strict=True):
        now = MICROSECONDS[kind]
        print(f"{kind:10} {now:12,.3f} {now * factor:12,.3f}  {share:6.3f} s of a plan on average")


if __name__ == "__main__":
    main()
