"""Which proposers of tokens are worth their memory: the model's own prediction head, or a small model of its tokenizer.

A draft must speak the target's vocabulary (`vocabulary`); catalogs name the tokenizers that agree token by token.

Whether a way pays is told by `estimate.speed_draft`: it must gain even where proposals are seldom accepted. At most two
are offered per file and place, the fastest and the lightest, and only where some role that allows it would be better
served. Floors of speed must hold without.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from stackplan.assess import Assess
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.configuration import Ahead, Configuration
from stackplan.estimate.speculation import can_predict, forgets_cheaply, rollback_tokens
from stackplan.estimate.speed_draft import (
    BY_DRAFT,
    BY_HEAD,
    Acceptance,
    most_speedup,
    prediction_cost,
    proposed,
    verify_share,
)
from stackplan.hardware import Basis, Host
from stackplan.needs import RoleNeed
from stackplan.serving import Acceleration, Placement, SpeedEstimate
from stackplan.stack import Policy
from stackplan.utility import Wish
from stackplan.values import replace
from stackplan.vocabulary import Vocabulary, vocabulary_obstacle

HEAD, DRAFT = "mtp", "draft"
# The least speed-up at the low end of acceptance: what gains only where all goes well is no gain to plan with.
LEAST_SPEEDUP = 1.0
# A draft that lost more of its quality than this proposes too badly (project judgement, 2026-11).
LEAST_KEPT = 0.95


class Judges(Protocol):
    """What proposers need to know of worth; see `rating.Rating`."""

    def wish(self, need: RoleNeed) -> Wish:
        """What a need asks for."""

    def kept(self, model: Model, artifact: Artifact, kv_type: str) -> float:
        """Share of the quality that a file and a cache type leave."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A small model in the file that it drafts from."""

    model: Model
    artifact: Artifact


class _Proposal(NamedTuple):
    """A way to propose tokens; reading a prompt takes ``share`` as long again, unless its speed was ``measured``."""

    ahead: Ahead
    share: float
    measured: SpeedEstimate | None = None


