"""What quantisation of weights and cache costs, as a share of a model's points, from published divergences.

loss = 1 - exp(-k x D x f): D the mean Kullback-Leibler divergence of the type, f = (reference / parameters) ** e
within bounds, because small models suffer more. A file with more bits than its type promises (rows that do not divide
into blocks fall back to larger types) is moved along the envelope of all types by its bits. Sources: docs/quality.md.
"""

from math import exp, sqrt

from stackplan.catalog import Model
from stackplan.quality_tables import QuantisationTables

# Extra bits are believed by half (project judgement, 2026-11): they may lie where they help less, in a large
# embedding table or in a picture encoder that is part of the file.
EXTRA_BITS_CREDIT = 0.5


def effective_parameters(model: Model) -> float:
    """The geometric mean of all and active parameters: a rule of thumb for what a sparse model is worth as dense."""
    return sqrt(model.parameters * (model.active_parameters or model.parameters))


def size_factor(tables: QuantisationTables, parameters: float) -> float:
    """By how much more than the table says a model of ``parameters`` suffers."""
    factor: float = (tables.reference_parameters / max(parameters, 1.0)) ** tables.size_exponent
    return min(tables.most_factor, max(tables.least_factor, factor))


def weight_loss(
    tables: QuantisationTables,
    quantisation: str,
    factor: float,
    bits_per_parameter: float | None = None,
    family: str = "",
) -> float:
    """Share of its points that a model with that `size_factor` loses to ``quantisation``, within 0..1.

    ``bits_per_parameter`` are those of the real file. A ``family`` trained in a quantised type loses nothing. A type
    that the table does not know is judged by its bits alone; without those it counts as the worst known one.
    """
    if family in tables.native:
        return 0.0
    divergence = tables.divergence.get(quantisation)
    if divergence is None:
        unknown = max(tables.divergence.values())
        divergence = unknown if bits_per_parameter is None else exp(tables.envelope.at(bits_per_parameter))
    elif bits_per_parameter is not None and divergence > 0:
        promised = tables.bits[quantisation]
        if bits_per_parameter > promised:
            gain = tables.envelope.at(bits_per_parameter) - tables.envelope.at(promised)
            divergence *= exp(EXTRA_BITS_CREDIT * gain)
    return 1.0 - exp(-tables.loss_per_divergence * divergence * factor)


def cache_loss(tables: QuantisationTables, kv_type: str, factor: float) -> float:
    """Share of its points that a model with that `size_factor` loses to a KV cache of ``kv_type``, within 0..1.

    Raises KeyError for a type that llama.cpp has no cache of.
    """
    return 1.0 - exp(-tables.loss_per_divergence * tables.kv_divergence[kv_type] * factor)
