"""The one vocabulary: cause -> sentence, cause -> hint. Everything that stackplan refuses is told with these words."""

from collections import Counter
from collections.abc import Sequence

from stackplan.eligibility import Refusal
from stackplan.units import format_bytes

# reason slug of a Refusal -> what people read; {detail} and {short} are filled in
SENTENCES = {
    "another-pinned": "another model is pinned",
    "another-quantisation-pinned": "another quantisation is pinned",
    "architecture-class": "the wrong kind of architecture ({detail})",
    "context-trained": "trained for a shorter context ({detail})",
    "forbidden": "forbidden by you",
    "inputs": "does not take {detail}",
    "licence": "the licence does not allow business ({detail})",
    "memory": "{pool} is short by {short} ({detail})",
    "engine-backend": "{detail} computes on none of this machine's devices",
    "no-engine": "no allowed engine serves {detail}",
    "ollama-no-expert-offload": "Ollama cannot keep experts in host memory",
    "no-projector": "no image projector is known for this file",
    "serving-not-positive": "cannot serve so little",
    "shape-unknown": "its shape is not known, so nobody can say what it takes",
    "thinking": "cannot stop thinking",
    "too-few-parameters": "smaller than asked",
    "too-many-parameters": "larger than asked",
    "too-slow-or-weak": "below the role's floor of speed or quality",
    "vllm-needs-gpu": "vLLM is planned on GPUs only",
    "vllm-no-partial-offload": "vLLM is planned with all of a model on GPUs only",
    "unsuited": "made for other work",
    "outweighed": "every option would cost other roles more than it is worth",
}
_TOLD = 4
_PINS = {"another-pinned", "another-quantisation-pinned"}


def sentence(refusal: Refusal) -> str:
    """A refusal as one clause."""
    known = SENTENCES.get(refusal.reason, refusal.reason.replace("-", " ") + (": {detail}" if refusal.detail else ""))
    return known.format(detail=refusal.detail, pool=refusal.pool, short=format_bytes(refusal.shortfall_bytes))


def histogram(refusals: Sequence[Refusal]) -> str:
    """Refusals counted by reason, the commonest first: ``268 memory, 96 licence``.

    What the user's own pins leave out is counted only where nothing else was refused.
    """
    counts = Counter(refusal.reason for refusal in refusals if refusal.reason != "unsuited")
    told = {reason: count for reason, count in counts.items() if reason not in _PINS} or counts
    ordered = sorted(told.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered[:_TOLD])


def nearest_misses(refusals: Sequence[Refusal]) -> list[Refusal]:
    """For each pool, the memory refusal with the smallest shortfall: what would fit first."""
    least: dict[str, Refusal] = {}
    for refusal in refusals:
        if refusal.reason == "memory":
            known = least.get(refusal.pool)
            if known is None or _shortness(refusal) < _shortness(known):
                least[refusal.pool] = refusal
    return sorted(least.values(), key=_shortness)


def conflict_lines(conflict: Sequence[str], refusals: Sequence[Refusal]) -> list[str]:
    """Why there is no plan, constraint by constraint; refusals tell of needs that have no option at all."""
    lines = ["error[no-plan]: no plan serves every required role"]
    needs = [name.removeprefix("need ") for name in conflict if name.startswith("need ")]
    pools = [name.removeprefix("pool ") for name in conflict if name.startswith("pool ")]
    distinct = [name.removeprefix("distinct ") for name in conflict if name.startswith("distinct ")]
    if pools or distinct or len(needs) > 1:
        rules = [f"the budget of {pool}" for pool in pools]
        rules += [f"different models for {group.replace('+', ', ')}" for group in distinct]
        lines.append(f"  because {', '.join(needs)} cannot be served within {' and '.join(rules) or 'the other rules'}")
    elif needs:
        own = [refusal for refusal in refusals if refusal.need == needs[0]]
        lines.append(f"  because nothing can serve {needs[0]}: {histogram(own) or 'no model suits it'}")
        misses = nearest_misses(own)
        lines += [f"  nearest: {miss.artifact}: {sentence(miss)}, {miss.shortfall_bytes} bytes" for miss in misses]
    if "disk" in conflict:
        lines.append("  because the disk cannot hold the files")
    return lines


def _shortness(refusal: Refusal) -> tuple[int, str, str, str]:
    return (refusal.shortfall_bytes, refusal.model, refusal.artifact, refusal.detail)
