"""What was chosen, with the needs that it serves and what it exactly takes; the stage between a choice and a plan."""

from collections.abc import Sequence
from dataclasses import dataclass

from stackplan.assess import HostAssessor
from stackplan.catalog import Artifact, Catalog, Model
from stackplan.configuration import Configuration
from stackplan.needs import RoleNeed
from stackplan.options import Deployable, swap_group
from stackplan.plan import PlannedArtifact, PlannedDemand
from stackplan.problem import Candidate, Problem, Take
from stackplan.serving import Estimate
from stackplan.solve.usage import pool_bytes


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed candidate with its needs and what it exactly takes.

    ``judged_bytes`` is what it takes without what it may save of prompts, which no policy holds against it.
    """

    name: str
    deployable: Deployable
    needs: tuple[RoleNeed, ...]
    estimate: Estimate
    judged_bytes: int

    @property
    def configuration(self) -> Configuration:
        """What runs."""
        return self.deployable.configuration

    @property
    def slots(self) -> int:
        """Requests at a time, of all its needs."""
        return sum(need.slots for need in self.needs)

    def demands(self, assessor: HostAssessor) -> tuple[PlannedDemand, ...]:
        """Its parts by pool."""
        return tuple(
            PlannedDemand(
                pool=pool,
                weights_bytes=sum(demand.weights_bytes for demand in demands),
                kv_bytes=sum(demand.kv_bytes for demand in demands),
                state_bytes=sum(demand.state_bytes for demand in demands),
                compute_bytes=sum(demand.compute_bytes for demand in demands),
                output_bytes=sum(demand.output_bytes for demand in demands),
                overhead_bytes=sum(demand.overhead_bytes for demand in demands),
                total_bytes=sum(demand.total_bytes for demand in demands),
            )
            for pool, demands in sorted(assessor.by_pool(self.estimate).items())
        )

    def candidate(self, assessor: HostAssessor) -> Candidate:
        """The candidate with exact bytes for its slots, in the shape that `pool_bytes` judges."""
        taken = assessor.taken(self.estimate)
        takes = tuple(
            Take(take.pool, take.fixed_bytes + take.per_slot_bytes, 0, take.kept_bytes)
            for take in taken.for_tier(self.deployable.tier, assessor.host)
        )
        own, tier = self.configuration, self.deployable.tier
        group = swap_group(own.engine, own.placement) if tier == "warm" else ""
        return Candidate(self.name, self.name, tier, takes, (), group)


def used_bytes(deployed: Sequence[Deployed], assessor: HostAssessor, problem: Problem, pool: str) -> int:
    """Bytes of a pool at the worst moment."""
    exact = [one.candidate(assessor) for one in deployed]
    return pool_bytes(problem, exact, {candidate.id: 0 for candidate in exact}, pool)


def planned_artifacts(deployed: Sequence[Deployed], catalog: Catalog) -> tuple[PlannedArtifact, ...]:
    """Every file set to fetch, those of drafts too, by name."""
    used: dict[str, tuple[Artifact, str]] = {}
    for one in deployed:
        if one.configuration.ahead and one.configuration.ahead.draft:
            draft = one.configuration.ahead.draft
            used.setdefault(draft.id, (draft, draft.model))
        used[one.configuration.artifact.id] = (one.configuration.artifact, one.configuration.model.id)
    return tuple(_artifact(used[name][0], catalog.model(used[name][1])) for name in sorted(used))


def _artifact(artifact: Artifact, model: Model) -> PlannedArtifact:
    return PlannedArtifact(
        id=artifact.id,
        model=model.id,
        format=artifact.format,
        quantisation=artifact.quantisation,
        repository="" if artifact.format == "ollama" else artifact.repository,
        files=artifact.files,
        file_bytes=artifact.file_bytes,
        size_basis=artifact.size_basis,
        licence=model.licence.id,
        gated=model.licence.gated,
        commercial=model.licence.commercial,
        revision=artifact.revision,
        sha256=artifact.sha256,
        ollama_tag=artifact.repository if artifact.format == "ollama" else "",
        projector_file=artifact.projector_file,
        projector_bytes=artifact.projector_bytes,
    )
