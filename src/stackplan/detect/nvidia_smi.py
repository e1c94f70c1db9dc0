"""``nvidia-smi`` as a source of the same rows that the management library gives, where the library is out of reach.

Asked for ever less: a query with all fields, one with the fields that every driver knows, then the table. Names come
from the query or ``-L``, never from the table, which cuts them ("RTX 5070 ...").
"""

import re
from typing import Any

from stackplan.detect.numbers import integer
from stackplan.detect.nvml import PROGRAMS
from stackplan.detect.world import MOST_DEVICES, CommandResult, World
from stackplan.units import MIB

_BASIC = ("index", "name", "uuid", "memory.total", "memory.used", "memory.free")
_FULL = (
    *_BASIC,
    "memory.reserved",
    "pci.bus_id",
    "pci.device_id",
    "driver_version",
    "compute_cap",
    "mig.mode.current",
    "ecc.mode.current",
    "display_active",
    "pcie.link.gen.max",
    "pcie.link.width.current",
)
_CARD = re.compile(r"GPU (\d+): (.+?) \(UUID: (GPU-[^)\s]+)\)")
_SLICE = re.compile(r"\s+MIG (\S+)\s+Device\s+(\d+):\s+\(UUID: (MIG-[^)\s]+)\)")
_LOST = re.compile(r"Unable to determine the device handle for [Gg][Pp][Uu][^:]*[0-9A-Fa-f:.]*:([^:]*)$")
_TABLE_CARD = re.compile(
    r"\|\s+(\d{1,3})\s{1,3}(\S.*?)\s+(?:On|Off|N/A|WDDM|TCC|MCDM)\s*\|\s*(\S+)\s+(On|Off|N/A)\s*\|"
)
_TABLE_MEMORY = re.compile(r"\|[^|]*\|\s*(?:(\d+)MiB\s*/\s*(\d+)MiB|([^|]*?))\s*\|")
_TABLE_SLICE = re.compile(r"\|\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\|\s*(\d+)MiB\s*/\s*(\d+)MiB")


def smi_rows(world: World) -> list[dict[str, Any]]:
    """One row per card in the shape of `nvml.snapshot`; empty when the program is absent, fails or hangs."""
    for program in PROGRAMS:
        result = _query(world, program, _FULL)
        if result.status == "absent":
            continue
        if result.status == "timeout":
            return []
        if not result.succeeded:
            result = _query(world, program, _BASIC)
        rows = parse_query(result.stdout) if result.succeeded else []
        return _complete(world, program, rows)
    return []


def _query(world: World, program: str, fields: tuple[str, ...]) -> CommandResult:
    return world.run((program, f"--query-gpu={','.join(fields)}", "--format=csv"))


