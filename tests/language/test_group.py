"""A group is a class like any other, as far as Python and type checkers can tell."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from knockoff.language.group import (
    BEING_FILLED,
    Group,
    Grouped,
    GroupError,
    Reference,
    inner_groups,
    links_of_group,
    members_of_group,
    parameters_of_group,
)
from knockoff.language.members import is_group
from knockoff.language.variable import Variable


@Group(title="Motor", tags="b")
class Motor:
    device: str
    offset: float = 0.0

    @Variable
    def position(self, run: Any) -> float:
        return self.offset


def made(*args: Any, **kwargs: Any) -> Any:
    """A motor, as people write it who have no type checker."""
    kind: Any = Motor
    return kind(*args, **kwargs)


def test_arguments_by_position_are_the_title_and_then_the_fields() -> None:
    """Text in front is a title only where no field would be left without a value."""
    assert (made("A").title, made("A").device) == ("Motor", "A")
    assert (made("T", "A").title, made("T", "A").device) == ("T", "A")
    assert (made("T", device="A").title, made("T", "A", 2.0).offset) == ("T", 2.0)
    assert list(inspect.signature(Motor).parameters)[:2] == ["device", "offset"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "missing 1 required keyword-only argument: 'device'"),
        (("T", "A", 1.0, 2.0), "Motor takes 3 parameters by position, and was given 4."),
    ],
)
def test_too_few_or_too_many_are_told(args: tuple[Any, ...], message: str) -> None:
    """As Python does of any function."""
    with pytest.raises(TypeError, match=message):
        made(*args)


def test_a_group_lends_its_variables_until_it_is_filled() -> None:
    """Then only what was computed is there, and the rest says what to write."""
    motor = made(device="A")

    assert motor.position == Reference(motor, "position")
    assert isinstance(Motor.position, Variable)
    vars(motor)[BEING_FILLED] = True
    with pytest.raises(AttributeError, match=r"Write self\.position"):
        motor.position  # noqa: B018
    vars(motor)["position"] = 3.0
    assert motor.position == 3.0


def test_what_was_handed_over_is_told_apart() -> None:
    """Parameters decide about the value; groups and variables have columns of their own."""

    @Group
    class Stage:
        x: Any
        value: Any
        speed: float

    motor = made(device="X")
    kind: Any = Stage
    stage = kind(x=motor, value=motor.position, speed=2.0)

    assert inner_groups(stage) == {"x": motor}
    assert links_of_group(stage) == {"value": Reference(motor, "position")}
    assert parameters_of_group(stage) == {"speed": 2.0}


def test_a_group_may_derive_from_what_type_checkers_know() -> None:
    """With or without the decorator, and further down."""

    class Camera(Grouped):
        pixels: int

        @Variable
        def size(self, run: Any) -> int:
            return self.pixels

    @Group(tags="fast")
    class Fast(Camera):
        rate: float = 10.0

    camera = Camera(title="Side", pixels=4)
    fast = Fast(pixels=2, rate=1.0)

    assert is_group(camera)
    assert is_group(fast)
    assert (camera.title, camera.tags, fast.tags) == ("Side", (), ("fast",))
    assert list(members_of_group(fast).variables) == ["size"]
    assert parameters_of_group(fast) == {"pixels": 2, "rate": 1.0}


@pytest.mark.parametrize("body", [{"sep": "x"}, {"__annotations__": {"title": str}}])
def test_what_every_group_has_is_not_defined_again(body: dict[str, Any]) -> None:
    """It would take the place of what knockoff reads there."""
    with pytest.raises(GroupError, match="which every group has already"):
        Group(type("Bad", (), {"__module__": __name__, **body}))


def test_a_group_keeps_an_init_of_its_own() -> None:
    """Whoever writes one sees to everything."""

    @Group
    class Own:
        def __init__(self, number: int) -> None:
            self.number = number

        @Variable
        def twice(self, run: Any) -> int:
            return 2 * self.number

    own: Any = Own(3)

    assert parameters_of_group(own) == {"number": 3}
    assert (own.title, own.name, own.sep) == (None, None, "/")
