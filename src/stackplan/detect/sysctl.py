"""The system variables of macOS."""

from stackplan.detect.numbers import key_values
from stackplan.detect.world import World

_NAMES = (
    "hw.memsize",
    "hw.physicalcpu",
    "hw.logicalcpu",
    "machdep.cpu.brand_string",
    "kern.osproductversion",
    "iogpu.wired_limit_mb",
    "hw.optional.arm64",
    "hw.optional.arm.FEAT_DotProd",
    "hw.optional.arm.FEAT_I8MM",
    "hw.optional.arm.FEAT_BF16",
    "hw.optional.arm.FEAT_SME",
)


def sysctl(world: World) -> dict[str, str]:
    """Every variable that detection reads, by name; one program start for all. Unknown names are left out by it."""
    return key_values(world.run(("sysctl", *_NAMES)).stdout)
