"""The body of a class is split into variables, hooks, groups and fields."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import pytest

from knockoff.language.group import Group, inner_groups, members_of_group, parameters_of_group
from knockoff.language.marks import Editable
from knockoff.language.members import MISSING, split_class
from knockoff.language.occasions import Insert, after_event, before_event
from knockoff.language.plain import Run
from knockoff.language.variable import Variable


@Group(tags=["b", "a"])
class Motor:
    """A motor."""

    device: str
    offset: float = 0.0

    def position(self) -> Annotated[float, Variable]:
        return self.offset

    def not_a_variable(self) -> float:
        return self.offset


class Body:
    motor = Motor(device="A")
    threshold: Annotated[float, Editable(title="Hit threshold")] = 0.5
    label: str
    CONSTANT: ClassVar[int] = 3
    _hidden: int = 3

    @Variable
    def decorated(self, data: Any) -> int:
        return 1

    def hinted(self, data: Any) -> Annotated[int, Variable]:
        return 1

    @before_event(Insert)
    def hinted_with_event(self, data: Any) -> Annotated[int, Variable]:
        return 1

    @after_event(Insert)
    def hook(self) -> None:
        self.label = "x"

    def plain(self) -> Annotated[int, "not a mark of ours"]:
        return 1


def test_each_part_is_what_it_says() -> None:
    """A method without hint or decorator is just a method."""
    members = split_class(Body)

    assert list(members.variables) == ["decorated", "hinted", "hinted_with_event"]
    assert list(members.hooks) == ["hook"]
    assert list(members.groups) == ["motor"]
    assert list(members.fields) == ["threshold", "label"]
    assert members.fields["threshold"].editable == Editable(title="Hit threshold")
    assert members.fields["label"].default is MISSING
    assert members.fields["label"].editable is None
    assert members.variables["hinted_with_event"].direction == "before"
    assert members.variables["hinted_with_event"].event == ("Insert",)


def test_variables_leave_the_class_so_that_only_values_are_found() -> None:
    """Else a value that was not computed would be mistaken for a method, which is true."""

    class Runs(Run):
        @Variable
        def hits(self, data: Any) -> int:
            return 1

    assert not hasattr(Runs, "hits")
    assert list(Runs.__knockoff_members__.variables) == ["hits"]


def test_a_group_is_a_dataclass_of_its_parameters() -> None:
    """Given by name, with title, name, tags and separator besides."""
    motor = Motor(device="A", offset=1.0, title="Motor", tags="c")  # type: ignore[call-arg]

    assert parameters_of_group(motor) == {"device": "A", "offset": 1.0}
    assert motor.tags == ("c",)  # type: ignore[attr-defined]
    assert Motor(device="A").tags == ("a", "b")  # type: ignore[attr-defined]
    assert list(members_of_group(motor).variables) == ["position"]
    assert Motor.__doc__ == "A motor."


def test_a_group_with_a_field_that_all_groups_have_is_refused() -> None:
    """It would take away the title."""
    with pytest.raises(TypeError, match="Named defines title, which every group has already"):

        @Group
        class Named:
            title: str


def test_a_group_holds_groups_as_parameter_and_as_member() -> None:
    """Both are columns below its own name."""

    @Group
    class Stage:
        x: Motor
        y = Motor(device="Y")

    stage = Stage(x=Motor(device="X"))

    assert set(inner_groups(stage)) == {"x", "y"}
    assert parameters_of_group(stage) == {}
