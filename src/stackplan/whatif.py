"""The same request on another machine, or without a role: changed worlds, and which card to buy first.

Hosts are changed as values; the plan of a changed world is made as any plan is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from stackplan.device_catalog import DeviceFacts
from stackplan.diff import objective
from stackplan.errors import UserError
from stackplan.hardware import Host, PoolKind
from stackplan.pipeline import World
from stackplan.plan import Plan
from stackplan.stack import Stack
from stackplan.values import replace

# A step that gains less (utility x priority, of some hundreds) is nothing that anybody would pay for.
WORTH_BUYING = 1.0
MOST_STEPS = 8
# Parts that go into no slot of a machine that is already there.
_BUILT_IN = frozenset({"laptop", "mig-slice", "apu", "igpu", "jetson", "unified-soc", "apple-silicon", "cpu"})


@dataclass(frozen=True, slots=True)
class Step:
    """A card that could be bought. The price is in US dollars, of the date that its source has."""

    device: str
    name: str
    capacity_bytes: int
    price_usd: int
    price_date: str
    price_source: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A step with the plan that it makes possible (None: not even then) and what the objective gains."""

    step: Step
    plan: Plan | None
    gain: float


def with_gpus(host: Host, added: Host) -> Host:
    """``host`` with the GPUs of ``added`` behind its own, each with its own pool.

    Raises UserError where one of the two has unified memory: there is no slot for a card.
    """
    for one in (host, added):
        if any(one.pool(device.pool).kind is PoolKind.UNIFIED for device in one.gpus):
            raise UserError(
                f"{one.name} has unified memory: a machine of its own, which takes no cards",
                hint="plan each machine on its own",
                slug="unified-combined",
            )
    taken = {device.id for device in host.devices} | {pool.id for pool in host.pools}
    free = (f"gpu{number}" for number in range(len(taken) + len(added.gpus) + 1))
    names = dict(zip((device.id for device in added.gpus), (name for name in free if name not in taken), strict=False))
    devices = tuple(replace(device, id=names[device.id], pool=names[device.id]) for device in added.gpus)
    pools = tuple(replace(added.pool(device.pool), id=names[device.id]) for device in added.gpus)
    gpus = tuple(device for device in host.devices if not device.is_cpu)
    own = tuple(pool for pool in host.pools if pool.kind is PoolKind.VRAM)
    others = tuple(pool for pool in host.pools if pool.kind is not PoolKind.VRAM)
    return replace(
        host,
        name=" + ".join([host.name, *(device.name for device in devices)]),
        devices=(*gpus, *devices, host.cpu_device),
        pools=(*own, *pools, *others),
    )


def without_role(stack: Stack, role: str) -> Stack:
    """The stack without one role. Raises UserError when it does not ask for it, or for nothing else."""
    known = [request.role for request in stack.roles]
    if role not in known or len(known) == 1:
        why = f"the stack has no role {role[:80]!r}" if role not in known else f"the stack asks for {role!r} only"
        raise UserError(why, hint=f"roles of this stack: {', '.join(known)}", slug="unknown-role")
    return replace(stack, roles=tuple(request for request in stack.roles if request.role != role))


def upgrade_steps(host: Host, devices: Sequence[DeviceFacts]) -> tuple[Step, ...]:
    """Cards worth trying, the cheapest first; none where a cheaper one has no less memory, bandwidth and compute.

    Of the makers that the machine has already, since cards of one maker can hold a model together.
    """
    if any(host.pool(device.pool).kind is PoolKind.UNIFIED for device in host.gpus):
        return ()
    makers = {device.vendor for device in host.gpus if device.vendor}
    fitting = [
        facts
        for facts in devices
        if facts.price_usd and facts.capacity_bytes and not facts.unified and facts.kind not in _BUILT_IN
        if not makers or facts.vendor in makers
    ]
    kept: list[DeviceFacts] = []
    for facts in sorted(fitting, key=lambda facts: (facts.price_usd or 0, -(facts.capacity_bytes or 0), facts.id)):
        if not any(_no_worse(other, facts) for other in kept):
            kept.append(facts)
    return tuple(
        Step(f.id, f.name, f.capacity_bytes or 0, f.price_usd or 0, f.price_date, f.price_source) for f in kept
    )


def upgrades(
    world: World,
    present: Plan | None,
    steps: Sequence[Step],
    host_of: Callable[[str], Host],
    plan: Callable[[World], Plan | None],
    most: int = MOST_STEPS,
) -> Iterator[Tried]:
    """Try cards, the cheapest first, until one improves the stack or ``most`` were tried.

    ``host_of`` gives a host with the named device, ``plan`` the plan of a world.
    """
    before = objective(present) if present else 0.0
    for step in steps[:most]:
        found = plan(replace(world, host=with_gpus(world.host, host_of(step.device))))
        gain = objective(found) - before if found else 0.0
        yield Tried(step, found, gain)
        if found is not None and (present is None or gain >= WORTH_BUYING):
            return


def _no_worse(other: DeviceFacts, facts: DeviceFacts) -> bool:
    pairs = (
        (other.capacity_bytes, facts.capacity_bytes),
        (other.bandwidth_bytes_per_second, facts.bandwidth_bytes_per_second),
        (other.compute_flops_per_second, facts.compute_flops_per_second),
    )
    return all((one or 0) >= (two or 0) for one, two in pairs)
