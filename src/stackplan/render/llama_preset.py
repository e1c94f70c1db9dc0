"""Target ``llama.cpp``: one preset file per llama-server, HOT apart from what is loaded on demand, and a starter.

A router evicts by least recent use, HOT included, so a HOT instance never shares one. Paths in presets are
relative to the folder that holds ``models/``; the starter goes there first.
"""

from stackplan.plan import Plan
from stackplan.render.documents import to_ini
from stackplan.render.llama_options import Options, llama_options
from stackplan.render.servers import HOT, LLAMA_CPP, Server, servers
from stackplan.render.templates import render_template


def render(plan: Plan) -> dict[str, str]:
    """``llama.cpp/SERVER.ini`` for each server and ``serve.sh`` that starts one; nothing without llama.cpp."""
    chosen = [server for server in servers(plan) if server.engine == LLAMA_CPP]
    if not chosen:
        return {}
    files = {f"llama.cpp/{server.id}.ini": preset(plan, server) for server in chosen}
    files["llama.cpp/serve.sh"] = render_template("llama.cpp/serve.sh.j2", servers=chosen)
    return files


def preset(plan: Plan, server: Server) -> str:
    """The preset file of one server."""
    sections: dict[str, dict[str, str]] = {"*": {"load-on-startup": "true" if server.tier == HOT else "false"}}
    for member in server.members:
        sections[member.id] = _entries(llama_options(plan, member))
    return to_ini(sections, preamble=("version = 1",), comment=";")


def _entries(options: Options) -> dict[str, str]:
    # The router names each model after its section.
    return {name: "true" if value is True else str(value) for name, value in options.items() if name != "alias"}
