"""What is built is what is in the checkout: wheel, sdist, and the wheel that is built from the sdist."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ("catalog", "profiles", "templates")
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def tracked(*places: str) -> set[str]:
    """Files of the checkout below ``places``, less what tools leave behind."""
    found = {path.relative_to(ROOT) for place in places for path in (ROOT / place).rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc"}


def build(kind: str, source: Path, folder: Path) -> Path:
    """The wheel or sdist of ``source``, built by the backend that pyproject.toml names."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout, unpacked."""
    built = build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built) as archive:
        archive.extractall(folder, filter="data")
    [unpacked] = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that holds the wheel, and borrows the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    here = subprocess.run(
        [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(site, "borrowed.pth").write_text(here + "\n", encoding="utf-8")
    return python


def in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def expected_in_wheel() -> set[str]:
    package = {name.removeprefix("src/") for name in tracked("src/stackplan")}
    return package | {f"stackplan/_data/{name}" for name in tracked(*DATA)}


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(wheel: Path) -> None:
    held = {name for name in in_wheel(wheel) if ".dist-info/" not in name}
    assert held == expected_in_wheel()
    assert {name.partition(".dist-info/")[2] for name in in_wheel(wheel) - held} == METADATA


def test_the_wheel_built_from_the_source_distribution_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert in_wheel(build("wheel", sdist, tmp_path)) == in_wheel(wheel)


def test_the_source_distribution_carries_its_tests_and_its_documents(sdist: Path) -> None:
    held = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    assert tracked("src", *DATA, "tests", "docs") <= held
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= held
    assert not {name for name in held if name.startswith((".venv", ".ci/", "deploy/")) or name.endswith(".pyc")}


def test_an_installed_stackplan_finds_its_own_data_under_the_same_names(installed: Path, tmp_path: Path) -> None:
    code = (
        "import json, stackplan.bundled as b\n"
        f"found = {{n: sorted(p.relative_to(b.bundled_folder(n)).as_posix() for p in b.bundled_folder(n).rglob('*')"
        f" if p.is_file()) for n in {DATA!r}}}\n"
        "print(json.dumps([str(b.bundled_folder('catalog')), found]))"
    )
    said = subprocess.run([installed, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    place, found = json.loads(said)
    assert Path(place).is_relative_to(installed.parents[1])
    assert found == {name: sorted(path.removeprefix(f"{name}/") for path in tracked(name)) for name in DATA}


def test_an_installed_stackplan_runs_and_lists_what_it_ships(installed: Path, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "STACKPLAN_CONFIG": str(tmp_path / "config"),
        "STACKPLAN_CACHE": str(tmp_path / "cache"),
    }
    program = installed.with_name("stackplan")

    def say(*words: str) -> str:
        return subprocess.run(
            [program, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert say("--version").startswith("stackplan ")
    listed = say("profiles", "list")
    assert [path.stem for path in sorted((ROOT / "profiles").glob("*.yaml")) if path.stem not in listed] == []
    models = say("catalog", "list")
    assert len(models.splitlines()) > len(list((ROOT / "catalog" / "models").glob("*.yaml")))


def test_an_editable_install_reads_the_checkout_and_leaves_no_stale_copy() -> None:
    code = "import stackplan.bundled as b; print(b.bundled_folder('catalog')); print(b._PACKAGE / '_data')"
    said = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True).stdout
    place, copy = said.splitlines()
    assert Path(place) == ROOT / "catalog"
    assert not Path(copy).exists()