@dataclass(slots=True)
class Proposers:
    """Finds what could propose tokens to a configuration, on one host; ``engines`` says what each engine can do."""

    host: Host
    policy: Policy
    assess: Assess
    rating: Judges
    models: Sequence[Model] = ()
    engines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _speedups: dict[tuple[str, str, bool], float] = field(default_factory=dict)
    _speaking: dict[tuple[str, int, str], tuple[Draft, ...]] = field(default_factory=dict)  # by vocabulary and engine
    _speeds: dict[tuple[str, str, int, Placement], tuple[tuple[Draft, SpeedEstimate], ...]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, host: Host, policy: Policy, assess: Assess, rating: Judges, catalog: Catalog) -> "Proposers":
        """Proposers out of the drafts of a catalog."""
        models = tuple(model for model in catalog.models if "draft" in model.suits)
        return cls(host, policy, assess, rating, models, {each.id: each.accelerations for each in catalog.engines})

    def ways(
        self, configuration: Configuration, speed: SpeedEstimate | None, needs: Sequence[RoleNeed]
    ) -> Iterator[tuple[Ahead, SpeedEstimate]]:
        """The fastest way and the lightest, for ``needs`` that are not served fast enough without; often none."""
        known = self.engines.get(configuration.engine, ())
        if speed is None or not known or not any(self._wants(need, speed) for need in needs):
            return
        found = [
            *(self._head(configuration) if HEAD in known else ()),
            *(
                self._by_drafts(configuration, speed, needs)
                if DRAFT in known and not _is_cut(configuration.placement)
                else ()
            ),
        ]
        if self.assess.at_once.may_be_measured:
            found = [self._measured(configuration, way) for way in found]
        if gaining := list(filter(_gains, found)):
            fastest = min(gaining, key=lambda way: (-way.ahead.acceleration.speedup, _bytes(configuration, way.ahead)))
            lightest = min(gaining, key=lambda way: (_bytes(configuration, way.ahead), way.ahead.name))
            yield _told(fastest, speed)
            if lightest is not fastest:
                yield _told(lightest, speed)

    def most_speedup(self, model: Model, engine: str, placement: Placement) -> float:
        """What no way to propose tokens to a model exceeds there; 1 where there is none."""
        key = (model.id, engine, placement.is_cut)
        if key not in self._speedups:
            self._speedups[key] = max((1.0, *map(most_speedup, self._acceptances(model, engine, placement))))
        return self._speedups[key]

    def _acceptances(self, model: Model, engine: str, placement: Placement) -> Iterator[Acceptance]:
        """Of whoever might propose."""
        known, shape = self.engines.get(engine, ()), model.architecture
        if shape is not None and HEAD in known and can_predict(shape):
            yield BY_HEAD
        drafting = shape is not None and DRAFT in known and not _is_cut(placement)
        if drafting and any(drafts_for(draft.model, model) for draft in self._speakers(model, engine)):
            yield BY_DRAFT

    def _wants(self, need: RoleNeed, speed: SpeedEstimate) -> bool:
        return need.role.speculation and speed.decode_tokens_per_second < self.rating.wish(need).speed_wish

    def _measured(self, configuration: Configuration, way: _Proposal) -> _Proposal:
        """The way with the speed that was measured of it, where one was."""
        ahead = way.ahead
        measured, plain = self.assess.speed(replace(configuration, ahead=ahead)), self.assess.speed(configuration)
        if measured is None or plain is None or measured == plain or measured.basis is not Basis.MEASURED:
            return way
        gain = measured.decode_tokens_per_second / plain.decode_tokens_per_second
        known = replace(ahead.acceleration, speedup=gain, speedup_low=gain, speedup_high=gain, basis=Basis.MEASURED)
        return _Proposal(replace(ahead, acceleration=known), way.share, measured)

    def _head(self, configuration: Configuration) -> Iterator[_Proposal]:
        shape, weights = configuration.model.architecture, configuration.artifact.weights
        if shape is None or weights is None or not weights.prediction_bytes:
            return
        if not can_predict(shape) or not forgets_cheaply(shape, by_head=True):
            return
        work = self.assess.work(configuration)
        cost = prediction_cost(work, weights.prediction_bytes)
        acceleration = proposed(HEAD, work, cost, BY_HEAD, verify_share(self.host, configuration.placement))
        states = rollback_tokens(shape, acceleration.draft_tokens, by_head=True)
        yield _Proposal(Ahead(acceleration, rollback_tokens=states), cost)

    def _by_drafts(
        self, configuration: Configuration, speed: SpeedEstimate, needs: Sequence[RoleNeed]
    ) -> Iterator[_Proposal]:
        """The first that gains of the cheapest to ask, who gain most, and of the lightest; all where some are measured.

        What a draft gains falls with what it costs, so that nobody needs to work out all of them.
        """
        shape = configuration.model.architecture
        if shape is None or not forgets_cheaply(shape, by_head=False):
            return
        forbidden = {name for need in needs for name in need.forbid}
        work, share = self.assess.work(configuration), verify_share(self.host, configuration.placement)
        asked = [one for one in self._alone(configuration) if one[0].model.id not in forbidden]

        def proposal(one: tuple[Draft, SpeedEstimate]) -> _Proposal:
            draft, alone = one
            gain = proposed(DRAFT, work, _cost(speed, alone), BY_DRAFT, share)
            return _Proposal(Ahead(gain, draft.model, draft.artifact), _share(speed, alone))

        if self.assess.at_once.may_be_measured:
            yield from map(proposal, asked)
            return
        by_cost = sorted(asked, key=lambda one: (_cost(speed, one[1]), one[0].artifact.file_bytes))
        if (fastest := next(filter(_gains, map(proposal, by_cost)), None)) is not None:
            yield fastest
            by_bytes = sorted(asked, key=lambda one: (one[0].artifact.file_bytes, one[0].artifact.id))
            lightest = next(filter(_gains, map(proposal, by_bytes)))
            if lightest.ahead.draft is not fastest.ahead.draft:
                yield lightest

    def _alone(self, configuration: Configuration) -> tuple[tuple[Draft, SpeedEstimate], ...]:
        """The drafts of a model with their own speeds where it is: the same for each of its files."""
        own = (configuration.engine, configuration.context_tokens, configuration.placement)
        key = (configuration.model.id, *own)
        if key not in self._speeds:
            drafts = self.drafts(configuration.model, configuration.engine)
            told = [(draft, self.assess.speed(_beside(draft, configuration))) for draft in drafts]
            self._speeds[key] = tuple([(draft, speed) for draft, speed in told if speed is not None])
        return self._speeds[key]

    def drafts(self, target: Model, engine: str) -> tuple[Draft, ...]:
        """The drafts that speak the target's vocabulary, each in one file that ``engine`` reads."""
        return tuple(draft for draft in self._speakers(target, engine) if drafts_for(draft.model, target))

    def _speakers(self, target: Model, engine: str) -> tuple[Draft, ...]:
        """The same whatever the target's size: worked out once a vocabulary."""
        tongue = (target.tokenizer, target.vocabulary_size, engine)
        if tongue not in self._speaking:
            files = ((model, self._file(model, engine)) for model in self.models if _speaks(model, target))
            self._speaking[tongue] = tuple(Draft(model, file) for model, file in files if file is not None)
        return self._speaking[tongue]

    def _is_allowed(self, model: Model) -> bool:
        free = not self.policy.commercial or model.licence.commercial is True
        return free and not {model.id, model.family, model.lineage} & set(self.policy.forbid)

    def _file(self, model: Model, engine: str) -> Artifact | None:
        """The smallest file that keeps enough of the model, or the one that keeps most."""
        files = [file for file in model.artifacts if engine in file.engines and file.weights is not None]
        if model.architecture is None or not files or not self._is_allowed(model):
            return None
        kept = {file.id: self.rating.kept(model, file, "f16") for file in files}
        least = min(LEAST_KEPT, max(kept.values()))
        return min((file for file in files if kept[file.id] >= least), key=lambda file: (file.file_bytes, file.id))


