"""Target ``systemd``: a user unit per server and a target per tier, for ``systemctl --user``.

HOT starts with the session, WARM and COLD by hand. A crash of one server restarts that server only, and no more than
five times in five minutes. Keys go to the gateway alone (gateway.env). Only settings that the user manager can apply
without privileges are used.
"""

from stackplan.plan import Plan
from stackplan.render.native import Command, command
from stackplan.render.servers import HOT, LLAMA_CPP, WARM, Server, servers, starts_with_tier
from stackplan.render.templates import render_template
from stackplan.render.units import assignment, to_unit, word

# What a user unit may ask for without privileges.
HARDENING = [
    ("NoNewPrivileges", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"),
    ("SystemCallArchitectures", "native"),
    ("UMask", "0077"),
]
_SEARCH_PATH = "%h/.local/bin:/usr/local/bin:/usr/bin:/bin"


def render(plan: Plan) -> dict[str, str]:
    """Units, targets, the gateway's unit and an installer that fills in this machine's paths."""
    planned = servers(plan)
    files = {f"systemd/{unit_name(server)}": service_unit(plan, server) for server in planned}
    for tier in (HOT, WARM):
        members = [server for server in planned if server.tier == tier and starts_with_tier(planned, server)]
        if members or tier == HOT:  # the gateway starts with HOT, whoever else does
            files[f"systemd/stackplan-{tier}.target"] = _target(tier, members)
    files["systemd/stackplan-gateway.service"] = _gateway(plan)
    files["systemd/install.sh"] = render_template("systemd/install.sh.j2")
    return files


def unit_name(server: Server) -> str:
    """The unit of a server."""
    return f"stackplan-server-{server.id}.service"


def service_unit(plan: Plan, server: Server) -> str:
    """The unit's text."""
    run = command(plan, server)
    names = ", ".join(member.id for member in server.members)
    limits = [("LimitMEMLOCK", "infinity")] if plan.runtime.lock_memory and server.engine == LLAMA_CPP else []
    return _unit(f"stackplan {server.tier} {server.engine}: {names}", run, "servers", limits)


def _unit(description: str, run: Command, secrets: str, limits: list[tuple[str, str]] | None = None) -> str:
    words = ["/usr/bin/env", run.program, *map(word, run.arguments)]
    if run.preset:
        words += ["--models-preset", f"${{STACKPLAN_DEPLOY}}/{run.preset}"]
    return to_unit(
        ("Unit", [("Description", description), ("StartLimitIntervalSec", "300"), ("StartLimitBurst", "5")]),
        (
            "Service",
            [
                ("Type", "exec"),
                ("WorkingDirectory", "-%h/.local/share/stackplan"),
                ("Environment", f"PATH={_SEARCH_PATH}"),
                ("Environment", "STACKPLAN_DEPLOY=%h/.local/share/stackplan/deploy"),
                *(("Environment", assignment(name, value)) for name, value in run.environment.items()),
                ("EnvironmentFile", f"-%h/.config/stackplan/{secrets}.env"),
                ("ExecStart", " ".join(words)),
                ("Restart", "on-failure"),
                ("RestartSec", "5"),
                ("TimeoutStopSec", "30"),
                *(limits or []),
                *HARDENING,
            ],
        ),
    )


def _gateway(plan: Plan) -> str:
    words = ("--config", "litellm/config.yaml", "--host", "127.0.0.1", "--port", str(plan.gateway_port))
    run = Command("litellm", words, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    text = _unit("stackplan gateway (LiteLLM)", run, "gateway")
    return text.replace("--config litellm/", "--config ${STACKPLAN_DEPLOY}/litellm/")


def _target(tier: str, members: list[Server]) -> str:
    names = [unit_name(server) for server in members] + (["stackplan-gateway.service"] if tier == HOT else [])
    wants = " ".join(names)
    install = [("Install", [("WantedBy", "default.target")])] if tier == HOT else []
    return to_unit(("Unit", [("Description", f"stackplan: every {tier} server"), ("Wants", wants)]), *install)
