"""What stands at the top of a file in function style: variables, groups, and who names whom."""

from __future__ import annotations

from dataclasses import dataclass, field

import libcst as cst
from libcst import matchers as m

from knockoff.contextfile.damnit import MODULES


@dataclass
class Outline:
    """The names at the top of a file that matter to the rewriting."""

    variables: dict[str, cst.FunctionDef] = field(default_factory=dict)
    group_classes: dict[str, cst.ClassDef] = field(default_factory=dict)
    groups: dict[str, cst.SimpleStatementLine] = field(default_factory=dict)
    """Instances, by the name that they are assigned to."""

    named: dict[str, set[str]] = field(default_factory=dict)
    """For each variable and group, what else names it: "" for code that is neither."""

    doubles: list[cst.FunctionDef] = field(default_factory=list)
    """Variables that a later one of the same name replaces."""

    hidden: list[cst.FunctionDef] = field(default_factory=list)
    """Variables inside of ``if``, ``try`` or a function, where nothing can be moved."""

    words: dict[str, str] = field(default_factory=dict)
    """What ``Variable`` and ``Group`` are called here, by what they are."""

    run_classes: list[cst.ClassDef] = field(default_factory=list)

    def is_decorated(self, node: cst.FunctionDef | cst.ClassDef, word: str) -> bool:
        """Whether ``@Variable`` or ``@Group`` stands above, bare or called."""
        return any(self.is_word(each.decorator, word) for each in node.decorators)

    def is_word(self, node: cst.BaseExpression, word: str) -> bool:
        """Whether an expression is that word of DAMNIT's, or a call of it."""
        if isinstance(node, cst.Call):
            node = node.func
        if isinstance(node, cst.Name):
            return self.words.get(node.value) == word
        return m.matches(node, m.Attribute(attr=m.Name(word))) and (
            dotted(node).rpartition(".")[0] in MODULES
        )


def outline_of(module: cst.Module, also_groups: frozenset[str] = frozenset()) -> Outline:
    """Look through the top of a file.

    Parameters
    ----------
    also_groups:
        Names that are known to hold groups, whatever was assigned to them.
    """
    found = Outline()
    for statement in module.body:
        _imports(statement, found)
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            if found.is_decorated(statement, "Variable"):
                name = statement.name.value
                found.doubles += [found.variables[name]] if name in found.variables else []
                found.variables[name] = statement
        elif isinstance(statement, cst.ClassDef):
            bases = {dotted(base.value) for base in statement.bases}
            if found.is_decorated(statement, "Group") or bases & found.group_classes.keys():
                found.group_classes[statement.name.value] = statement
            elif bases & {"Run", "knockoff.Run", "Document"}:
                found.run_classes.append(statement)
        elif isinstance(statement, cst.SimpleStatementLine):
            name = _assigned(statement)
            if name and (name in also_groups or _called(statement) in found.group_classes):
                found.groups[name] = statement
            found.hidden += _hidden_in(statement, found)
        else:
            found.hidden += _hidden_in(statement, found)
    names = _Names({*found.variables, *found.groups})
    for statement in module.body:
        names.own = _own_name(statement, found)
        statement.visit(names)
    found.named = names.found
    return found


def dotted(node: cst.CSTNode | None) -> str:
    """``a.b.c`` as text; empty for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        above = dotted(node.value)
        return f"{above}.{node.attr.value}" if above else ""
    return ""


def _imports(statement: cst.CSTNode, found: Outline) -> None:
    for each in m.findall(statement, m.ImportFrom()):
        assert isinstance(each, cst.ImportFrom)
        if dotted(each.module) in MODULES and not isinstance(each.names, cst.ImportStar):
            for alias in each.names:
                name = alias.evaluated_alias or alias.evaluated_name
                found.words[name] = alias.evaluated_name
        elif dotted(each.module) in MODULES:
            found.words |= {word: word for word in ("Variable", "Group", "Cell", "Skip")}


def _assigned(statement: cst.SimpleStatementLine) -> str:
    """The one name that a statement gives a value to; empty for any other statement."""
    if len(statement.body) != 1:
        return ""
    (only,) = statement.body
    if isinstance(only, cst.Assign) and len(only.targets) == 1:
        return (
            dotted(only.targets[0].target) if isinstance(only.targets[0].target, cst.Name) else ""
        )
    if isinstance(only, cst.AnnAssign) and isinstance(only.target, cst.Name) and only.value:
        return only.target.value
    return ""


def _called(statement: cst.SimpleStatementLine) -> str:
    (only,) = statement.body
    value = getattr(only, "value", None)
    return dotted(value.func) if isinstance(value, cst.Call) else ""


def _own_name(statement: cst.CSTNode, found: Outline) -> str:
    for name, node in (*found.variables.items(), *found.groups.items()):
        if node is statement:
            return name
    return ""


def _hidden_in(statement: cst.CSTNode, found: Outline) -> list[cst.FunctionDef]:
    functions = m.findall(statement, m.FunctionDef())
    return [
        each
        for each in functions
        if isinstance(each, cst.FunctionDef) and found.is_decorated(each, "Variable")
    ]


class _Names(cst.CSTVisitor):
    """Where some names are read, but for what defines them."""

    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.own = ""
        self.found: dict[str, set[str]] = {}
        self._names = names

    def visit_Name(self, node: cst.Name) -> None:
        if node.value in self._names and node.value != self.own:
            self.found.setdefault(node.value, set()).add(self.own)

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)  # and not the keyword, which names a parameter
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        node.value.visit(self)
        return False

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        """A parameter or local variable of that name is another thing."""
        local = {
            *(each.name.value for each in all_parameters(node.params)),
            *stored_names(node.body),
        }
        before = self._names
        for decorator in node.decorators:
            decorator.visit(self)
        for parameter in all_parameters(node.params):
            if parameter.default is not None:
                parameter.default.visit(self)
        self._names = before - local
        node.body.visit(self)
        self._names = before
        return False


def all_parameters(parameters: cst.Parameters) -> list[cst.Param]:
    """Every parameter that has a name and takes one value, in order."""
    return [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]


def stored_names(node: cst.CSTNode) -> set[str]:
    """Names that a piece of code gives a value to."""
    targets = m.findall(
        node,
        m.AssignTarget() | m.AnnAssign() | m.AugAssign() | m.For() | m.CompFor() | m.NamedExpr()
        | m.AsName() | m.Param() | m.Global() | m.Del() | m.FunctionDef() | m.ClassDef(),
    )  # fmt: skip
    names: set[str] = set()
    for target in targets:
        part = getattr(target, "target", None) or getattr(target, "name", None) or target
        names |= {each.value for each in m.findall(part, m.Name()) if isinstance(each, cst.Name)}
    return names
