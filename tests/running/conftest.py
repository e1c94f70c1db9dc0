"""Deployments of small programs under the real supervisor: what keeps servers running needs no server to be judged."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.render.test_running import free_ports

from stackplan.running import supervisord
from stackplan.running.leftovers import MARK, leftovers
from stackplan.running.site import Site, prepare, site_of
from stackplan.running.units import Unit

SERVER = str(Path(__file__).with_name("small_server.py"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A deployment in a folder of its own; whatever it started is gone afterwards."""
    (tmp_path / "deploy").mkdir()
    made = site_of(tmp_path / "deploy", tmp_path / "models", {"STACKPLAN_STATE": str(tmp_path / "state")})
    prepare(made)
    yield made
    supervisord.shut_down(made)


@pytest.fixture
def unit() -> Callable[..., Unit]:
    """Makes units that run a small server, or another line of Python."""

    def make(name: str, program: str = "", **more: object) -> Unit:
        port = free_ports(1)[0]
        words = ("-c", program) if program else (SERVER, str(port))
        fields = {"tier": "hot", "engine": "llama.cpp", "environment": {}} | more
        return Unit(id=name, program=sys.executable, arguments=words, port=port, **fields)  # type: ignore[arg-type]

    return make


def processes(site: Site) -> list[psutil.Process]:
    """Every process of the deployment's units."""
    return [one for one in leftovers(site.key) if not one.environ()[MARK].endswith("/supervisord")]
