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
    "no-engine": "no allowed engine serves {detail}",
    "no-projector": "no image projector is known for this file",
    "thinking": "cannot stop thinking",
    "too-few-parameters": "smaller than asked",
    "too-many-parameters": "larger than asked",
    "too-slow-or-weak": "below the role's floor of speed or quality",
    "unsuited": "made for other work",
    "outweighed": "every option would cost other roles more than it is worth",
}
_TOLD = 4


def sentence(refusal: Refusal) -> str:
    """A refusal as one clause."""
    known = SENTENCES.get(refusal.reason, refusal.reason.replace("-", " ") + (": {detail}" if refusal.detail else ""))
    return known.format(detail=refusal.detail, pool=refusal.pool, short=format_bytes(refusal.shortfall_bytes))


def histogram(refusals: Sequence[Refusal]) -> str:
    """Refusals counted by reason, the commonest first: ``268 memory, 96 licence``."""
    counts = Counter(refusal.reason for refusal in refusals if refusal.reason != "unsuited")
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{count} {reason}" for reason, count in ordered[:_TOLD])


def nearest_miss(refusals: Sequence[Refusal]) -> Refusal | None:
    """The memory refusal with the smallest shortfall: what would fit first."""
    missing = [refusal for refusal in refusals if refusal.reason == "memory"]
    return min(missing, key=lambda r: (r.shortfall_bytes, r.model, r.artifact, r.pool), default=None)


def conflict_lines(conflict: Sequence[str], refusals: Sequence[Refusal]) -> list[str]:
    """Why there is no plan, constraint by constraint; refusals tell of needs that have no option at all."""
    lines = ["error[no-plan]: no plan serves every required role"]
    needs = [name.removeprefix("need ") for name in conflict if name.startswith("need ")]
    pools = [name.removeprefix("pool ") for name in conflict if name.startswith("pool ")]
    for need in needs:
        own = [refusal for refusal in refusals if refusal.need == need]
        if len(needs) == 1 and not pools:
            lines.append(f"  because nothing can serve {need}: {histogram(own) or 'no model suits it'}")
        if (miss := nearest_miss(own)) is not None:
            lines.append(f"  nearest for {need}: {miss.artifact} - {sentence(miss)} ({miss.shortfall_bytes} bytes)")
    if pools or len(needs) > 1:
        limits = " and ".join(f"the budget of {pool}" for pool in pools) or "the other rules"
        lines.append(f"  because {', '.join(needs)} cannot all be served within {limits}")
    if "disk" in conflict:
        lines.append("  because the disk cannot hold the files")
    return lines
