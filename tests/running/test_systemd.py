"""The user's real systemd keeps units: this session's where there is one, else one of its own in a private /run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackplan.running import systemd
from stackplan.running.site import site_of

ROOT = Path(__file__).resolve().parents[2]
JUDGE = Path(__file__).with_name("systemd_judge.py")
MANAGER = Path("/lib/systemd/systemd")
# A user manager wants a machine that systemd started; a private /run looks like one, and nobody else sees it.
SESSION = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR" && chmod 700 "$XDG_RUNTIME_DIR" || exit 99
/lib/systemd/systemd --user >/dev/null 2>&1 &
for _ in $(seq 100); do systemctl --user is-system-running >/dev/null 2>&1 && break; sleep 0.1; done
"$@"
code=$?
kill %1
wait
exit $code
"""


def session(tmp_path: Path) -> list[str]:
    """What to put before a command so that it has a systemd of its user."""
    if not systemd.obstacle(site_of(tmp_path, tmp_path, {"STACKPLAN_STATE": str(tmp_path)})):
        return []
    if os.getuid() != 0 or not MANAGER.is_file() or shutil.which("unshare") is None:
        pytest.skip(
            "no systemd of this user, and none can be started: that needs root, unshare and /lib/systemd/systemd"
        )
    alone = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no systemd of this user, and no mount namespace in which one could be started")
    return [*alone, "bash", "-c", SESSION, "bash"]


@pytest.mark.slow
def test_systemd_restarts_what_crashed_gives_up_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "gateway.env").write_text("GATEWAY_KEY='sk-marker of the gateway'\n")
    before = session(tmp_path)
    environment = {**os.environ, "STACKPLAN_CONFIG": str(config), "PYTHONPATH": str(ROOT)}
    if before:
        environment["XDG_RUNTIME_DIR"] = "/run/user/0"
    words = [*before, sys.executable, str(JUDGE), str(tmp_path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode == 99:
        pytest.skip("no systemd of this user, and /run cannot be made private here")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "obstacle": "",
        "answer": True,
        "server": [None, 'b "c" %d $HOME'],
        "gateway": ["sk-marker of the gateway", 'b "c" %d $HOME'],
        "back": True,
        "neighbour stayed": True,
        "gives up": True,
        "forgotten": ["gateway", "server"],
        "stopped": ["stopped", "running"],
        "left": [{}, []],
    }
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and config not in path.parents]
