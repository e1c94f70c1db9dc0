"""A few columns of every need to begin pricing with."""

from collections.abc import Iterator, Sequence

from stackplan.bases import Base, BaseFinder
from stackplan.configuration import place_name
from stackplan.market import speaks
from stackplan.options import Column, columns_of

_SEEDS_PER_NEED = 3


def first_columns(bases: Sequence[Base], finder: BaseFinder) -> Iterator[Column]:
    """A few columns of every need to begin with: of the most worthy, the thriftiest and the lightest models."""
    for position in (p for p, need in enumerate(finder.needs) if speaks(need)):
        need = finder.needs[position].id
        offering = [(dict(base.merits)[position], base) for base in bases if position in dict(base.merits)]
        for rank in (_worth, _thrift, _lightness):
            models: set[str] = set()
            for _, base in sorted(offering, key=rank):
                if len(models) >= _SEEDS_PER_NEED:
                    break
                if base.served.key not in models:
                    columns = [c for c in columns_of(base, finder) if any(offer.need == need for offer in c.offers)]
                    models |= {base.served.key} if columns else set()
                    yield from columns[:3] + columns[3:][-3:]


def _worth(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0], pair[1].configuration(0).name)


def _thrift(pair: tuple[float, Base]) -> tuple[float, str]:
    return (-pair[0] / (1 + _weight(pair[1])), pair[1].configuration(0).name)


def _lightness(pair: tuple[float, Base]) -> tuple[float, str]:
    return (_weight(pair[1]), pair[1].configuration(0).name)


def _weight(base: Base) -> int:
    return sum(pool.fixed_bytes + pool.per_slot_bytes for pool in base.least.pools)


def lightest_columns(bases: Sequence[Base], finder: BaseFinder) -> Iterator[Column]:
    """Each model's lightest file in each place, at the floors of required needs: if these serve none, none does."""
    required = {position for position, need in enumerate(finder.needs) if need.required}
    lightest: dict[tuple[str, bool, str, str], Base] = {}
    for base in sorted(bases, key=lambda base: (_weight(base), base.configuration(0).name)):
        if required & dict(base.merits).keys():
            key = (base.served.key, base.served.vision, place_name(base.placement), base.kv_type)
            lightest.setdefault(key, base)
    for base in lightest.values():
        floors = {finder.needs[position].context_floor_tokens for position in required & dict(base.merits).keys()}
        contexts = {min((c for c in base.contexts if c >= floor), default=0) for floor in floors}
        yield from (c for c in columns_of(base, finder) if c.deployable.configuration.context_tokens in contexts)
