"""One run in a fresh interpreter, for a context whose threads make a fork unsafe."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from knockoff.contextfile.loading import load
from knockoff.filling.deadlines import Deadline
from knockoff.filling.forked import run
from knockoff.filling.orders import Order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knockoff.contextfile.loading import Context


def spawn(context_file: str, order: Order, session: int, deadline: Deadline) -> int:
    """Start this module in a new process that does what a fork would, and return its pid."""
    deadline.set(order.timeout)  # loading the file counts as a variable's time
    request = {
        "context_file": context_file,
        "order": asdict(order),
        "session": session,
        "deadline": deadline.descriptor,
        "zygote": os.getpid(),
    }
    with _inherited(session, deadline.descriptor):
        arguments = [sys.executable, "-m", __name__, json.dumps(request)]
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
    request = json.loads(sys.argv[1])
    order = Order(**request["order"])
    for each in (request["session"], request["deadline"]):
        os.set_inheritable(each, False)
    deadline = Deadline(request["deadline"])
    context_file = Path(request["context_file"])

    def loaded() -> Context:
        os.chdir(context_file.parent)
        return load(context_file)

    run(loaded, order, request["session"], deadline, request["zygote"])


if __name__ == "__main__":
    main()
