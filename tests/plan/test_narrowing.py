"""A narrowed space offers what it may and nothing else, and nothing else is looked at."""

from tests.plan.worlds import bundled

from stackplan.choose import choose
from stackplan.counterfactual import Force, forced
from stackplan.narrowing import anything, narrowed
from stackplan.pipeline import Space, space_of
from stackplan.stack import RoleRequest
from stackplan.values import replace

HELD = "qwen3-14b"


def space_of_one_role() -> Space:
    made = bundled("rtx-4090", "everyday")
    stack = replace(made.request.stack, roles=(RoleRequest("worker"),))
    return space_of(replace(made, request=replace(made.request, stack=stack)))


def test_only_what_may_serve_is_rated_and_opened() -> None:
    market = forced(space_of_one_role(), Force("worker", model=HELD)).market
    choose(market)
    rated = {
        prospect.served.model.id for number, prospect in enumerate(market.prospects) if number not in market.closed
    }
    assert rated == {HELD}
    assert {base.served.model.id for base in market.bases} == {HELD}


def test_a_file_that_is_held_leaves_the_others_of_its_model_unrated() -> None:
    space = space_of_one_role()
    file = next(one for prospect in space.prospects if prospect.served.model.id == HELD for one in prospect.files)
    market = forced(space, Force("worker", model=HELD, artifact=file.id)).market
    choose(market)
    assert {base.artifact.id for base in market.bases} == {file.id}
    assert {outline.served.model.id for outline in market.bases} == {HELD}


def test_whoever_may_not_serve_one_need_still_serves_the_others() -> None:
    space = space_of(bundled("rtx-4090", "everyday"))
    position = [need.id for need in space.finder.needs].index("worker")
    prospect = next(one for one in space.prospects if len(one.best) > 1 and position in dict(one.best))
    bases = space.finder.bases(prospect)

    def may(own: int, *_: object) -> bool:
        return own != position

    assert list(narrowed(bases, anything)) == list(bases)
    for before, after in zip(bases, narrowed(bases, may), strict=True):
        assert dict(after.merits) == {need: merit for need, merit in before.merits if need != position}
        assert replace(after, merits=before.merits).configuration(0) == before.configuration(0)
