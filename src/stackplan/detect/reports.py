"""What of the long reports of programs is read, and therefore recorded: the rest tells of the machine and its owner."""

import json
import re

_HEAP_LINES = re.compile(
    r"^GPU\d+:|^Agent \d+|^\s*(?:vendorID|deviceType|size|memoryHeaps|memoryTypes: count|flags|MEMORY_HEAP"
    r"|Name:|Device Type:|Segment:|Size:)"
)
_DISPLAY_FIELDS = ("_name", "sppci_model", "sppci_cores", "spdisplays_vendor")


def essential_output(program: str, text: str) -> str:
    """What detection reads of the output of ``program``."""
    if program == "system_profiler":
        return _displays(text)
    return _heaps(text) if program in ("vulkaninfo", "rocminfo") else text


def _heaps(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if _HEAP_LINES.match(line))


def _displays(text: str) -> str:
    """The chip and its cores; the report also holds names and serial numbers of screens."""
    try:
        entries = json.loads(text)["SPDisplaysDataType"]
        kept = [{key: str(entry[key]) for key in _DISPLAY_FIELDS if key in entry} for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return json.dumps({"SPDisplaysDataType": kept})
