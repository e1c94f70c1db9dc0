"""Where a deployment keeps what it needs while it runs: state, logs, the folder its processes start in, a socket."""

import hashlib
import os
import shlex
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackplan.errors import UserError

# A socket's path may have 104 bytes on macOS and 108 on Linux, and supervisord appends its process id for a moment.
_LONGEST_SOCKET_BYTES = 90


@dataclass(frozen=True, slots=True)
class Site:
    """One rendered folder on this machine. ``key`` tells it from every other in names of sockets and units."""

    folder: Path
    models: Path
    state: Path
    key: str

    @property
    def logs(self) -> Path:
        """What the processes say, one file each, rotated."""
        return self.state / "logs"

    @property
    def work(self) -> Path:
        """Where processes start: it holds ``models``, a link, because rendered paths begin with it."""
        return self.state / "work"

    @property
    def option(self) -> str:
        """What a command needs to mean this folder, with a blank before it; "" for the one that it means anyway."""
        usual = Path("deploy").absolute().resolve()
        return "" if self.folder == usual else f" --plan {shlex.quote(str(self.folder / 'plan.json'))}"

    def log(self, unit: str) -> Path:
        """The log of one unit."""
        return self.logs / f"{unit}.log"


def site_of(folder: Path, models: Path, environment: Mapping[str, str] = os.environ) -> Site:
    """The site of a rendered folder; touches nothing. State is under STACKPLAN_STATE or the XDG default."""
    folder = folder.absolute().resolve()
    key = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Site(folder, models, state_folder(environment) / key, key)


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for what programs remember, ``$STACKPLAN_STATE`` or ``$XDG_STATE_HOME/stackplan``."""
    if chosen := environment.get("STACKPLAN_STATE"):
        return Path(chosen).expanduser().absolute()
    base = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "stackplan"


def prepare(site: Site) -> None:
    """Make the site's folders, for this user alone. Raises `UserError` where that is not possible."""
    try:
        for folder in (site.state, site.logs, site.work):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        link = site.work / "models"
        if not link.is_symlink() or link.readlink() != site.models:
            link.unlink(missing_ok=True)
            link.symlink_to(site.models, target_is_directory=True)
    except OSError as error:
        raise UserError(
            f"cannot keep state in {site.state}: {error.strerror or error}",
            hint="name a folder that you may write: STACKPLAN_STATE=/path stackplan up",
            slug="state-denied",
        ) from error


def socket_path(site: Site, environment: Mapping[str, str] = os.environ) -> Path:
    """A path that is short enough for a socket, in a folder that is this user's alone. Raises `UserError`."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    folders = [site.state, *([Path(runtime) / "stackplan"] if runtime else []), _temporary_folder()]
    for folder in folders:
        path = folder / f"{site.key}.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_BYTES:
            _make_private(folder)
            return path
    raise UserError(
        f"no folder has a path short enough for a socket; the last tried was {folders[-1]}",
        hint="name a shorter one: STACKPLAN_STATE=/path stackplan up",
        slug="state-denied",
    )


def _temporary_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"stackplan-{os.getuid()}"


def _make_private(folder: Path) -> None:
    """Make the folder with mode 700; one that somebody else made is refused, because he could listen instead of us."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise UserError(
            f"{folder} is not a folder of yours alone",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
            slug="state-denied",
        )
