"""Runs in the validators' environment: OR-Tools CP-SAT solves worlds read as JSON and prints the optima as JSON.

Written from the definitions of the design, for a solver of another kind; nothing is shared with stackplan.
"""

import json
import sys

from ortools.sat.python import cp_model

Json = dict


def optimum(world: Json, seconds: float) -> Json:
    """{"status", "levels"}: the value, then bytes in memory, then bytes on disk, each with those before held."""
    model = cp_model.CpModel()
    served, running, used = _choices(model, world)
    memory = [_memory(model, world, candidate, served, running) for candidate in world["candidates"]]
    for pool, budget in world["pools"].items():
        _budget(model, world, pool, budget, memory, running)
    files = _files(model, world, running)
    disk = sum(size * files[name] for name, size in used.items()) if used else 0
    if world["disk_bytes"] is not None:
        model.add(disk <= world["disk_bytes"])
    value = sum(offer["value"] * served[offer["need"], offer["candidate"]] for offer in world["offers"])
    value -= sum(_alike(model, world, rule, served) for rule in world["diversities"])
    total = sum(size for taken in memory for size in taken["all"])
    levels: list[int] = []
    for goal, sign in ((value, 1), (total, -1), (disk, -1)):
        model.maximize(sign * goal)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        # With presolve, 9.15 proved an optimum below a feasible one (coefficients of 2^35): judged by hand, world 66.
        solver.parameters.cp_model_presolve = False
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE:
            return {"status": "infeasible", "levels": []}
        if status != cp_model.OPTIMAL:
            return {"status": "unproved", "levels": levels}
        levels.append(round(solver.value(goal)) if not isinstance(goal, int) else goal)
        model.add(goal == levels[-1])
    return {"status": "optimal", "levels": levels}


def _choices(model, world):
    served = {(o["need"], o["candidate"]): model.new_bool_var("") for o in world["offers"]}
    running = {candidate["id"]: model.new_bool_var("") for candidate in world["candidates"]}
    for need in world["needs"]:
        mine = [taken for (name, _), taken in served.items() if name == need["id"]]
        if need["required"]:
            model.add_exactly_one(mine) if mine else model.add_bool_or([])
        else:
            model.add_at_most_one(mine)
    for name, runs in running.items():
        users = [taken for (_, candidate), taken in served.items() if candidate == name]
        model.add_max_equality(runs, users) if users else model.add(runs == 0)
    for key in {candidate["key"] for candidate in world["candidates"]}:
        model.add_at_most_one(running[c["id"]] for c in world["candidates"] if c["key"] == key)
        alike = {c["id"] for c in world["candidates"] if c["key"] == key}
        for group in world["distinct"]:
            model.add_at_most_one(t for (need, c), t in served.items() if need in group and c in alike)
    return served, running, {name: size for c in world["candidates"] for name, size in c["files"]}


def _memory(model, world, candidate, served, running):
    """What a candidate takes of each pool: loaded and kept, as expressions over the choices."""
    slots = sum(
        o["slots"] * served[o["need"], o["candidate"]] for o in world["offers"] if o["candidate"] == candidate["id"]
    )
    loaded, kept = {}, {}
    for take in candidate["takes"]:
        loaded[take["pool"]] = take["fixed_bytes"] * running[candidate["id"]] + take["per_slot_bytes"] * slots
        kept[take["pool"]] = take["kept_bytes"] * running[candidate["id"]]
    return {"candidate": candidate, "loaded": loaded, "kept": kept, "all": [*loaded.values(), *kept.values()]}


def _budget(model, world, pool, budget, memory, running):
    there = [taken for taken in memory if pool in taken["loaded"]]
    tier = {t: [taken for taken in there if taken["candidate"]["tier"] == t] for t in ("hot", "warm", "cold")}
    hot = sum(taken["loaded"][pool] for taken in tier["hot"])
    for taken in tier["cold"]:
        model.add(hot + taken["loaded"][pool] <= budget)
    groups: dict[str, list] = {}
    for taken in tier["warm"]:
        groups.setdefault(taken["candidate"]["swap_group"], []).append(taken["loaded"][pool])
    peaks = []
    for group, sizes in groups.items():
        peak = model.new_int_var(0, 1 << 50, "")
        overlapping = group in world["overlapping_groups"]
        for place, size in enumerate(sizes):
            model.add(peak >= size)
            if overlapping:
                for other in sizes[:place]:
                    model.add(peak >= size + other)
        peaks.append(peak)
    kept = sum(taken["kept"][pool] for taken in tier["warm"])
    model.add(hot + kept + sum(peaks) <= budget)


def _files(model, world, running):
    files = {}
    for candidate in world["candidates"]:
        for name, _ in candidate["files"]:
            files.setdefault(name, model.new_bool_var(""))
            model.add_implication(running[candidate["id"]], files[name])
    return files


def _alike(model, world, rule, served):
    """The penalty of one rule: lost as soon as both needs are served by one lineage."""
    lost = model.new_bool_var("")
    lineage = {candidate["id"]: candidate["lineage"] for candidate in world["candidates"]}
    first = [(c, t) for (need, c), t in served.items() if need == rule["first"]]
    second = [(c, t) for (need, c), t in served.items() if need == rule["second"]]
    for one, taken in first:
        for other, also in second:
            if lineage[one] == lineage[other] != "":
                model.add_bool_or([taken.negated(), also.negated(), lost])
    return rule["penalty"] * lost


if __name__ == "__main__":
    per_world = float(sys.argv[1])
    print(json.dumps([optimum(world, per_world) for world in json.load(sys.stdin)]))
