"""Whether each role answers a request of its kind, by its own server and through the gateway."""

from collections.abc import Iterator

from stackplan.plan import Plan, ServedRole
from stackplan.render.servers import server_of
from stackplan.verify.finding import Check, Finding, agrees, breach, unknown
from stackplan.verify.gateway import KEY_VARIABLE, LOCAL_SUFFIX
from stackplan.verify.observation import AnswerSeen, Heard, ModelSeen, Observations

GATEWAY = "gateway"
_DOUBT = "see whether its pooling and prompt form are right, or the model is this poor"


def answer_findings(plan: Plan, seen: Observations) -> Iterator[Finding]:
    """Each role directly, once more after the exercise, and through the gateway; then the gateway itself."""
    for role in plan.roles:
        for again in (False, True):
            answer = _answer(seen, role.role, gateway=False, again=again)
            if answer is not None:
                yield _direct(plan, role, answer, _model(plan, role, seen))
            elif not again:
                yield unknown(Check.ANSWER, role.role, "not asked: its model is not in memory")
        if seen.gateway is not None:
            yield _through(seen, role)
    yield from _gateway(plan, seen)


def _direct(plan: Plan, role: ServedRole, answer: AnswerSeen, model: ModelSeen | None) -> Finding:
    when = " after others had their turn" if answer.again else ""
    if answer.heard is Heard.NOT_ASKED:
        return unknown(Check.ANSWER, role.role, f"not asked{when}: {answer.problem}")
    if answer.heard is not Heard.ANSWERED:
        hint = f"see the log of {server_of(plan, role.instance).id}"
        return breach(Check.ANSWER, role.role, f"no answer to a {role.mode} request{when}: {answer.problem}", hint)
    wanted = model.vector_dimensions if model else None
    if wanted and answer.dimensions and answer.dimensions != wanted:
        message = f"vectors of {answer.dimensions} numbers, its model has {wanted}"
        return breach(Check.ANSWER, role.role, message, _DOUBT, wanted, answer.dimensions)
    if answer.doubt:
        return unknown(Check.ANSWER, role.role, f"answers{when}, but {answer.doubt}", _DOUBT)
    size = f" ({answer.dimensions} dimensions)" if answer.dimensions else ""
    return agrees(Check.ANSWER, role.role, f"answers a {role.mode} request{when}{size}")


def _through(seen: Observations, role: ServedRole) -> Finding:
    answer = _answer(seen, role.role, gateway=True)
    if answer is None or answer.heard is Heard.NOT_ASKED:
        reason = answer.problem if answer else _unasked(seen)
        return unknown(Check.GATEWAY, role.role, f"not asked through the gateway: {reason}")
    hint = "see the gateway's log; `stackplan render` writes its configuration again"
    if answer.heard is not Heard.ANSWERED:
        return breach(Check.GATEWAY, role.role, f"no answer through the gateway: {answer.problem}", hint)
    if answer.answered_by and answer.answered_by != f"{role.role}{LOCAL_SUFFIX}":
        message = f"the gateway let {answer.answered_by} answer, not the local model"
        return breach(Check.GATEWAY, role.role, message, hint)
    own = _answer(seen, role.role, gateway=False)
    if own and own.dimensions and answer.dimensions and own.dimensions != answer.dimensions:
        message = f"vectors of {answer.dimensions} numbers through the gateway, {own.dimensions} without"
        return breach(Check.GATEWAY, role.role, message, hint, own.dimensions, answer.dimensions)
    if not answer.answered_by:
        return unknown(Check.GATEWAY, role.role, "answers through the gateway, which does not tell who did it")
    return agrees(Check.GATEWAY, role.role, "answers through the gateway")


def _unasked(seen: Observations) -> str:
    gateway = seen.gateway
    if gateway is None or gateway.heard is not Heard.ANSWERED:
        return "it does not answer"
    if gateway.roles is None:
        return f"{KEY_VARIABLE} is not set"
    return "only what its own server has answered is asked there"


def _gateway(plan: Plan, seen: Observations) -> Iterator[Finding]:
    there = seen.gateway
    if there is None:
        return
    if there.heard is Heard.NOT_ASKED:
        yield unknown(Check.GATEWAY, GATEWAY, f"not asked: {there.problem}")
    elif there.heard is not Heard.ANSWERED:
        message = f"no gateway at port {plan.gateway_port}: {there.problem}"
        yield breach(Check.GATEWAY, GATEWAY, message, "start it: stackplan up")
    elif there.roles is None:
        hint = f"set {KEY_VARIABLE} to the gateway's key"
        yield unknown(
            Check.GATEWAY, GATEWAY, f"ready, but {KEY_VARIABLE} is not set, so that no role was asked for", hint
        )
    else:
        yield _offered(plan, there.roles)


def _offered(plan: Plan, roles: tuple[str, ...]) -> Finding:
    missing = sorted({role.role for role in plan.roles} - set(roles))
    if missing:
        message = f"the gateway does not offer {', '.join(missing)}"
        return breach(Check.GATEWAY, GATEWAY, message, "give it the rendered configuration, and start it anew")
    return agrees(Check.GATEWAY, GATEWAY, "offers every role")


def _answer(seen: Observations, role: str, *, gateway: bool, again: bool = False) -> AnswerSeen | None:
    return next((one for one in seen.answers if (one.role, one.gateway, one.again) == (role, gateway, again)), None)


def _model(plan: Plan, role: ServedRole, seen: Observations) -> ModelSeen | None:
    heard = seen.server(server_of(plan, role.instance).id)
    return heard.model(role.instance) if heard else None
