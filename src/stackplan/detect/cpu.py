"""The processor as engines see it: what this process may use, not what the board carries."""

from stackplan.detect.cgroup import cpu_quota, cpuset
from stackplan.detect.numbers import id_list, integer, key_values
from stackplan.detect.sysctl import sysctl
from stackplan.detect.world import World
from stackplan.hardware import Cpu

WINDOWS_CPU = ("reg", "query", r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0", "/v", "ProcessorNameString")
DEVICE_TREE_MODEL = "/proc/device-tree/model"

# What inference kernels choose code by: the kernel's flag -> the name that engines use.
_INSTRUCTION_SETS = {
    "sse4_2": "sse4_2",
    "avx": "avx",
    "f16c": "f16c",
    "fma": "fma",
    "avx2": "avx2",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512bw": "avx512bw",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
    "amx_tile": "amx_tile",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "asimd": "neon",
    "neon": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
_DARWIN_FEATURES = {"FEAT_DotProd": "dotprod", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "FEAT_SME": "sme"}


def processor(world: World) -> Cpu:
    """Model, cores, usable threads, instruction sets and NUMA nodes."""
    if world.system == "darwin":
        return _darwin(world)
    if world.system == "windows":
        return Cpu(_windows_model(world), None, usable_threads(world, ""))
    text = world.read_text("/proc/cpuinfo") or ""
    rows = key_values(text)
    model = rows.get("model name") or _device_tree_model(world) or rows.get("Model") or rows.get("Hardware") or "CPU"
    nodes = id_list(world.read_text("/sys/devices/system/node/online"))
    return Cpu(
        model=" ".join(model.split()),
        physical_cores=_physical_cores(world, text),
        usable_threads=usable_threads(world, text),
        instruction_sets=_instruction_sets(rows.get("flags") or rows.get("Features") or ""),
        numa_nodes=max(1, len(nodes)),
    )


def usable_threads(world: World, cpuinfo: str | None = None) -> int:
    """The least of quota, cpuset, affinity and online processors: 8 threads on 4 cost 0.27 instead of 12 tok/s."""
    text = cpuinfo if cpuinfo is not None else world.read_text("/proc/cpuinfo") or ""
    online = id_list(world.read_text("/sys/devices/system/cpu/online"))
    listed = sum(1 for line in text.splitlines() if line.split(":")[0].strip() == "processor")
    affinity = world.affinity()
    counts = [len(online), listed, len(affinity or ()), len(cpuset(world))]
    quota = cpu_quota(world)
    if quota is not None:
        counts.append(max(1, int(quota)))
    return min((count for count in counts if count > 0), default=1)


def _physical_cores(world: World, cpuinfo: str) -> int | None:
    cores, package = set(), ""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "physical id":
            package = value.strip()
        elif key.strip() == "core id":
            cores.add((package, value.strip()))
    return len(cores) or _topology_cores(world)


def _topology_cores(world: World) -> int | None:
    """Cores by their sibling lists; ARM kernels tell no core ids in cpuinfo."""
    root = "/sys/devices/system/cpu"
    siblings = set()
    for number in id_list(world.read_text(f"{root}/online")):
        folder = f"{root}/cpu{number}/topology"
        text = world.read_text(f"{folder}/core_cpus_list") or world.read_text(f"{folder}/thread_siblings_list")
        if text:
            siblings.add(text.strip())
    return len(siblings) or None


def _instruction_sets(flags: str) -> tuple[str, ...]:
    present = set(flags.lower().split())
    return tuple(dict.fromkeys(name for flag, name in _INSTRUCTION_SETS.items() if flag in present))


def _device_tree_model(world: World) -> str:
    return (world.read_text(DEVICE_TREE_MODEL) or "").strip("\0 \n")


def _windows_model(world: World) -> str:
    for line in world.run(WINDOWS_CPU).stdout.splitlines():
        name, found, value = line.partition("REG_SZ")
        if found and name.strip() == "ProcessorNameString":
            return " ".join(value.split())
    return "CPU"


def _darwin(world: World) -> Cpu:
    rows = sysctl(world)
    sets = ["neon"] if world.machine == "arm64" or rows.get("hw.optional.arm64") == "1" else []
    sets += [name for key, name in _DARWIN_FEATURES.items() if rows.get(f"hw.optional.arm.{key}") == "1"]
    threads = integer(rows.get("hw.logicalcpu")) or len(world.affinity() or ()) or 1
    return Cpu(rows.get("machdep.cpu.brand_string", "CPU"), integer(rows.get("hw.physicalcpu")), threads, tuple(sets))
