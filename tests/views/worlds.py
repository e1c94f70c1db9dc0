# ruff: noqa: E501  (one instance per line reads as a table)
"""Plans that exercise the picture: every glyph, every tier, shared weights, long and hostile names. Figures are made up."""

from tests.render.plans import LLAMA_CPP, card, gguf, host, instance, plan, role

from stackplan.hardware import Basis, Device, Host, Reservation
from stackplan.plan import Instance, Plan, PlannedDemand, PlannedHost, PoolBudget, Proof, Unserved
from stackplan.serving import Placement, SpeedEstimate
from stackplan.units import GIB
from stackplan.values import replace


def gib(figure: float) -> int:
    return int(figure * GIB)


def demand(pool: str, weights: float, cache: float = 0.0, compute: float = 0.0) -> PlannedDemand:
    return PlannedDemand(
        pool, gib(weights), gib(cache), 0, gib(compute), 0, 0, gib(weights) + gib(cache) + gib(compute)
    )


def speed(low: float, middle: float, high: float, basis: Basis = Basis.DERIVED) -> SpeedEstimate:
    return SpeedEstimate(middle, low, high, None, None, None, None, basis)


def named_card(number: int, name: str) -> Device:
    return replace(card(number), name=name)


def on_host(planned: PlannedHost, **used: float) -> PlannedHost:
    pools = tuple(replace(pool, used_bytes=gib(used.get(pool.id, 0.0))) for pool in planned.pools)
    return replace(planned, pools=pools)


def everyday() -> Plan:
    """One 24 GB card: a worker shared by two roles, two WARM models that take turns, a COLD giant over card and RAM."""
    worker = gguf("qwen3-32b", gib=18.4)
    coder, eye = gguf("qwen2.5-coder-14b-instruct", "Q5_K_M", 2.0), gguf("gemma-3-4b", gib=1.5)
    giant, embed = gguf("gpt-oss-120b", "MXFP4", 59.0), gguf("nomic-embed-text-v2-moe", "F16", 0.9)
    warm = {"tier": "warm", "swap_group": "warm-gpu0"}
    served: tuple[tuple[Instance, tuple[str, ...]], ...] = (
        (instance(giant, "llama.cpp", 8106, tier="cold", placement=Placement(("gpu0",), cpu_expert_layers=30), demand=(demand("gpu0", 18.0, 1.0), demand("ram", 41.0)), speed=speed(9.0, 11.4, 14.2)), ("architect",)),
        (instance(worker, "llama.cpp", 8101, slots=2, demand=(demand("gpu0", 18.0, 2.1, 0.4), demand("ram", 0.4)), speed=speed(28.1, 34.2, 40.4)), ("worker", "front-door")),
        (instance(coder, "llama.cpp", 8102, demand=(demand("gpu0", 2.0, 0.5),), speed=speed(55, 61, 70, Basis.ASSUMED), **warm), ("code",)),
        (instance(eye, "llama.cpp", 8103, vision=True, demand=(demand("gpu0", 1.5, 0.2),), speed=speed(3.1, 4.25, 5.0), **warm), ("vision",)),
        (instance(embed, "llama.cpp", 8104, place=(), mode="embedding", kv_type="f16", context_tokens=512, demand=(demand("ram", 0.9),), speed=None, basis=Basis.MEASURED), ("embedding",)),
    )  # fmt: skip
    on = host("NVIDIA GeForce RTX 3090 Ti", named_card(0, "NVIDIA GeForce RTX 3090 Ti"))
    made = plan(
        "rtx-3090-ti", on_host(on, gpu0=23.0, ram=3.4), (worker, coder, eye, giant, embed), served, (LLAMA_CPP,)
    )
    return replace(
        made,
        unserved=(
            Unserved("ocr", "no-memory", "needs 6.1 GiB on gpu0, of which 0.5 are free; the smallest model that reads documents needs 4.2"),
            Unserved("speech", "no-engine"),
        ),
        notes=("the card drives a screen: 0.5 GiB are kept for it",),
        proof=Proof("optimal", 412.5, 0.0, 412, 96, "HiGHS"),
    )  # fmt: skip


def hostile() -> Plan:
    """Names that try to steer the terminal, reorder letters, break columns or be endless."""
    bad = gguf("evil\x1b[2J\x1b]0;owned\x07\u202egnp", "Q4\n\tK", 4.0)
    wide = gguf("千问三十二亿参数模型中文长名字测试", "Q4_K_M", 4.0)
    served = (
        (
            instance(bad, "llama.cpp", 8101, demand=(demand("gpu0", 4.0, 1.0),)),
            ("r\role\nnext: rm -rf", "x" * 5000),
        ),
        (instance(wide, "llama.cpp", 8102, demand=(demand("gpu0", 4.0, 1.0),)), ("cafe\u0301",)),
    )
    on = host("h", named_card(0, "\x1b[31mGeForce\u202e " + "long " * 500))
    made = plan("'; rm -rf ~;\x1b[0m", on, (bad, wide), served, (LLAMA_CPP,))
    return replace(
        made,
        unserved=(Unserved("\x9b31m", "be\x1bcause", "detail\r" * 3),),
        notes=("note\x1b]8;;http://evil.test\x07link",),
    )


def empty_host() -> Host:
    return host("none").machine


def over_budget() -> PoolBudget:
    return PoolBudget("gpu0", "vram", gib(8), (Reservation("driver", gib(1), Basis.ASSUMED),), gib(7), gib(9))


__all__ = ["demand", "empty_host", "everyday", "gib", "hostile", "over_budget", "role", "speed"]