def _complete(world: World, program: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names and slices of ``-L``, memory of slices from the table, processes."""
    # A card whose memory may not be asked may be divided without saying so.
    doubtful = any(row["mig"] or not row["memory"].get("total") for row in rows)
    if rows and not doubtful and all(row["name"] for row in rows):
        return _with_processes(world, program, rows)
    listing = world.run((program, "-L"))
    table = world.run((program,))
    cards = parse_listing(listing.stdout)
    drawn = parse_table(table.stdout)
    rows = rows or drawn or [_row(index=index) for index in sorted(cards)]
    for row in rows:
        row["name"] = row["name"] or next((other["name"] for other in drawn if other["index"] == row["index"]), "")
        card = cards.get(row["index"])
        if card is not None:
            row.update(name=card["name"], uuid=card["uuid"])
            _add_slices(row, card["slices"], parse_slice_memory(table.stdout))
    return rows


def _with_processes(world: World, program: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not any(row["memory"].get("used") for row in rows):
        return rows
    query = "--query-compute-apps=gpu_uuid,process_name,used_memory"
    for gpu, name, used in _table(world.run((program, query, "--format=csv")).stdout):
        size = integer(used)
        process = {"name": _base_name(name), "bytes": size * MIB if size else None, "kind": "compute"}
        for row in rows:
            if row["uuid"] == gpu:
                row["processes"].append(process)
    return rows


def _table(text: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()[1:]]
    return [row for row in rows if len(row) == 3]


def _base_name(path: str) -> str:
    return path.replace("\\", "/").split("/")[-1].split(" ")[0] or "a process"


def parse_query(text: str) -> list[dict[str, Any]]:
    """Rows of ``--query-gpu=... --format=csv``, told apart by the header, whatever fields were asked."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return []
    header = [cell.strip().split(" [")[0] for cell in lines[0].split(",")]
    rows = []
    for position, line in enumerate(lines[1 : MOST_DEVICES + 1]):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(header):
            rows.append(_query_row(dict(zip(header, cells, strict=True)), position))
        elif lost := _LOST.match(line):
            rows.append(_row(index=position, error=lost[1].strip(" .") or "unknown error"))
    return rows


def _query_row(cells: dict[str, str], position: int) -> dict[str, Any]:
    device = cells.get("pci.device_id", "").lower().removeprefix("0x")
    index = integer(cells.get("index"))
    return _row(
        index=position if index is None else index,
        name=_told(cells.get("name", "")),
        uuid=_told(cells.get("uuid", "")),
        memory=_memory(cells),
        pci_address=_told(cells.get("pci.bus_id", "")),
        pci_id=f"{device[4:]}:{device[:4]}" if re.fullmatch(r"[0-9a-f]{8}", device) else "",
        compute_capability=_told(cells.get("compute_cap", "")) or None,
        mig=cells.get("mig.mode.current") == "Enabled",
        ecc=cells.get("ecc.mode.current") == "Enabled",
        display_active={"Enabled": True, "Disabled": False}.get(cells.get("display_active", "")),
        pcie_generation=integer(cells.get("pcie.link.gen.max")),
        pcie_width=integer(cells.get("pcie.link.width.current")),
        driver_version=_told(cells.get("driver_version", "")),
    )


def _memory(cells: dict[str, str]) -> dict[str, Any]:
    total = cells.get("memory.total", "")
    size = integer(total)
    if not size:
        return {"state": total.strip("[]") or "no answer"}
    facts = {"total": size * MIB}
    for key in ("free", "used", "reserved"):
        value = integer(cells.get(f"memory.{key}"))
        if value is not None:
            facts[key] = value * MIB
    return facts


def _told(text: str) -> str:
    """``text`` unless it is a state such as [N/A] or [Insufficient Permissions]."""
    return "" if text.startswith("[") or text in ("N/A", "Not Supported", "ERR!") else text


def parse_listing(text: str) -> dict[int, dict[str, Any]]:
    """Cards of ``-L`` by index, each with its MIG slices."""
    cards: dict[int, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    for line in text.splitlines():
        if len(cards) >= MOST_DEVICES:
            break
        if card := _CARD.match(line):
            current = {"name": card[2], "uuid": card[3], "slices": []}
            cards[int(card[1])] = current
        elif current is not None and (part := _SLICE.match(line)):
            current["slices"].append({"profile": part[1], "device": int(part[2]), "uuid": part[3]})
    return cards


def parse_table(text: str) -> list[dict[str, Any]]:
    """Cards of the plain table; the line after the name holds the memory, the one after that the MIG mode."""
    lines = text.splitlines()
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines):
        if len(rows) >= MOST_DEVICES:
            break
        card = _TABLE_CARD.match(line)
        memory = _TABLE_MEMORY.match(lines[number + 1]) if card and number + 1 < len(lines) else None
        if card is None or memory is None:
            continue
        facts = _table_memory(memory)
        mig = number + 2 < len(lines) and "Enabled" in lines[number + 2]
        address = "" if card[3] == "N/A" else card[3]
        active = {"On": True, "Off": False}.get(card[4])
        rows.append(
            _row(index=int(card[1]), name=card[2], memory=facts, pci_address=address, display_active=active, mig=mig)
        )
    return rows


def _table_memory(cell: re.Match[str]) -> dict[str, Any]:
    if not cell[2]:
        return {"state": (cell[3] or "no answer").strip()}
    used, total = int(cell[1]) * MIB, int(cell[2]) * MIB
    return {"total": total, "used": used, "free": max(0, total - used)}


def parse_slice_memory(text: str) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Used and total bytes and GPU instance of MIG slices by card and device number, from the table's own section."""
    found = {}
    for line in text.splitlines():
        if row := _TABLE_SLICE.match(line):
            found[int(row[1]), int(row[4])] = (int(row[5]) * MIB, int(row[6]) * MIB, int(row[2]))
    return found


def _add_slices(
    row: dict[str, Any], slices: list[dict[str, Any]], memory: dict[tuple[int, int], tuple[int, int, int]]
) -> None:
    if not slices:
        return
    row["mig"] = True
    row["slices"] = []
    for part in slices:
        known = memory.get((row["index"], part["device"]))
        facts = {"total": known[1], "free": known[1] - known[0]} if known else {"state": "N/A"}
        name, instance = f"{row['name']} MIG {part['profile']}", known[2] if known else None
        row["slices"].append({"name": name, "uuid": part["uuid"], "memory": facts, "gpu_instance": instance})


def _row(**known: Any) -> dict[str, Any]:
    return {"name": "", "uuid": "", "memory": {"state": "N/A"}, "mig": False, "processes": [], **known}
