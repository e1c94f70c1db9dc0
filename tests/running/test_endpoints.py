"""Where roles answer is known from the plan alone; who listens is what the machine says."""

import os
import socket
from pathlib import Path

from tests.render.plans import PLANS, apple_unified, services_stack, single_24gb

from stackplan.running.endpoints import endpoints, gateway_url, listeners
from stackplan.running.units import units


def test_every_role_has_the_address_of_the_unit_that_serves_it() -> None:
    for plan in PLANS.values():
        addresses = {unit.id: unit.address for unit in units(plan, Path("deploy"))}
        found = endpoints(plan)
        assert [one.role for one in found] == [role.role for role in plan.roles]
        assert all(addresses[one.server] == one.url for one in found)
        assert addresses["gateway"] == gateway_url(plan)


def test_members_of_a_swap_group_share_the_address_of_their_router() -> None:
    found = {one.role: one for one in endpoints(single_24gb())}
    assert found["vision"].server == found["math"].server == "warm-gpu0"
    assert found["vision"].url == found["math"].url == "http://127.0.0.1:8104"
    assert (found["vision"].model, found["math"].model) == ("eye-4b", "maths-7b")


def test_requests_carry_the_name_that_the_engine_knows() -> None:
    assert {one.role: one.model for one in endpoints(apple_unified())}["watchdog"] == "stackplan-watchdog"
    assert {one.role: one.model for one in endpoints(services_stack())}["embedding"] == "example-org/bge-m"


def test_this_process_is_found_by_the_port_on_which_it_listens() -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        assert port not in listeners()
        door.listen()
        assert listeners()[port] == os.getpid()
