"""A plan added up from its own JSON, by the definitions of the design; nothing is shared with whoever made it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
PARTS = ("weights_bytes", "kv_bytes", "state_bytes", "compute_bytes", "output_bytes", "overhead_bytes")
ROUNDED = 0.001  # a value counts in thousandths of a point


def breaches(plan: Json, wanted: Json) -> list[str]:
    """Every promise that the plan breaks. ``wanted``: what was asked for, see `asked`."""
    return [
        *_budgets(plan),
        *_instances(plan),
        *_files(plan),
        *_roles(plan, wanted),
        *_permissions(plan, wanted),
        *_proof(plan),
    ]


def asked(stack: Json, roles: list[Json], *, commercial: bool = False, forbid: tuple[str, ...] = ()) -> Json:
    """What the checker needs of a stack file and the role file, as they stand in YAML."""
    known = {role["id"]: role for role in roles}
    needs: dict[str, Json] = {}
    for request in stack["roles"]:
        role, count = known[request["role"]], int(request.get("count", 1))
        floor = request.get("context_floor_tokens") or role["context_floor_tokens"]
        for number in range(count):
            name = role["id"] if count == 1 else f"{role['id']}-{number + 1}"
            needs[name] = {
                "required": request.get("required", True),
                "floor": floor,
                "mode": role["mode"],
                "slots": request.get("slots") or role.get("slots", 1),
                "pool": role["id"] if count > 1 else "",
            }
    return {"needs": needs, "commercial": commercial, "forbid": forbid}


def _budgets(plan: Json) -> Iterator[str]:
    host_pool = _host_pool(plan)
    for pool in plan["host"]["pools"]:
        budget = max(0, pool["capacity_bytes"] - sum(line["bytes"] for line in pool["reserved"]))
        if pool["budget_bytes"] != budget:
            yield f"{pool['id']}: budget {pool['budget_bytes']} is not capacity less reservations, {budget}"
        most = peak(plan, pool["id"], host_pool)
        if most > budget:
            yield f"{pool['id']}: {most} bytes at the worst moment, of {budget}"
        if pool["used_bytes"] != most:
            yield f"{pool['id']}: the plan says {pool['used_bytes']} bytes at the worst moment, the sum is {most}"


def peak(plan: Json, pool: str, host_pool: str) -> int:
    """HOT together, then either the WARM ones in turn with their mapped files, or one COLD one."""
    hot = kept = 0
    turns: dict[str, int] = defaultdict(int)
    cold = [0]
    for instance in plan["instances"]:
        taken = {demand["pool"]: demand for demand in instance["demand"]}
        size = taken[pool]["total_bytes"] if pool in taken else 0
        if instance["tier"] == "hot":
            hot += size
        elif instance["tier"] == "cold":
            cold.append(size)
        else:
            if pool == host_pool and pool in taken:
                kept += sum(demand["weights_bytes"] for demand in taken.values())
                size -= taken[pool]["weights_bytes"]
            turns[instance["swap_group"]] = max(turns[instance["swap_group"]], size)
    return hot + max(kept + sum(turns.values()), *cold)


def _host_pool(plan: Json) -> str:
    """The pool in which mapped files stay beside what is loaded; none where host and device share one pool."""
    machine = plan["host"]["machine"]
    cpu = next(device for device in machine["devices"] if device["backend"] == "cpu")
    pool = next(pool for pool in machine["pools"] if pool["id"] == cpu["pool"])
    return "" if pool["kind"] == "unified" else str(pool["id"])


def _instances(plan: Json) -> Iterator[str]:
    pools = {device["id"]: device["pool"] for device in plan["host"]["machine"]["devices"]}
    cpu = next(device["pool"] for device in plan["host"]["machine"]["devices"] if device["backend"] == "cpu")
    ports = Counter([plan["gateway_port"], *(instance["port"] for instance in plan["instances"])])
    yield from (f"port {port} is taken {times} times" for port, times in ports.items() if times > 1)
    weights = Counter((one["artifact"], one["engine"], one["mode"]) for one in plan["instances"])
    yield from (f"{name} runs {times} times" for name, times in weights.items() if times > 1)
    for instance in plan["instances"]:
        allowed = {pools[device] for device in instance["placement"]["devices"]} | {cpu}
        for demand in instance["demand"]:
            if demand["total_bytes"] != sum(demand[part] for part in PARTS):
                yield f"{instance['id']}: parts do not add up in {demand['pool']}"
            if min(demand[part] for part in PARTS) < 0:
                yield f"{instance['id']}: takes less than nothing of {demand['pool']}"
            if demand["total_bytes"] and demand["pool"] not in allowed:
                yield f"{instance['id']}: takes of {demand['pool']}, where it was not put"
        if not any(role["instance"] == instance["id"] for role in plan["roles"]):
            yield f"{instance['id']}: runs for nobody"
        yield from _acceleration(instance)
        if (instance["tier"] == "warm") != bool(instance["swap_group"]):
            yield f"{instance['id']}: tier {instance['tier']} and swap group {instance['swap_group']!r}"
        if instance["total_context_tokens"] < instance["context_tokens"] * instance["slots"]:
            yield f"{instance['id']}: {instance['slots']} slots do not all have {instance['context_tokens']} tokens"


def _acceleration(instance: Json) -> Iterator[str]:
    """What the engine is told of proposals is what the plan says is gained by them."""
    told = (instance["draft_artifact"], instance["draft_tokens"], instance["prediction_head"])
    gain = instance["acceleration"]
    if gain is None:
        if any(told):
            yield f"{instance['id']}: proposes tokens, but nothing is gained by it"
        return
    if told != (gain["draft_artifact"], gain["draft_tokens"], gain["kind"] == "mtp"):
        yield f"{instance['id']}: told {told}, planned {gain}"
    if not 1 < gain["speedup_low"] <= gain["speedup"] <= gain["speedup_high"]:
        yield f"{instance['id']}: a speed-up that may be a loss: {gain}"


def _files(plan: Json) -> Iterator[str]:
    listed = Counter(artifact["id"] for artifact in plan["artifacts"])
    yield from (f"{name} is listed {times} times" for name, times in listed.items() if times > 1)
    used = {one[name] for one in plan["instances"] for name in ("artifact", "draft_artifact") if one[name]}
    if used != set(listed):
        yield f"artifacts listed and used differ: {sorted(used ^ set(listed))}"
    sizes: dict[str, int] = {}
    for artifact in plan["artifacts"]:
        eyes = any(one["artifact"] == artifact["id"] and one["vision"] for one in plan["instances"])
        sizes[artifact["id"]] = artifact["file_bytes"] + (artifact["projector_bytes"] if eyes else 0)
    total = sum(sizes.values())
    told = next(level["value"] for level in plan["objective"] if level["name"] == "disk bytes")
    if told != total:
        yield f"the plan says {told} bytes on disk, the files have {total}"
    disk = plan["host"]["machine"]["disk"]
    if disk is not None and total > disk["free_bytes"]:
        yield f"{total} bytes of files, {disk['free_bytes']} free on disk"


def _roles(plan: Json, wanted: Json) -> Iterator[str]:
    instances = {instance["id"]: instance for instance in plan["instances"]}
    served = {role["role"]: role for role in plan["roles"]}
    unserved = {role["role"] for role in plan["unserved"]}
    if served.keys() | unserved != wanted["needs"].keys() or served.keys() & unserved:
        yield "roles served and unserved are not the roles asked for"
    slots: dict[str, int] = defaultdict(int)
    pools: dict[str, list[str]] = defaultdict(list)
    for name, need in wanted["needs"].items():
        role = served.get(name)
        if role is None:
            if need["required"] and not wanted.get("partial"):
                yield f"{name} is required and unserved"
            continue
        instance = instances[role["instance"]]
        slots[instance["id"]] += need["slots"]
        if need["pool"]:
            pools[need["pool"]].append(instance["model"])
        if min(instance["context_tokens"], role["context_tokens"]) < need["floor"]:
            yield f"{name}: {instance['context_tokens']} tokens, floor {need['floor']}"
        if not role["mode"] == instance["mode"] == need["mode"]:
            yield f"{name}: mode {instance['mode']}, needs {need['mode']}"
        terms = sum(term["points"] for term in role["utility"]["terms"])
        if abs(role["utility"]["total"] - max(0.0, terms)) > ROUNDED or not 0 <= role["utility"]["total"] <= 100:
            yield f"{name}: utility {role['utility']['total']} of terms that add up to {terms}"
    yield from (f"{one['id']}: slots" for one in plan["instances"] if one["slots"] != slots[one["id"]])
    yield from (f"{pool}: the same model twice" for pool, models in pools.items() if len(models) > len(set(models)))


def _permissions(plan: Json, wanted: Json) -> Iterator[str]:
    for artifact in plan["artifacts"]:
        if wanted["commercial"] and artifact["commercial"] is not True:
            yield f"{artifact['id']}: its licence {artifact['licence']} does not allow business"
        if artifact["model"] in wanted["forbid"]:
            yield f"{artifact['model']} was forbidden"


def _proof(plan: Json) -> Iterator[str]:
    value = plan["objective"][0]["value"]
    worth = sum(role["priority"] * role["utility"]["total"] for role in plan["roles"])
    if value > worth + ROUNDED * len(plan["roles"]):
        yield f"objective {value}, but the roles are worth {worth}"
    proof = plan["proof"]
    if proof["status"] == "optimal" and (proof["gap"] or abs(proof["bound"] - value) > ROUNDED):
        yield f"called optimal at {value} with bound {proof['bound']} and gap {proof['gap']}"
    if proof["status"] != "optimal" and (proof["bound"] < value or not proof["gap"]):
        yield f"not proved, but says that nothing is missing: {proof}"
