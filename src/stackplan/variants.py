"""Other ways to run the models that the relaxation runs, for whole choices.

A relaxation runs halves of instances. Whoever runs them whole has to give something up, and then wants a lighter file,
a shorter context or a later tier of the same models; pricing never proposes these, since at its prices they lose. So
the best of each of these models in each tier is taken at prices several times as high too. See docs/adr/0016.
"""

from collections.abc import Mapping

from stackplan.market import Market
from stackplan.options import Column
from stackplan.solve.pricing import PriceList

_DEARER = (1.0, 1.5, 2.5, 4.0)  # two or eight prices did worse, three or five no better (39 bundled plans, 2026-11)


def variants(market: Market, columns: Mapping[str, Column], found: PriceList) -> dict[str, Column]:
    """Columns of the models that the relaxation runs, at its prices for memory and at higher ones."""
    keys = {columns[name].candidate.key for _, name in found.served}
    return market.columns(market.best_of_each([found.dearer(factor) for factor in _DEARER], keys))
