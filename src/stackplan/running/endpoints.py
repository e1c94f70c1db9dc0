"""Where every role of a plan answers, and which process of this machine listens there.

For whoever wants to ask what runs: `endpoints` is pure and needs the plan alone; `listeners` looks at this machine.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackplan.plan import Plan
from stackplan.render.endpoints import Seen, base_url, served_name
from stackplan.render.native import LOOPBACK
from stackplan.render.servers import server_of, tier_of

if TYPE_CHECKING:
    import psutil


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One role behind the instance and the server that answer it.

    ``url`` is ``http://127.0.0.1:PORT`` without a path, ``model`` the name that a request must carry there. ``server``
    is the id of the unit (`stackplan status`), of the compose service and of the log.
    """

    role: str
    instance: str
    server: str
    engine: str
    mode: str
    tier: str
    url: str
    port: int
    model: str


def endpoints(plan: Plan) -> tuple[Endpoint, ...]:
    """Every served role of the plan, in its order; the same in containers and without."""
    found = []
    for role in plan.roles:
        server, instance = server_of(plan, role.instance), plan.instance(role.instance)
        found.append(
            Endpoint(
                role=role.role,
                instance=instance.id,
                server=server.id,
                engine=instance.engine,
                mode=role.mode,
                tier=tier_of(instance),
                url=base_url(plan, role, Seen.LOOPBACK),
                port=server.port,
                model=served_name(plan, role),
            )
        )
    return tuple(found)


def gateway_url(plan: Plan) -> str:
    """Where the gateway answers for every role, by the role's name as model; it asks for LITELLM_MASTER_KEY."""
    return f"http://{LOOPBACK}:{plan.gateway_port}"


def listeners() -> dict[int, int]:
    """TCP port -> id of the process that listens there, as far as this user may see."""
    import psutil  # noqa: PLC0415  (the CLI start does not need it)

    try:
        rows = _listening(psutil.net_connections("tcp"))
    except psutil.AccessDenied:  # macOS shows a user his own processes only, one by one
        rows = [(port, one.pid) for one in psutil.process_iter() for port, _ in _listening(_connections(one))]
    return {port: pid for port, pid in rows if pid}


def _listening(connections: "list[Any]") -> list[tuple[int, int]]:
    return [(one.laddr.port, getattr(one, "pid", 0)) for one in connections if one.status == "LISTEN" and one.laddr]


def _connections(process: "psutil.Process") -> "list[Any]":
    import psutil  # noqa: PLC0415

    try:
        return list(process.net_connections("tcp"))
    except psutil.Error:
        return []
