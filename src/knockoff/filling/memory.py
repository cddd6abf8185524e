"""How much memory a variable is given, and what its cell says when that is not enough."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from knockoff.filling.processes import data_size, limit_memory, own_memory

if TYPE_CHECKING:
    from knockoff.contextfile.description import VariableDescription
    from knockoff.filling.messages import Result
    from knockoff.filling.orders import Order


class Allowance:
    """What the running variable of this process may have beyond what others have left in it."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._at_rest = own_memory()
        self.memory: int | None = None
        """In bytes; None for no limit."""

    def grant(self, variable: VariableDescription) -> int | None:
        """Let a variable begin, with the memory it asks for as far as the machine has that.

        Returns
        -------
        :
            Bytes that the process may have by then beyond those it began with.
        """
        order, asked = self._order, variable.memory or self._order.memory
        self.memory = asked
        if asked is not None and order.most_memory is not None and asked > order.most_memory:
            self.memory = order.most_memory
            if variable.memory is not None:
                had = f"this machine can give it {gigabytes(order.most_memory)}"
                print(  # noqa: T201
                    f"--- {variable.name} asks for {gigabytes(asked)} of memory; {had}",
                    file=sys.stderr,
                )
        if self.memory is None:
            limit_memory(None)
            return None
        limit_memory(data_size() + self.memory)
        return self.memory + max(0, own_memory() - self._at_rest)

    def lift(self) -> None:
        """Let what is not a variable have what it needs."""
        limit_memory(None)


def told_of_memory(result: Result, allowance: Allowance) -> Result:
    """A result that says, where memory was refused, how much there was and how to get more."""
    problem = result.problem
    if problem is None or allowance.memory is None or "MemoryError" not in problem.kind:
        return result
    limit = f"It may have {gigabytes(allowance.memory)}; Variable(memory=...) asks for more."
    said = f"{problem.message.rstrip('.')}. " if problem.message else ""
    return replace(result, problem=replace(problem, message=f"{said}{limit}"))


def gigabytes(size: float) -> str:
    """Bytes as people say them: "25 GB", "1.5 GB", "200 MB"."""
    if size < 1e9:
        return f"{size / 1e6:.0f} MB"
    return f"{size / 1e9:.1f}".removesuffix(".0") + " GB"
