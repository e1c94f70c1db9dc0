"""What ``stackplan estimate --draft`` adds: who proposes tokens, whether it may, and how much faster decoding gets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackplan.errors import UserError
from stackplan.values import replace

if TYPE_CHECKING:
    from stackplan.cli.estimate_source import Sized
    from stackplan.estimate.question import DraftWeights
    from stackplan.estimate.speed_traffic import Workload
    from stackplan.hardware import Host
    from stackplan.serving import Acceleration, Placement, Serving

OWN_HEAD = "mtp"


@dataclass(frozen=True, slots=True)
class Drafting:
    """Who proposes tokens to ``target``: ``sized``, or the model's own prediction head when that is None."""

    source: str
    target: "Sized"
    sized: "Sized | None"

    def weights(self) -> "DraftWeights | None":
        """The draft as the estimator wants it; None for a prediction head. Raises UserError without a shape."""
        from stackplan.estimate.question import DraftWeights  # noqa: PLC0415

        if self.sized is None:
            return None
        if self.sized.architecture is None or self.sized.weights is None:
            raise _refused(f"nobody has written down the layers of {self.source}", "give a GGUF of the draft")
        return DraftWeights(self.sized.architecture, self.sized.weights)

    def serving(self, serving: "Serving", tokens: int) -> "Serving":
        """``serving`` with ``tokens`` proposed per step."""
        from stackplan.estimate.speculation import rollback_tokens  # noqa: PLC0415

        by_head, shape = self.sized is None, self.target.architecture
        states = rollback_tokens(shape, tokens, by_head=by_head) if shape else 0
        return replace(serving, draft_tokens=tokens, prediction_head=by_head, rollback_tokens=states)

    def acceleration(
        self, host: "Host", serving: "Serving", placement: "Placement", tokens: int
    ) -> "Acceleration | None":
        """What it gains on ``host``; with ``tokens`` 0 at the best number of proposals. None without shapes."""
        from stackplan.estimate.speed_draft import BY_DRAFT, BY_HEAD, prediction_cost, proposed, verify_share  # noqa: PLC0415

        work, share = _work(self.target), verify_share(host, placement)
        if work is None or self.target.weights is None:
            return None
        if self.sized is None:
            cost = prediction_cost(work, self.target.weights.prediction_bytes)
            return proposed(OWN_HEAD, work, cost, BY_HEAD, share, tokens)
        draft = _work(self.sized)
        if draft is None:
            return None
        rate = _rate(host, serving, placement)
        return proposed("draft", work, rate(work) / rate(draft), BY_DRAFT, share, tokens)


def drafting(source: str, target: "Sized", sized: "Callable[[str], Sized]", engine: str) -> Drafting:
    """Who ``source`` means. Raises UserError where the engine would refuse it."""
    if engine != "llama.cpp":
        raise _refused(f"{engine} cannot be given a draft here", "leave --draft out, or choose --engine llama.cpp")
    if source != OWN_HEAD:
        draft = sized(source)
        _check_vocabulary(source, target, draft)
        return Drafting(source, target, draft)
    _check_head(target)
    return Drafting(source, target, None)


def _check_head(target: "Sized") -> None:
    from stackplan.estimate.speculation import can_predict  # noqa: PLC0415

    if target.weights is None or not target.weights.prediction_bytes:
        raise _refused("these weights have no prediction block", "name a draft model instead of mtp")
    if target.architecture is None or not can_predict(target.architecture):
        raise _refused("llama.cpp b11434 does not run the prediction block of this architecture", "name a draft model")


def _check_vocabulary(source: str, target: "Sized", draft: "Sized") -> None:
    from stackplan.vocabulary import vocabulary_obstacle  # noqa: PLC0415

    if target.vocabulary and draft.vocabulary:
        obstacle = vocabulary_obstacle(target.vocabulary, draft.vocabulary)
        if obstacle:
            raise _refused(f"{source} cannot draft: {obstacle}", "choose a smaller model of the same family")


def _work(sized: "Sized") -> "Workload | None":
    from stackplan.estimate.speed_traffic import workload  # noqa: PLC0415

    if sized.architecture is None or sized.weights is None:
        return None
    return workload(sized.architecture, sized.weights, sized.quantisation)


def _rate(host: "Host", serving: "Serving", placement: "Placement") -> "Callable[[Workload], float]":
    from stackplan.assess import KV_DEPTH_TOKENS  # noqa: PLC0415
    from stackplan.bundled import search_folders  # noqa: PLC0415
    from stackplan.estimate.speed import decode  # noqa: PLC0415
    from stackplan.estimate.speed_model import speed_model  # noqa: PLC0415
    from stackplan.estimate.speed_rates import host_rates  # noqa: PLC0415
    from stackplan.speed_index import load_speed  # noqa: PLC0415

    model = speed_model(load_speed(search_folders("catalog")))
    rates = host_rates(model, host)

    def rate(work: "Workload") -> float:
        return decode(model, rates, work, serving, placement, KV_DEPTH_TOKENS).decode_tokens_per_second

    return rate


def _refused(message: str, hint: str) -> UserError:
    return UserError(message, hint=hint, slug="draft-refused")
