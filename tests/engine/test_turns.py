"""Who is next, and which variables may run beside each other."""

from __future__ import annotations

import asyncio

from knockoff.contextfile.description import VariableDescription
from knockoff.engine.schedule import Schedule
from knockoff.engine.turns import Turns


async def test_a_proposal_with_one_run_does_not_wait_behind_all_of_another() -> None:
    """A reprocess of 500 old runs must not keep tonight's run waiting."""
    turns, order = Turns(2), list[str]()

    async def run(who: str) -> None:
        async with turns.turn(who):
            order.append(who)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for who in ["many"] * 6 + ["one"]:
            tasks.create_task(run(who))

    assert order.index("one") == 2
    assert order.count("many") == 6


async def test_no_more_are_in_than_may_be() -> None:
    """Also where some of those who wait are cancelled, before or as their turn comes."""
    turns, inside, most = Turns(3), 0, 0

    async def run(who: int) -> None:
        nonlocal inside, most
        async with turns.turn(who % 4):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    tasks = [asyncio.create_task(run(each)) for each in range(40)]
    await asyncio.sleep(0)
    for task in tasks[5::3]:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks[6::3]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(10), turns.turn(1), turns.turn(2), turns.turn(3):
        pass

    assert (most, inside) == (3, 0)


async def test_without_a_number_nobody_waits() -> None:
    """A notebook and the tests ask for just what they want."""
    turns = Turns(None)
    async with turns.turn(1), turns.turn(1), turns.turn(1):
        pass


def described(name: str, **changes: object) -> VariableDescription:
    return VariableDescription(
        name,
        name,
        (name,),
        "raw",
        ("Insert",),
        "after",
        "c0de",
        **changes,  # type: ignore[arg-type]
    )


def schedule(*variables: VariableDescription) -> Schedule:
    known = {each.name: each for each in variables}
    return Schedule(known, known)


def test_a_variable_is_ready_when_what_it_reads_has_ended() -> None:
    """Well or badly: if badly, it is told so by whoever runs it."""
    plan = schedule(described("a"), described("b", reads=("a",)), described("c", may_read=("b",)))

    assert plan.ready(["a", "b", "c"]) == ["a"]
    plan.end("a")
    assert plan.ready(["b", "c"]) == ["b"]
    plan.end("b")
    assert plan.ready(["c"]) == ["c"]


def test_readers_of_one_transient_share_a_process_whoever_names_it() -> None:
    """Also through another transient, and where the transient itself is not asked for."""
    deep = described("deep", transient=True)
    upper = described("upper", transient=True, reads=("deep",))
    one, other = described("one", reads=("upper",)), described("other", reads=("deep",))
    free = described("free")
    known = {each.name: each for each in (deep, upper, one, other, free)}

    plan = Schedule(known, ("one", "other", "free"))

    assert not plan.fits("other", (), [{"one"}])
    assert plan.fits("other", {"one"}, [{"free"}])
    assert plan.fits("free", (), [{"one"}])
    assert plan.fits("other", (), [{"free"}])


def test_what_wants_a_cluster_waits_for_all_before_it() -> None:
    """And what is behind it waits for it."""
    plan = schedule(described("a"), described("b", cluster=True), described("c", cluster=True))

    assert plan.ready(["a", "b", "c"]) == ["a"]
    plan.end("a")
    assert plan.ready(["b", "c"]) == ["b"]
