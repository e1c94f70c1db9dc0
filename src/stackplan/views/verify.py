"""The stack beside its plan for people, and as JSON with its schema."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackplan.plan import Plan
from stackplan.render.servers import servers, tier_of
from stackplan.verify.finding import Check, Finding, Verdict
from stackplan.verify.observation import Observations
from stackplan.views.table import inert, table

_CELLS = {Verdict.AGREES: "ok", Verdict.BREACH: "BREACH", Verdict.UNKNOWN: "?"}
_WORST = (Verdict.BREACH, Verdict.UNKNOWN, Verdict.AGREES)
_OF_INSTANCES = (Check.RESIDENT, Check.DEVICE, Check.CONTEXT, Check.WEIGHTS, Check.BYTES, Check.KEPT)
_OF_ROLES = (Check.ANSWER, Check.GATEWAY)


@dataclass(frozen=True, slots=True)
class Report:
    """What `stackplan verify --json` prints. ``verdict`` is the worst of the findings."""

    schema: int
    profile: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    observations: Observations


def report(plan: Plan, findings: Sequence[Finding], seen: Observations) -> Report:
    """The findings with what they rest on."""
    return Report(1, plan.profile, worst(findings), tuple(findings), seen)


def worst(findings: Sequence[Finding]) -> Verdict:
    """The verdict over all: one breach makes it a breach."""
    there = {finding.verdict for finding in findings}
    return next((verdict for verdict in _WORST if verdict in there), Verdict.UNKNOWN)


def verify_json(told: Report) -> str:
    """The report as JSON text."""
    return json.dumps(dataclasses.asdict(told), indent=2, ensure_ascii=False)


def verify_schema() -> dict[str, Any]:
    """JSON schema of the report."""
    from pydantic import TypeAdapter  # noqa: PLC0415  (60 ms that only `schema` needs)

    schema: dict[str, Any] = TypeAdapter(Report).json_schema()
    return schema


def verify_text(plan: Plan, findings: Sequence[Finding]) -> str:
    """A table of instances, one of roles, then each breach and each unknown with its next step."""
    blocks = [table(_instances(plan, findings)), table(_roles(plan, findings))]
    for verdict in (Verdict.BREACH, Verdict.UNKNOWN):
        lines = [line for one in findings if one.verdict is verdict for line in _paragraph(one)]
        if lines:
            blocks.append([f" {verdict.value}", *lines])
    return "\n\n".join("\n".join(block) for block in [*blocks, [_summary(findings)]])


def _instances(plan: Plan, findings: Sequence[Finding]) -> list[list[str]]:
    lines = [["instance", "server", "tier", *(check.value for check in _OF_INSTANCES)]]
    for server in servers(plan):
        for member in server.members:
            own = [finding for finding in findings if finding.subject == member.id]
            lines.append(
                [inert(member.id), server.id, tier_of(member), *(_cell(own, check) for check in _OF_INSTANCES)]
            )
    return lines


def _roles(plan: Plan, findings: Sequence[Finding]) -> list[list[str]]:
    lines = [["role", "instance", *(check.value for check in _OF_ROLES)]]
    for role in plan.roles:
        own = [finding for finding in findings if finding.subject == role.role]
        lines.append([inert(role.role), inert(role.instance), *(_cell(own, check) for check in _OF_ROLES)])
    return lines


def _cell(findings: Sequence[Finding], check: Check) -> str:
    own = [finding for finding in findings if finding.check is check]
    if not own:
        return "-"
    figures = [
        finding for finding in own if finding.check is Check.BYTES and finding.planned and finding.seen is not None
    ]
    cell = _CELLS[worst(own)]
    if not figures:
        return cell
    first = figures[0]
    return f"{cell} {((first.seen or 0) - (first.planned or 1)) / (first.planned or 1):+.1%}"


def _paragraph(finding: Finding) -> list[str]:
    lines = [f"   {finding.check.value:8} {inert(finding.subject)}: {inert(finding.message)}"]
    return [*lines, f"   {'':8} {inert(finding.hint)}"] if finding.hint else lines


def _summary(findings: Sequence[Finding]) -> str:
    counts = {verdict: sum(one.verdict is verdict for one in findings) for verdict in Verdict}
    words = f"{counts[Verdict.AGREES]} agree, {counts[Verdict.BREACH]} breach, {counts[Verdict.UNKNOWN]} unknown"
    return f" {words}"
