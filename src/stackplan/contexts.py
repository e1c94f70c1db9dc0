"""Which context lengths are worth offering between a floor and a wish: four steps per doubling.

Powers of two alone leave up to half of the cache's memory unused near a limit; with four steps per doubling a user
loses at most a fifth of the context that would have fitted.
"""

_STEPS_PER_DOUBLING = 4
_GRANULE = 1024


def context_steps(floor: int, wish: int) -> tuple[int, ...]:
    """Context lengths from ``floor`` to ``wish``, both included, ascending."""
    steps = {floor, max(floor, wish)}
    octave = _GRANULE
    while octave <= wish:
        stride = max(_GRANULE, octave // _STEPS_PER_DOUBLING)
        steps |= {step for step in range(octave, 2 * octave, stride) if floor < step < wish}
        octave *= 2
    return tuple(sorted(steps))
