"""What configurations are worth to needs: quality, quantisation and utility put together, each computed once.

The worth of an option is a product, so it is kept as one: what model, file, cache type and speed leave of a need's
points (`merit`), times what the context and the tier leave. `explain` tells the same product term by term.
"""

from dataclasses import dataclass, field

from stackplan.catalog import Artifact, Model
from stackplan.configuration import Configuration
from stackplan.hardware import Basis
from stackplan.needs import RoleNeed
from stackplan.plan import Utility
from stackplan.problem import Tier
from stackplan.quality import QualityScore, quality_of
from stackplan.quality_tables import QualityTables, QuantisationTables
from stackplan.quantisation import cache_loss, effective_parameters, size_factor, weight_loss
from stackplan.serving import SpeedEstimate
from stackplan.stack import Policy
from stackplan.utility import SAME_LINEAGE_POINTS, Wish, factors, speed_factor, start, wish_of
from stackplan.utility_terms import Offered, explained


@dataclass(slots=True)
class Rating:
    """Judges configurations under one policy."""

    policy: Policy
    quality: QualityTables
    quantisation: QuantisationTables
    _wishes: dict[str, Wish] = field(default_factory=dict)
    _scores: dict[tuple[str, str], QualityScore] = field(default_factory=dict)
    _starts: dict[tuple[str, str], float | None] = field(default_factory=dict)
    _factors: dict[str, float] = field(default_factory=dict)
    _losses: dict[str, float] = field(default_factory=dict)
    _kept: dict[tuple[str, str], float] = field(default_factory=dict)
    _contexts: dict[tuple[str, int], float] = field(default_factory=dict)
    _tiers: dict[tuple[str, str], float] = field(default_factory=dict)
    _left: dict[tuple[str, int, str], float] = field(default_factory=dict)

    def merit(
        self, need: RoleNeed, model: Model, artifact: Artifact, kv_type: str, speed: SpeedEstimate | None
    ) -> float | None:
        """Points left by quality, quantisation, cache type and speed; None when a floor of the need is missed."""
        begun = self.begun(need, model)
        rate = speed.decode_tokens_per_second if speed is not None else None
        if begun is None or (rate is not None and rate < need.speed_floor):
            return None
        return begun * self.kept(model, artifact, kv_type) * speed_factor(self.wish(need), rate)

    def begun(self, need: RoleNeed, model: Model) -> float | None:
        """Points of the model itself, before any file or place takes some; None below the need's floor."""
        key = (need.id, model.id)
        if key not in self._starts:
            points = self.score(need, model).points
            self._starts[key] = start(self.wish(need), points) if points >= need.quality_floor else None
        return self._starts[key]

    def context_factor(self, need: RoleNeed, context_tokens: int) -> float:
        """Share of the merit that a context leaves."""
        key = (need.id, context_tokens)
        if key not in self._contexts:
            wish = self.wish(need)
            self._contexts[key] = factors(wish, context_tokens, None, wish.tier)[0]
        return self._contexts[key]

    def tier_factor(self, need: RoleNeed, tier: Tier) -> float:
        """Share of the merit that a tier leaves."""
        key = (need.id, tier)
        if key not in self._tiers:
            wish = self.wish(need)
            self._tiers[key] = factors(wish, wish.context_wish_tokens, None, tier)[2]
        return self._tiers[key]

    def left(self, need: RoleNeed, context_tokens: int, tier: Tier, memory_bytes: int) -> float:
        """Share of the merit that context, memory and tier leave."""
        if self.wish(need).memory_cost:
            parts = (self.context_factor(need, context_tokens), self.memory_factor(need, memory_bytes))
            return parts[0] * parts[1] * self.tier_factor(need, tier)
        key = (need.id, context_tokens, tier)
        if key not in self._left:
            self._left[key] = self.context_factor(need, context_tokens) * self.tier_factor(need, tier)
        return self._left[key]

    def memory_factor(self, need: RoleNeed, memory_bytes: int) -> float:
        """Share of the merit that taking so much memory leaves; 1 unless the policy counts memory itself."""
        wish = self.wish(need)
        if not wish.memory_cost:
            return 1.0
        return factors(wish, wish.context_wish_tokens, None, wish.tier, memory_bytes)[3]

    def diversity_points(self, need: RoleNeed) -> float:
        """Points that ``need`` loses when what it checks comes from the same training lineage."""
        return SAME_LINEAGE_POINTS if need.role.checks else 0.0

    def kept(self, model: Model, artifact: Artifact, kv_type: str) -> float:
        """Share of the quality that quantisation of weights and cache leaves."""
        key = (artifact.id, kv_type)
        found = self._kept.get(key)
        if found is None:
            left = (1.0 - self._weight_loss(model, artifact)) * (1.0 - self._cache_loss(model, kv_type))
            found = self._kept[key] = left
        return found

    def score(self, need: RoleNeed, model: Model) -> QualityScore:
        """Quality of a model on the need's scale, with its basis."""
        key = (need.role.scale, model.id)
        if key not in self._scores:
            self._scores[key] = quality_of(model, need.role.scale, self.quality)
        return self._scores[key]

    def wish(self, need: RoleNeed) -> Wish:
        """The need's wish under the policy."""
        if need.id not in self._wishes:
            self._wishes[need.id] = wish_of(need.role, need.request, self.policy)
        return self._wishes[need.id]

    def utility(
        self, need: RoleNeed, configuration: Configuration, speed: SpeedEstimate | None, tier: Tier, memory_bytes: int
    ) -> Utility:
        """The utility of a chosen configuration, term by term."""
        model, artifact = configuration.model, configuration.artifact
        offered = Offered(
            quality=self.score(need, model),
            quantisation=artifact.quantisation,
            weight_loss=self._weight_loss(model, artifact),
            kv_type=configuration.kv_type,
            cache_loss=self._cache_loss(model, configuration.kv_type),
            context_tokens=configuration.context_tokens,
            decode_tokens_per_second=speed.decode_tokens_per_second if speed else None,
            speed_basis=speed.basis if speed else Basis.ASSUMED,
            tier=tier,
            memory_bytes=memory_bytes,
        )
        return explained(self.wish(need), offered)

    def _weight_loss(self, model: Model, artifact: Artifact) -> float:
        found = self._losses.get(artifact.id)
        if found is None:
            factor, bits = self._factor(model), 8 * artifact.file_bytes / model.parameters if model.parameters else None
            found = weight_loss(self.quantisation, artifact.quantisation, factor, bits, model.family)
            self._losses[artifact.id] = found
        return found

    def _cache_loss(self, model: Model, kv_type: str) -> float:
        return cache_loss(self.quantisation, kv_type, self._factor(model))

    def _factor(self, model: Model) -> float:
        if model.id not in self._factors:
            self._factors[model.id] = size_factor(self.quantisation, effective_parameters(model))
        return self._factors[model.id]
