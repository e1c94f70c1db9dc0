"""Keeps two small servers with the user's real systemd and prints what happened as JSON: systemd_judge.py FOLDER."""

import json
import os
import signal
import sys
from pathlib import Path

from tests.render.test_running import free_ports
from tests.running.conftest import SERVER

from stackplan.running import systemd
from stackplan.running.leftovers import leftovers
from stackplan.running.site import prepare, site_of
from stackplan.running.units import Unit
from stackplan.running.waiting import answers, wait_until

folder = Path(sys.argv[1])
(folder / "deploy").mkdir()
site = site_of(folder / "deploy", folder / "models", {"STACKPLAN_STATE": str(folder / "with space")})
prepare(site)


def unit(name: str, program: str = SERVER, **more: object) -> Unit:
    port = free_ports(1)[0]
    environment = {"ODD": 'b "c" %d $HOME'}
    words = (program, str(port))
    return Unit(name, "hot", "llama.cpp", sys.executable, words, environment, port, **more)  # type: ignore[arg-type]


def seen(name: str) -> list[str | None]:
    """The key and the odd variable as the unit's own process has them."""
    process = next(one for one in leftovers(site.key) if one.pid == systemd.states(site)[name].pid)
    return [process.environ().get("GATEWAY_KEY"), process.environ().get("ODD")]


told: dict[str, object] = {"obstacle": systemd.obstacle(site)}
server, gateway = unit("server"), unit("gateway", keys=("GATEWAY_KEY",))
broken = unit("broken", str(folder / "gone.py"))
systemd.start(site, (server, gateway, broken), ["server", "gateway", "broken"], {})
told["answer"] = wait_until(lambda: answers(server.address) and answers(gateway.address), 20)
told["server"], told["gateway"] = seen("server"), seen("gateway")
first, neighbour = systemd.states(site)["server"].pid, systemd.states(site)["gateway"].pid
os.kill(first, signal.SIGKILL)
told["back"] = wait_until(lambda: systemd.states(site)["server"].pid not in (0, first) and answers(server.address), 20)
told["neighbour stayed"] = systemd.states(site)["gateway"].pid == neighbour
told["gives up"] = wait_until(lambda: systemd.states(site)["broken"].status == "failed", 60)
systemd.start(site, (server, gateway), [], {})
told["forgotten"] = sorted(systemd.states(site))
systemd.stop(site, ["server"])
told["stopped"] = [str(systemd.states(site)[name].status) for name in ("server", "gateway")]
systemd.shut_down(site)
told["left"] = [systemd.states(site), [one.pid for one in leftovers(site.key)]]
print(json.dumps(told))
