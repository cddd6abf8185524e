"""Whatever people write down: variables run after what they read, and every circle is named."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unicodedata import normalize

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from knockoff.contextfile.loading import Context, load
from knockoff.contextfile.problems import ContextProblems
from knockoff.filling.filling import Filling
from knockoff.filling.messages import Result, RunTask
from knockoff.language.order import circles_in

POOL = (
    *("a", "b", "ab", "abc", "a_b", "a1", "a11", "µ", "straße", "x", "Y2", "hits", "hit_rate"),
    *("len", "list", "str", "type", "object", "property", "any_", "sum_", "data_", "self_", "cls"),
    *("Variable_", "trains", "trainsx", "trains1", "trains_1", "value_", "values", "items", "keys"),
    *(
        "energy",
        "pulse_energy",
        "mean",
        "std",
        "units",
        "summary",
        "detector",
        "preview",
        "photons",
    ),
    *("sigma", "peak", "range", "print", "np", "xr", "annotations", "module", "scan", "motor", "e"),
)
"""Names that people give, and some that are one another's beginnings or Python's own."""


STYLES = ("self", "getattr", "var", "default", "glob", "method")


@dataclass
class Node:
    """A variable that adds one to the sum of what it reads."""

    name: str
    group: str = ""
    hook: bool = False
    reads: list[tuple[Node, str]] = field(default_factory=list)

    @property
    def dotted(self) -> str:
        name = normalize("NFKC", self.name)  # as Python reads it
        return f"{self.group}.{name}" if self.group else name

    @property
    def written(self) -> str:
        return f"{self.group}.{self.name}" if self.group else self.name

    def value(self) -> int:
        return 1 + sum(node.value() for node, _ in self.reads)

    def source(self) -> str:
        """The method, with every read in the way that was drawn for it."""
        parameters, terms, methods = ["self"], ["1"], []
        for number, (read, style) in enumerate(self.reads):
            if self.group or self.hook or style in ("self", "getattr", "method"):
                inner = read.name if self.group == read.group else read.dotted
                if self.group and self.group != read.group:  # a group sees what it is told of
                    parameters.append(f'p{number}: Annotated[Any, "var#{read.written}"]')
                    terms.append(f"p{number}")
                elif style == "getattr" and not read.group:
                    terms.append(f'getattr(self, "{read.dotted}")')
                elif style == "method":
                    methods.append(
                        f"    def _m{number}_{self.name}(self):\n        return self.{inner}"
                    )
                    terms.append(f"self._m{number}_{self.name}()")
                else:
                    terms.append(f"self.{inner}")
            elif style == "glob":
                pattern = f"{read.written[:-1]}[{read.written[-1]}]"
                parameters.append(f'p{number}: Annotated[dict, "var#{pattern}"]')
                terms.append(f"sum(p{number}.values())")
            else:
                default = " = 1000" if style == "default" else ""
                mark = f'Annotated[Any, "var#{read.written}"]'
                mark = mark if number % 2 else f'"var#{read.written}"'
                parameters.append(f"p{number}: {mark}{default}")
                terms.append(f"p{number}")
        total = " + ".join(terms)
        if self.hook:
            head, last = (
                f"    @after_event(Insert, Update)\n    def fill_{self.name}(self):",
                (f"self.{self.name} = {total}"),
            )
            parameters = ["self"]
        else:
            ordered = [each for each in parameters if "=" not in each]
            ordered += [each for each in parameters if "=" in each]
            head = f"    @Variable\n    def {self.name}({', '.join(ordered)}):"
            last = f"return {total}"
        return "\n".join([f"{head}\n        {last}", *methods])


def written(nodes: list[Node]) -> str:
    """A context file with these variables, hooks and groups."""
    lines = [
        "from typing import Annotated, Any",
        "from knockoff import Group, Insert, Run, Update, Variable, after_event",
        "",
    ]
    groups = dict.fromkeys(node.group for node in nodes if node.group)
    for group in groups:
        lines += ["@Group", f"class G_{group}:"]
        lines += [node.source() for node in nodes if node.group == group]
    lines.append("class Runs(Run):")
    lines += [f"    {node.name}: int" for node in nodes if node.hook]
    lines += [f"    {group} = G_{group}()" for group in groups]
    lines += [node.source() for node in nodes if not node.group]
    return "\n".join(lines) + "\n"


def graph(seed: int, count: int) -> list[Node]:
    """Variables in the order in which they may be computed, each reading some before it.

    All is drawn from one seed: a thousand draws of hypothesis's own take a second.
    """
    draw = Random(seed)
    nodes: list[Node] = []
    for name in draw.sample(POOL, count):
        group = draw.choice(["", "", "", "ga", "gb"])
        node = Node(name, group, hook=not group and draw.random() < 0.2)
        for read in draw.sample(nodes, min(len(nodes), draw.randrange(4))):
            style = draw.choice(STYLES)
            if read.hook and node.group:
                continue
            if read.hook and style in ("var", "default", "glob"):
                style = "self"  # what a hook fills is a field, and no variable
            node.reads.append((read, style))
        nodes.append(node)
    return nodes


SEEDS = st.integers(0, 2**32)


def loaded(text: str, folder: Path) -> Context:
    """Load a text, and forget it."""
    path = folder / "context.py"
    path.write_text(text)
    before = list(sys.path)
    try:
        return load(path)
    finally:
        sys.path[:] = before


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(1, 40))
def test_any_graph_of_variables_is_ordered_and_computed(seed: int, count: int) -> None:
    """Written down in any order, in every way to read: each value is what it has to be."""
    nodes = graph(seed, count)
    shuffled = Random(seed).sample(nodes, count)
    with TemporaryDirectory() as name:
        folder = Path(name)
        context = loaded(written(shuffled), folder)
        table = context.tables["runs"]
        order = list(table.formulas)
        for node in nodes:
            for read, _ in node.reads:
                assert order.index(called(read)) < order.index(called(node))
        results: list[object] = []
        Filling(context, RunTask(1, 1, "runs", "1", name)).fill(order, results.append)
    stored = {
        column: value
        for each in results
        if isinstance(each, Result)
        for column, value in each.fields.items()
    }
    assert stored == {node.dotted: node.value() for node in nodes}


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(1, 20), st.integers(1, 6))
def test_any_circle_is_named_in_its_order(seed: int, count: int, length: int) -> None:
    """Through groups and hooks as well; each in it reads the one that is named behind it."""
    nodes, draw = graph(seed, count), Random(seed)
    circle = draw.sample(nodes, min(length, count))
    circle = [node for node in circle if not node.hook or len(circle) > 1]
    if any(each.group for each in circle):  # which no hook's field can be handed to
        circle = [node for node in circle if not node.hook]
    for node, read in zip(circle, [*circle[1:], *circle[:1]], strict=True):
        styles = ("self",) if read.hook else ("self", "var", "glob")
        node.reads.append((read, draw.choice(styles)))
    assume(circle)
    reads = {called(node): [called(read) for read, _ in node.reads] for node in nodes}
    with TemporaryDirectory() as name:
        try:
            loaded(written(nodes), Path(name))
        except ContextProblems as error:
            problems = error.problems
        else:
            raise AssertionError("a circle was not seen")
    told = [each.message for each in problems]
    left = dict(reads)
    for message in told:
        if "reads itself" in message:
            named = [message.partition(" ")[0]]
        else:
            named = message.removeprefix("variables wait for each other: ").rstrip(".").split(" → ")
            assert named[0] == named[-1]
            named = named[:-1]
        for step, following in zip(named, [*named[1:], named[0]], strict=True):
            assert following in reads[step], told
            left[step] = [each for each in left[step] if each != following]
    assert all(each.line and each.column for each in problems)
    assert circles_in(left) == ()  # whoever mends what is told has mended all


def called(node: Node) -> str:
    """As it is called in the table: a hook by its method."""
    return f"fill_{node.dotted}" if node.hook else node.dotted
