"""Target ``launchd``: a LaunchAgent per server on macOS. HOT starts at login, the rest by ``launchctl kickstart``.

launchd expands no variables, so a shell goes to the right folder first; its words are quoted one by one.
"""

import plistlib
import shlex
from typing import Any

from stackplan.plan import Plan
from stackplan.render.native import Command, command
from stackplan.render.servers import HOT, servers
from stackplan.render.templates import render_template

_SEARCH_PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin"
_SECRETS = 'secrets="$HOME/.config/stackplan/@.env"; if [ -r "$secrets" ]; then set -a; . "$secrets"; set +a; fi'
_HOME = '"${STACKPLAN_HOME:-$HOME/.local/share/stackplan}"'
_DEPLOY = '"${STACKPLAN_DEPLOY:-$HOME/.local/share/stackplan/deploy}"'


def render(plan: Plan) -> dict[str, str]:
    """``launchd/org.stackplan.SERVER.plist`` for each server and the gateway, and an installer."""
    files = {}
    for server in servers(plan):
        files[f"launchd/{label(server.id)}.plist"] = _plist(server.id, command(plan, server), hot=server.tier == HOT)
    words = ("--host", "127.0.0.1", "--port", str(plan.gateway_port))
    gateway = Command("litellm", words, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}, "litellm/config.yaml")
    files[f"launchd/{label('gateway')}.plist"] = _plist("gateway", gateway, hot=True, flag="--config")
    files["launchd/install.sh"] = render_template("launchd/install.sh.j2")
    return files


def label(server_id: str) -> str:
    """The agent's label."""
    return f"org.stackplan.{server_id}"


def _plist(name: str, run: Command, *, hot: bool, flag: str = "--models-preset") -> str:
    document: dict[str, Any] = {
        "Label": label(name),
        "ProgramArguments": ["/bin/sh", "-c", _script(name, run, flag)],
        "EnvironmentVariables": {"PATH": _SEARCH_PATH, **run.environment},
        "RunAtLoad": hot,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ProcessType": "Interactive",
        "Umask": 0o077,
    }
    return plistlib.dumps(document, sort_keys=False).decode()


def _script(name: str, run: Command, flag: str) -> str:
    words = [shlex.quote(text) for text in (run.program, *run.arguments)]
    if run.preset:
        words += [flag, f"{_DEPLOY}/{shlex.quote(run.preset)}"]
    log = f'"$HOME/Library/Logs/stackplan/{name}.log"'
    # Keys go to the gateway alone.
    secrets = _SECRETS.replace("@", "gateway" if name == "gateway" else "servers")
    return f'mkdir -p "$HOME/Library/Logs/stackplan"; {secrets}; cd {_HOME} && exec {" ".join(words)} >>{log} 2>&1'
