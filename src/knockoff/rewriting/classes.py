"""A whole context file: its functions and groups gathered in one class, the rest as it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import libcst as cst
from libcst import matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider

from knockoff.contextfile.names import (
    DOCUMENT_NAMES,
    OUR_NAMES,
    PEOPLES_NAMES,
    stored_names,
)
from knockoff.contextfile.scope import in_words
from knockoff.errors import ContextFileError
from knockoff.rewriting.imports import with_imports
from knockoff.rewriting.outline import all_parameters, dotted, outline_of
from knockoff.rewriting.signatures import Needs, method_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knockoff.contextfile.description import ContextDescription
    from knockoff.rewriting.outline import Outline

CLASS: Final = "Runs"
_TAKEN: Final = DOCUMENT_NAMES | OUR_NAMES | PEOPLES_NAMES
_GAP: Final = cst.EmptyLine(indent=False)


@dataclass(frozen=True, order=True)
class Remark:
    """Something that is not quite as it was, or could not be done."""

    line: int
    """In the original; 0 for the whole file."""

    message: str


@dataclass(frozen=True)
class Rewritten:
    """A context file in class style."""

    text: str
    renamed: Mapping[str, str]
    """New names of columns and groups, by old."""

    remarks: tuple[Remark, ...]


def rewritten(text: str, description: ContextDescription | None = None) -> Rewritten:
    """Turn a file of functions into one with a class; nothing is run.

    Parameters
    ----------
    text:
        The file.
    description:
        What is known of it, if it could be loaded: its titles, and what at its top is a group.

    Raises
    ------
    ContextFileError
        It is no Python, has no variables, or is written in class style already.
    """
    try:
        module = cst.parse_module(text)
    except cst.ParserSyntaxError as error:
        raise ContextFileError(
            f"line {error.raw_line}: {error.message} Mend that first."
        ) from error
    return _Rewriting(module, description).done()


@dataclass
class _Members:
    """What goes into the class, and what becomes of the statements it is taken from."""

    body: list[cst.BaseStatement] = field(default_factory=list)
    instead: dict[cst.CSTNode, list[cst.BaseStatement]] = field(default_factory=dict)
    last: cst.CSTNode | None = None


class _Rewriting:
    def __init__(self, module: cst.Module, description: ContextDescription | None) -> None:
        wrapper = MetadataWrapper(module)
        self._module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        tables = description.tables if description is not None else ()
        columns = [each for table in tables for each in table.variables]
        groups = {each.name.partition(".")[0] for each in columns if "." in each.name}
        self._titles = {each.name: each.title for each in columns}
        self._outline: Outline = outline_of(self._module, frozenset(groups))
        self._needs = Needs()
        self._remarks: list[Remark] = []
        if self._outline.run_classes:
            name = self._outline.run_classes[0].name.value
            raise ContextFileError(
                f"{name} is a class of runs: the file is in class style already."
            )
        if not (self._outline.variables or self._outline.groups):
            raise ContextFileError("There is no function with @Variable at the top of the file.")
        self._renamed = self._new_names()

    def done(self) -> Rewritten:
        """Everything, in the order of the file."""
        members = _Members()
        for statement in self._module.body:
            self._place(statement, members)
        for function in self._outline.hidden:
            self._remark(
                function,
                f"{function.name.value} is not at the top of the file, so it stays where it is: "
                f"move it into {CLASS} by hand.",
            )
        body: list[cst.BaseStatement] = []
        gap: list[cst.EmptyLine] = []
        for statement in self._module.body:
            kept = members.instead.get(statement, [statement])
            if not kept:  # what follows keeps the distance to what is above
                gap = gap or [each for each in _leading(statement) if each.comment is None]
            elif gap and not _is_spaced(kept[0]):
                lines = [*gap, *_leading(kept[0])]
                kept = [kept[0].with_changes(leading_lines=lines), *kept[1:]]
            gap = [] if kept else gap
            body.extend(kept)
            if statement is members.last:
                body.append(_class_of(members.body))
                gap = [_GAP, _GAP]
        module = with_imports(self._module.with_changes(body=body), self._needs)
        return Rewritten(module.code, self._renamed, tuple(sorted(set(self._remarks))))

    def _place(self, statement: cst.BaseStatement, members: _Members) -> None:
        outline = self._outline
        if isinstance(statement, cst.FunctionDef):
            name = statement.name.value
            if statement in outline.doubles:
                self._remark(statement, f"{name} is defined again below, so this one is left out.")
                members.instead[statement] = []
            elif outline.variables.get(name) is statement:
                self._move_variable(statement, members)
        elif isinstance(statement, cst.ClassDef):
            if outline.group_classes.get(statement.name.value) is statement:
                members.instead[statement] = [self._group_class(statement)]
        elif isinstance(statement, cst.SimpleStatementLine):
            for name, each in outline.groups.items():
                if each is statement:
                    self._move_group(name, statement, members)

    def _move_variable(self, function: cst.FunctionDef, members: _Members) -> None:
        name = function.name.value
        new = self._renamed.get(name, name)
        method = _indented(method_of(function, self._renamed, self._needs))
        ours = [each for each in function.decorators if self._is_ours(each)]
        if self._outline.named.get(name) or _has_private_names(function):
            others = [each for each in function.decorators if each not in ours]
            members.instead[function] = [function.with_changes(decorators=others)]
            method = _calling(function, method).with_changes(decorators=ours)
            self._remark(
                function, f"other code calls {name}, so it stays a function, which a method calls."
            )
        else:
            members.instead[function] = []
        title = self._titles.get(name) or self._titles.get(new) or in_words(name)
        if title != in_words(new):
            decorators = [
                _titled(each, title) if self._is_ours(each) else each for each in method.decorators
            ]
            method = method.with_changes(decorators=decorators)
        method = method.with_changes(name=cst.Name(new))
        members.body.append(_spaced(method))
        members.last = function

    def _is_ours(self, decorator: cst.Decorator) -> bool:
        return self._outline.is_word(decorator.decorator, "Variable")

    def _move_group(self, name: str, statement: cst.SimpleStatementLine, members: _Members) -> None:
        new = self._renamed.get(name, name)
        if self._may_move(name):
            members.instead[statement] = []
            moved = statement.visit(_Assigned(name, new)) if new != name else statement
            assert isinstance(moved, cst.SimpleStatementLine)
            members.body.append(_spaced(moved) if _has_comment(moved) else _tight(moved))
        else:
            line = cst.parse_statement(f"{new} = {name}")
            assert isinstance(line, cst.SimpleStatementLine)
            members.body.append(line)
        members.last = statement

    def _may_move(self, name: str, through: tuple[str, ...] = ()) -> bool:
        """Whether only groups that move too, and nothing else, name this one."""
        namers = self._outline.named.get(name, set())
        return all(
            each in self._outline.groups
            and each not in through
            and self._may_move(each, (*through, name))
            for each in namers
        )

    def _group_class(self, cls: cst.ClassDef) -> cst.ClassDef:
        if not isinstance(cls.body, cst.IndentedBlock):
            return cls
        body = [
            method_of(each, self._renamed, self._needs, has_self=True)
            if isinstance(each, cst.FunctionDef) and self._outline.is_decorated(each, "Variable")
            else each
            for each in cls.body.body
        ]
        return cls.with_changes(body=cls.body.with_changes(body=body))

    def _new_names(self) -> dict[str, str]:
        """What cannot be an attribute of the class has another name, in the table as well.

        A function that is stored under another name already keeps that.
        """
        names = {*self._outline.variables, *self._outline.groups}
        renamed = stored_names(self._outline.variables)
        for name in sorted(names & _TAKEN - renamed.keys()):
            new = f"{name.strip('_')}_of_run"
            while new in names:
                new = f"{new}_"
            renamed[name] = new
        for name, new in renamed.items():
            node = self._outline.variables.get(name) or self._outline.groups[name]
            self._remark(node, f"{name} is called {new} now: a column cannot be called {name!r}.")
        return renamed

    def _remark(self, node: cst.CSTNode, message: str) -> None:
        place = self._positions.get(node)
        line = getattr(getattr(place, "start", None), "line", 0)
        self._remarks.append(Remark(line, message))


def _class_of(members: Sequence[cst.BaseStatement]) -> cst.ClassDef:
    docstring = cst.parse_statement('"""One row for each run."""')
    first, *others = members
    gap = [] if _is_spaced(first) else [_GAP]
    lines = [*gap, *_leading(first)]
    return cst.ClassDef(
        name=cst.Name(CLASS),
        bases=[cst.Arg(cst.Name("Run"))],
        body=cst.IndentedBlock([docstring, first.with_changes(leading_lines=lines), *others]),
        leading_lines=[_GAP, _GAP],
    )


def _indented(method: cst.FunctionDef) -> cst.FunctionDef:
    """A body without empty lines behind it, its docstring moved to the right as a whole."""
    body = method.body
    if not isinstance(body, cst.IndentedBlock):
        return method
    footer = [each if each.comment else _GAP for each in body.footer]
    while footer and footer[-1] is _GAP:
        footer.pop()
    lines = list(body.body)
    documentation = m.SimpleStatementLine([m.Expr(m.SimpleString())])
    if m.matches(lines[0], documentation):
        text = cst.ensure_type(lines[0], cst.SimpleStatementLine)
        string = cst.ensure_type(cst.ensure_type(text.body[0], cst.Expr).value, cst.SimpleString)
        first, *others = string.value.split("\n")
        moved = "\n".join([first, *(f"    {each}" if each.strip() else "" for each in others)])
        lines[0] = cst.ensure_type(
            lines[0].deep_replace(string, cst.SimpleString(moved)), cst.SimpleStatementLine
        )
    return method.with_changes(body=body.with_changes(body=lines, footer=footer))


def _calling(function: cst.FunctionDef, method: cst.FunctionDef) -> cst.FunctionDef:
    """A method that hands over to the function, its parameters by name."""
    positional = {each.name.value for each in function.params.posonly_params}
    old = [each.name.value for each in all_parameters(function.params)]
    new = [each.name.value for each in all_parameters(method.params)][1:]
    given = ", ".join(
        right if left in positional else f"{left}={right}"
        for left, right in zip(old, new, strict=True)
    )
    word = "await " if function.asynchronous else ""
    lines: list[cst.BaseStatement] = []
    if function.get_docstring() is not None and isinstance(function.body, cst.IndentedBlock):
        lines.append(function.body.body[0])
    lines.append(cst.parse_statement(f"return {word}{function.name.value}({given})"))
    return method.with_changes(body=cst.IndentedBlock(lines))


def _has_private_names(function: cst.FunctionDef) -> bool:
    """Whether it uses a name such as ``__state``, which Python spells otherwise in a class."""
    return any(
        each.value.startswith("__") and not each.value.endswith("__")
        for each in m.findall(function, m.Name())
        if isinstance(each, cst.Name)
    )


def _titled(decorator: cst.Decorator, title: str) -> cst.Decorator:
    call = decorator.decorator
    if not isinstance(call, cst.Call):
        call = cst.Call(call)
    return decorator.with_changes(decorator=_with_title(call, title))


def _with_title(call: cst.Call, title: str) -> cst.Call:
    """A title, where none is given: the one that the old name gave."""
    if any(each.keyword is None or dotted(each.keyword) == "title" for each in call.args):
        return call
    given = cst.Arg(
        cst.SimpleString(f'"{title}"'),
        keyword=cst.Name("title"),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    return call.with_changes(args=[given, *call.args])


class _Assigned(cst.CSTTransformer):
    """The name that a group is assigned to, and a title that keeps what it was."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__()
        self._old, self._new = old, new

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        (target,) = updated_node.targets
        value = updated_node.value
        if isinstance(value, cst.Call):
            value = _with_title(value, in_words(self._old))
        target = target.with_changes(target=cst.Name(self._new))
        return updated_node.with_changes(targets=[target], value=value)


def _spaced(statement: cst.FunctionDef | cst.SimpleStatementLine) -> cst.BaseStatement:
    """One empty line in front, and comments as they were."""
    lines = list(statement.leading_lines)
    while lines and lines[0].comment is None:
        lines.pop(0)
    bare = [each if each.comment else _GAP for each in lines]
    return statement.with_changes(leading_lines=[_GAP, *bare])


def _tight(statement: cst.SimpleStatementLine) -> cst.BaseStatement:
    return statement.with_changes(leading_lines=[])


def _is_spaced(statement: cst.BaseStatement) -> bool:
    lines = _leading(statement)
    return bool(lines) and lines[0].comment is None


def _leading(statement: cst.BaseStatement) -> list[cst.EmptyLine]:
    return list(getattr(statement, "leading_lines", ()))


def _has_comment(statement: cst.SimpleStatementLine) -> bool:
    return any(each.comment is not None for each in statement.leading_lines)
