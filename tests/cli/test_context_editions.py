"""`knockoff context list` and `show HASH`: the code behind any number can be had back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .conftest import CONTEXT, EDITED

if TYPE_CHECKING:
    from .conftest import Shell


def test_every_context_file_that_was_used_is_listed_with_what_was_new(edited: Shell) -> None:
    """Which edit was when, and of what: the first question about a number that has changed."""
    done = edited("context", "list")

    assert done.status == 0, done.said
    head, first, second = done.out.splitlines()
    assert head.split()[:3] == ["since", "hash", "variables"]
    assert first.split()[3] == "7"
    assert second.endswith("new after_broken, rate; edited trains, hits")
    uses = json.loads(edited("context", "list", "--json").out)
    assert [each["edited"] for each in uses] == [[], ["trains", "hits"]]
    assert uses[0]["since"] < uses[1]["since"]


def test_a_source_is_had_back_by_hash_or_by_the_code_of_a_value(edited: Shell) -> None:
    """Rows, HDF5 files and the history name hashes; each leads to the text it stands for."""
    old, new = json.loads(edited("context", "list", "--json").out)
    assert edited("context", "show", old["hash"]).out == CONTEXT
    assert edited("context", "show", new["hash"][:6]).out == EDITED

    made = json.loads(edited("history", "1", "hits", "--json").out)
    assert edited("context", "show", made[0]["code"]).out == CONTEXT
    assert edited("context", "show", made[1]["code"]).out == EDITED

    unknown = edited("context", "show", "nothing")
    assert unknown.status == 1
    assert "`knockoff context list`" in unknown.said