def drafts_for(draft: Model, target: Model) -> bool:
    """Whether ``draft`` is smaller and speaks the vocabulary of ``target``, as far as a catalog tells."""
    return _is_smaller(draft, target) and _speaks(draft, target)


def _is_smaller(draft: Model, target: Model) -> bool:
    return draft.id != target.id and draft.parameters * 2 <= target.parameters


def _speaks(draft: Model, target: Model) -> bool:
    if not draft.tokenizer or not draft.vocabulary_size or not target.vocabulary_size:
        return False
    ours, theirs = (Vocabulary(model.tokenizer, model.vocabulary_size) for model in (target, draft))
    return not vocabulary_obstacle(ours, theirs)


def _gains(way: _Proposal) -> bool:
    return way.ahead.acceleration.speedup_low > LEAST_SPEEDUP


def _told(way: _Proposal, speed: SpeedEstimate) -> tuple[Ahead, SpeedEstimate]:
    """A way with the names of its draft, and the speed that it makes of ``speed``."""
    ahead, acceleration = way.ahead, way.ahead.acceleration
    if ahead.draft_model is not None and ahead.draft is not None:
        acceleration = replace(acceleration, draft_model=ahead.draft_model.id, draft_artifact=ahead.draft.id)
        ahead = replace(ahead, acceleration=acceleration)
    return ahead, way.measured or sped_up(speed, acceleration, way.share)


def sped_up(speed: SpeedEstimate, acceleration: Acceleration, share: float) -> SpeedEstimate:
    """``speed`` with proposals; whoever proposes reads the prompt too, which takes ``share`` as long again."""
    slower = 1 + share
    prompt, low, high = speed.prompt_tokens_per_second, speed.prompt_low, speed.prompt_high
    return replace(
        speed,
        decode_tokens_per_second=speed.decode_tokens_per_second * acceleration.speedup,
        decode_low=speed.decode_low * acceleration.speedup_low,
        decode_high=speed.decode_high * acceleration.speedup_high,
        prompt_tokens_per_second=prompt and prompt / slower,
        prompt_low=low and low / slower,
        prompt_high=high and high / slower,
        basis=Basis.ASSUMED,
    )


def _cost(target: SpeedEstimate, draft: SpeedEstimate) -> float:
    """Of a proposal, in tokens of the target."""
    return target.decode_tokens_per_second / draft.decode_tokens_per_second


def _share(target: SpeedEstimate, draft: SpeedEstimate) -> float:
    if not target.prompt_tokens_per_second or not draft.prompt_tokens_per_second:
        return _cost(target, draft)
    return target.prompt_tokens_per_second / draft.prompt_tokens_per_second


def _is_cut(place: Placement) -> bool:
    """Whether part of the model stays in host memory: the card's memory then is better spent on the model itself."""
    return not place.is_cpu and place.is_cut


def _beside(draft: Draft, target: Configuration) -> Configuration:
    """The draft where the target is, with the cache that the engine gives it."""
    place = target.placement
    return Configuration(draft.model, draft.artifact, target.engine, "chat", target.context_tokens, "f16", place)


def _bytes(configuration: Configuration, ahead: Ahead) -> int:
    if ahead.draft is not None:
        return ahead.draft.file_bytes
    weights = configuration.artifact.weights
    return weights.prediction_bytes if weights else 0
