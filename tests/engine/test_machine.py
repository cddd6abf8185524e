"""What one run may use of this machine."""

from __future__ import annotations

from knockoff.engine.machine import (
    limits_of_a_run,
    lowered,
    memory_of_machine,
    processors_of_machine,
)


def test_a_run_gets_what_is_wanted_and_never_more_than_there_is() -> None:
    """The defaults are those of a node of the cluster; a laptop has less."""
    assert limits_of_a_run(1, 1000) == (1, 1000)
    assert limits_of_a_run(10_000, 10**18) == (processors_of_machine(), memory_of_machine())
    assert limits_of_a_run(1, None) == (1, memory_of_machine())


def test_who_gets_less_is_told() -> None:
    """A run that is stopped at 14 GB surprises whoever has asked for 25."""
    assert lowered(1, 1000) is None
    told = lowered(10_000, 10**18)
    assert told is not None
    assert "of memory and not 1000000000 GB" in told
    assert "and not 10000" in told
