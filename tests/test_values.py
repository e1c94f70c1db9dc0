"""A value of either kind is changed in the same way, and never in place."""

from dataclasses import dataclass

import pytest
from msgspec import Struct

from stackplan.values import replace


@dataclass(frozen=True, slots=True)
class Written:
    size: int
    name: str = "a"


class Made(Struct, frozen=True):
    size: int
    name: str = "a"


@pytest.mark.parametrize("kind", [Written, Made])
def test_what_is_replaced_is_another_value_and_the_rest_stays(kind: type[Written | Made]) -> None:
    value = kind(1, "b")

    assert replace(value, size=2) == kind(2, "b")
    assert value == kind(1, "b")


@pytest.mark.parametrize("kind", [Written, Made])
def test_a_field_that_is_not_there_is_refused(kind: type[Written | Made]) -> None:
    with pytest.raises(TypeError):
        replace(kind(1), weight=2)


@pytest.mark.parametrize("kind", [Written, Made])
def test_nothing_is_changed_in_place(kind: type[Written | Made]) -> None:
    value = kind(1)
    with pytest.raises(AttributeError):
        value.size = 2
