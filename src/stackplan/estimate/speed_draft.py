"""What speculative decoding gains: a draft model, or a prediction head, proposes tokens that the target verifies.

    speed-up = T / (v + k c),  T = (1 - a^(k+1)) / (1 - a)

with a the chance that a proposed token is accepted, k tokens proposed per step, c the cost of proposing one and v
the cost of verifying k + 1 tokens, both in units of the target's own token. Source of T: Leviathan et al. 2023,
"Fast Inference from Transformers via Speculative Decoding"; v from how many distinct experts k + 1 tokens touch.
Check (Strix Halo, MTP, kyuz0's logs, 2026): Qwen3.6 27B Q8, k = 2, 0.797 of proposals accepted: x1.91 measured.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from stackplan.estimate.speed import distinct_experts
from stackplan.estimate.speed_traffic import Workload
from stackplan.hardware import Basis, Host, PoolKind
from stackplan.serving import Acceleration, Placement

# What one more token adds to a step of a dense model, as a share of it. Assumed: 0 to 0.07 where bandwidth is scarce,
# 0.12 measured on Strix Halo (see above), where compute is.
VERIFY_SHARE: Final = 0.08
VERIFY_SHARE_SCARCE: Final = 0.12


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Chance that a proposed token is accepted when those before it were: over tasks, the likely and the ends."""

    low: float
    likely: float
    high: float
    basis: Basis
    most_tokens: int


# Accepted over proposed, solved for a of each position, 2026: Qwen3.6 27B and 35B-A3B with their own head in llama.cpp
# (pull requests 22673 and 24340, kyuz0's Strix Halo logs): 0.88, 0.80 to 0.82, 0.71 to 0.74 for 1, 2, 3 tokens give
# 0.86; stories 0.631 and programs 0.834 of 3 give the ends. Of 4 only 0.64 are: less than 0.86 each.
BY_HEAD: Final = Acceptance(0.75, 0.86, 0.92, Basis.PUBLISHED, 3)
# Drafts of the same family, greedy, llama.cpp: Llama 3.1 8B by 3.2 1B 0.72 of 5 (issue 5877, 2024-11), Llama 3 70B by
# 8B 0.59 of 8 (devquasar.com, 2024), Qwen2.5 Coder 32B by 3B 0.34 of 16 (pull request 10455): 0.86 to 0.89 each.
# Sampling at ordinary temperatures accepts fewer; how many fewer is assumed.
BY_DRAFT: Final = Acceptance(0.60, 0.75, 0.88, Basis.ASSUMED, 8)


@lru_cache(maxsize=256)
def expected_tokens(acceptance: float, drafted: int) -> float:
    """Tokens per step when each of ``drafted`` proposals in turn is accepted with chance ``acceptance``."""
    return sum(acceptance**position for position in range(drafted + 1))


def verify_cost(work: Workload, drafted: int, verify_share: float = VERIFY_SHARE) -> float:
    """Cost of one step over ``drafted`` + 1 tokens, in units of one token: experts multiply, the rest hardly does.

    ``verify_share`` is what one more token adds to a step of a dense model.
    """
    expert, total = work.expert[-1], work.dense[-1] + work.expert[-1] + work.head_bytes
    return _step_cost(expert / total if total else 0.0, work.expert_share, drafted, verify_share)


@lru_cache(maxsize=4096)
def _step_cost(experts: float, expert_share: float, drafted: int, verify_share: float) -> float:
    """The same of a model of which so much is ``experts``: asked again for everybody who might propose to it."""
    return 1 + experts * (distinct_experts(expert_share, drafted + 1) - 1) + verify_share * drafted


def verify_share(host: Host, placement: Placement) -> float:
    """What verifying one more token adds; CPUs and GPUs that share their memory have little compute to spare."""
    pools = {host.pool(host.device(device).pool).kind for device in placement.devices}
    return VERIFY_SHARE_SCARCE if placement.is_cpu or PoolKind.UNIFIED in pools else VERIFY_SHARE


def proposed(
    kind: str, work: Workload, cost: float, acceptance: Acceptance, share: float, tokens: int = 0
) -> Acceleration:
    """What ``tokens`` proposals per step gain, each at ``cost`` (see `speculative_speedup`); 0 takes the best number.

    ``share`` is `verify_share`.
    """

    def speedup(chance: float, length: int) -> float:
        return speculative_speedup(work, cost, chance, length, share)

    lengths = range(1, acceptance.most_tokens + 1)
    length = tokens or max(lengths, key=lambda each: speedup(acceptance.likely, each))
    likely, low, high = (speedup(chance, length) for chance in (acceptance.likely, acceptance.low, acceptance.high))
    return Acceleration(kind, length, acceptance.likely, likely, low, high, acceptance.basis)


def speculative_speedup(
    work: Workload, draft_cost: float, acceptance: float, drafted: int, verify_share: float = VERIFY_SHARE
) -> float:
    """How many times faster ``work`` decodes with ``drafted`` proposals per step; below 1 it is slower.

    ``draft_cost`` is the time of proposing one token over the time of one token of the target: the ratio of two
    decode rates for a draft model, `prediction_cost` for a prediction head.
    """
    step = verify_cost(work, drafted, verify_share) + drafted * draft_cost
    return expected_tokens(acceptance, drafted) / step


def most_speedup(acceptance: Acceptance) -> float:
    """What no proposer of a kind can exceed: proposing is free, and verifying costs no more than in a dense model."""
    share, lengths = min(VERIFY_SHARE, VERIFY_SHARE_SCARCE), range(1, acceptance.most_tokens + 1)
    return max(expected_tokens(acceptance.likely, length) / (1 + share * length) for length in lengths)


def prediction_cost(work: Workload, prediction_bytes: int) -> float:
    """``draft_cost`` of a multi-token-prediction head: its own bytes and the output head, over the model's."""
    expert_share = work.expert_share if work.expert[-1] else 1.0
    total = work.dense[-1] + work.expert[-1] + work.head_bytes
    return (prediction_bytes * expert_share + work.head_bytes) / total
