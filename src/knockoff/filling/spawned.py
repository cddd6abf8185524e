"""One run in a fresh interpreter, for a context whose threads make a fork unsafe."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from knockoff.contextfile.loading import load, load_source
from knockoff.filling.forked import run
from knockoff.filling.limits import Limits
from knockoff.filling.orders import Order
from knockoff.filling.tickets import Tickets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.description import ContextDescription
    from knockoff.contextfile.loading import Context


def spawn(
    context: ContextDescription, order: Order, session: int, tickets: int, limits: Limits
) -> int:
    """Start this module in a new process that does what a fork would, and return its pid.

    It loads the text that was described, whatever is in the file by now.
    """
    limits.set(order.timeout)  # loading the file counts as a variable's time
    request = {
        "context_file": context.path,
        "source": context.exact_source,
        "order": asdict(order),
        "session": session,
        "tickets": tickets,
        "limits": limits.descriptor,
        "zygote": os.getpid(),
    }
    with tempfile.TemporaryFile() as file:  # a source may be too long for an argument
        file.write(json.dumps(request).encode())
        file.flush()
        with _inherited(session, tickets, limits.descriptor, file.fileno()):
            arguments = [sys.executable, "-m", __name__, str(file.fileno())]
            return os.posix_spawn(sys.executable, arguments, os.environ)


@contextmanager
def _inherited(*descriptors: int) -> Iterator[None]:
    for each in descriptors:
        os.set_inheritable(each, True)
    try:
        yield
    finally:
        for each in descriptors:
            os.set_inheritable(each, False)


def main() -> None:
    """Load the context file once more, and serve one session."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        file.seek(0)
        request = json.load(file)
    order = Order(**request["order"])
    for each in (request["session"], request["tickets"], request["limits"]):
        os.set_inheritable(each, False)
    limits, tickets = Limits(request["limits"]), Tickets(request["tickets"])
    context_file = Path(request["context_file"])

    def loaded() -> Context:
        os.chdir(context_file.parent)
        source = request["source"]
        return load(context_file) if source is None else load_source(context_file, source.encode())

    run(loaded, order, request["session"], tickets, limits, request["zygote"])


if __name__ == "__main__":
    main()
