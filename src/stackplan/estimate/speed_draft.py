"""What speculative decoding gains: a draft model, or a prediction head, proposes tokens that the target verifies.

    speed-up = T / (v + k c),  T = (1 - a^(k+1)) / (1 - a)

with a the chance that a proposed token is accepted, k tokens proposed per step, c the cost of proposing one and v
the cost of verifying k + 1 tokens, both in units of the target's own token. Source of T: Leviathan et al. 2023,
"Fast Inference from Transformers via Speculative Decoding"; v from how many distinct experts k + 1 tokens touch.
Check (Strix Halo, MTP, kyuz0's logs, 2026): Qwen3.6 27B Q8, k = 2, 0.797 of proposals accepted: x1.91 measured.
"""

from typing import Final

from stackplan.estimate.speed import distinct_experts
from stackplan.estimate.speed_traffic import Workload

# What one more token adds to a step of a dense model, as a share of it. Assumed: 0 to 0.07 where bandwidth is scarce,
# 0.12 measured on Strix Halo (see above), where compute is.
VERIFY_SHARE: Final = 0.08


def expected_tokens(acceptance: float, drafted: int) -> float:
    """Tokens per step when each of ``drafted`` proposals in turn is accepted with chance ``acceptance``."""
    return sum(acceptance**position for position in range(drafted + 1))


def verify_cost(work: Workload, drafted: int) -> float:
    """Cost of one step over ``drafted`` + 1 tokens, in units of one token: experts multiply, the rest hardly does."""
    expert, total = work.expert[-1], work.dense[-1] + work.expert[-1] + work.head_bytes
    share = expert / total if total else 0.0
    return 1 + share * (distinct_experts(work.expert_share, drafted + 1) - 1) + VERIFY_SHARE * drafted


def speculative_speedup(work: Workload, draft_cost: float, acceptance: float, drafted: int) -> float:
    """How many times faster ``work`` decodes with ``drafted`` proposals per step; below 1 it is slower.

    ``draft_cost`` is the time of proposing one token over the time of one token of the target: the ratio of two
    decode rates for a draft model, `prediction_cost` for a prediction head.
    """
    return expected_tokens(acceptance, drafted) / (verify_cost(work, drafted) + drafted * draft_cost)


def prediction_cost(work: Workload, prediction_bytes: int) -> float:
    """``draft_cost`` of a multi-token-prediction head: its own bytes and the output head, over the model's."""
    expert_share = work.expert_share if work.expert[-1] else 1.0
    total = work.dense[-1] + work.expert[-1] + work.head_bytes
    return (prediction_bytes * expert_share + work.head_bytes) / total
