"""`bench` on a real Ollama server: its own durations, the time to load, and the peak of its runner."""

import json

from tests.calibrate.test_running import Site
from tests.verify import test_living_ollama as living

roomy = living.roomy  # a fixture: two models of a plan on one server that keeps both


def test_a_real_ollama_is_measured_and_loads_again_when_asked(roomy: living.Served) -> None:
    site = Site(roomy.folder, roomy.plan, {})
    first = site.run("bench", "--repeats", "2", "--seconds", "60", "--json")
    assert first.returncode == 0, first.stderr
    chat, embed = json.loads(first.stdout)["measured"]
    assert chat["decode"]["median"] > 0
    assert chat["prompt"]["median"] > 0
    assert chat["load_seconds"] > 0, "nothing was loaded before"
    assert embed["prompt"]["median"] > 0
    assert embed["decode"] is None
    assert chat["host_peak_bytes"] > 1_000_000
    again = json.loads(site.run("bench", "worker", "--repeats", "1", "--json").stdout)["measured"]
    assert again[0]["load_seconds"] is None, "it was loaded all the time"
    anew = json.loads(site.run("bench", "worker", "--repeats", "1", "--reload", "--json").stdout)["measured"]
    assert anew[0]["load_seconds"] > 0
