"""The parameters of a DAMNIT function as those of a method, with types that say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003  # a dataclass of it is made at run time
from dataclasses import dataclass, field
from typing import Final

import libcst as cst
from libcst import matchers as m

from knockoff.rewriting.outline import all_parameters, stored_names

MARK: Final = re.compile(r"\s*(var|self|meta|mymdc|param|input)#(.*\S)\s*", re.DOTALL)
_TYPES: Final = {
    "meta#run_number": "int",
    "meta#proposal": "int",
    "meta#proposal_path": "Path",
    "mymdc#run_type": "str",
    "mymdc#sample_name": "str",
    "mymdc#techniques": "list[dict[str, Any]]",
}
_WIDEST: Final = 95
"""Of the head of a method, which is moved to the right."""

DATA: Final = "data"
"""What the run's data is called in a method."""


@dataclass
class Needs:
    """Names that what was written needs, to be imported."""

    names: set[str] = field(default_factory=set)


def method_of(
    function: cst.FunctionDef, renamed: Mapping[str, str], needs: Needs, *, has_self: bool = False
) -> cst.FunctionDef:
    """A function as a method: `self` in front, the data typed, each mark in an `Annotated`.

    Parameters
    ----------
    renamed:
        New names of variables, by old.
    has_self:
        It is a method already, of a group.
    """
    parameters = all_parameters(function.params)[1 if has_self else 0 :]
    data = next((each for each in parameters if not _is_marked(each)), None)
    is_data = data is not None and data.annotation is None and data.default is None
    written: dict[str, cst.Param] = {}
    body = function
    for each in parameters:
        text = _text(each.annotation)
        if each is data and is_data:
            name = _name_of_data(function, each)
            needs.names.add("DataCollection")
            written[each.name.value] = _annotated(each, "DataCollection").with_changes(
                name=cst.Name(name)
            )
            if name != each.name.value:
                body = _renamed(function, each.name.value, name)
        elif text is not None and MARK.fullmatch(text):
            written[each.name.value] = _annotated(each, _hint(text, renamed, needs))
    changed = body.params.visit(_Rewritten(written))
    assert isinstance(changed, cst.Parameters)
    if not has_self:
        changed = _with_self(changed, body.whitespace_before_params)
    return _broken_where_long(body.with_changes(params=changed))


def renamed_mark(mark: str, renamed: Mapping[str, str]) -> str:
    """``var#count`` as ``var#count_of_run``; patterns stay, and so do unknown names."""
    prefix, _, name = mark.strip().partition("#")
    first, dot, rest = name.partition(".")
    if prefix == "var":
        name = renamed.get(name, f"{renamed.get(first, first)}{dot}{rest}")
    return f"{'param' if prefix == 'input' else prefix}#{name}"


def _hint(text: str, renamed: Mapping[str, str], needs: Needs) -> str:
    mark = renamed_mark(text, renamed)
    kind = _TYPES.get(mark, "Any")
    if any(sign in mark for sign in "*?["):
        kind = "dict[str, Any]"
    needs.names |= {"Annotated"} | {name for name in ("Any", "Path") if name in kind}
    quote = '"' if '"' not in mark else "'"
    return f"Annotated[{kind}, {quote}{mark}{quote}]"


def _is_marked(parameter: cst.Param) -> bool:
    text = _text(parameter.annotation)
    return text is not None and MARK.fullmatch(text) is not None


def _text(annotation: cst.Annotation | None) -> str | None:
    """An annotation that is a string."""
    value = annotation.annotation if annotation is not None else None
    if isinstance(value, cst.SimpleString | cst.ConcatenatedString):
        text = value.evaluated_value
        return text if isinstance(text, str) else None
    return None


def _annotated(parameter: cst.Param, hint: str) -> cst.Param:
    return parameter.with_changes(
        annotation=cst.Annotation(
            cst.parse_expression(hint),
            whitespace_before_indicator=cst.SimpleWhitespace(""),
            whitespace_after_indicator=cst.SimpleWhitespace(" "),
        ),
        equal=cst.AssignEqual() if parameter.default is not None else parameter.equal,
    )


def _broken_where_long(method: cst.FunctionDef) -> cst.FunctionDef:
    """A parameter per line, where all of them on one line are wider than the screen."""
    whole = cst.Module([method.with_changes(decorators=[], leading_lines=[])])
    head = whole.code.split(":\n", 1)[0]
    if "\n" in head or len(head) <= _WIDEST:
        return method
    parameters = method.params
    lines = [_code(each) for each in parameters.posonly_params]
    lines += ["/"] if parameters.posonly_params else []
    lines += [_code(each) for each in parameters.params]
    if isinstance(parameters.star_arg, cst.Param):
        lines.append(f"*{_code(parameters.star_arg)}")
    elif isinstance(parameters.star_arg, cst.ParamStar):
        lines.append("*")
    lines += [_code(each) for each in parameters.kwonly_params]
    if parameters.star_kwarg is not None:
        lines.append(f"**{_code(parameters.star_kwarg)}")
    written = "".join(f"    {line},\n" for line in lines)
    broken = cst.parse_statement(f"def x(\n{written}): ...\n")
    assert isinstance(broken, cst.FunctionDef)
    return method.with_changes(
        params=broken.params, whitespace_before_params=broken.whitespace_before_params
    )


def _code(parameter: cst.Param) -> str:
    bare = parameter.with_changes(star="", comma=cst.MaybeSentinel.DEFAULT)
    return cst.Module([]).code_for_node(bare)


def _with_self(
    parameters: cst.Parameters, in_front: cst.BaseParenthesizableWhitespace
) -> cst.Parameters:
    """`self` as first parameter, on a line of its own where the others are."""
    own = cst.Param(cst.Name("self"))
    if parameters.posonly_params:
        return parameters.with_changes(posonly_params=(own, *parameters.posonly_params))
    has_more = bool(
        parameters.params or parameters.kwonly_params or parameters.star_kwarg
    ) or isinstance(parameters.star_arg, cst.Param)
    is_broken = isinstance(in_front, cst.ParenthesizedWhitespace)
    comma = cst.Comma(whitespace_after=in_front if is_broken else cst.SimpleWhitespace(" "))
    if has_more:
        own = own.with_changes(comma=comma)
    return parameters.with_changes(params=(own, *parameters.params))


def _name_of_data(function: cst.FunctionDef, parameter: cst.Param) -> str:
    """``data`` where nothing in the function is in the way of that, else what it is called."""
    old = parameter.name.value
    used = {each.value for each in m.findall(function, m.Name()) if isinstance(each, cst.Name)}
    inner = [
        each
        for each in m.findall(function.body, m.Lambda() | m.FunctionDef())
        if isinstance(each, cst.Lambda | cst.FunctionDef)
    ]
    shadowed = {
        each.name.value for function in inner for each in all_parameters(function.params)
    } | stored_names(function.body)
    return old if DATA in used or old in shadowed else DATA


def _renamed(function: cst.FunctionDef, old: str, new: str) -> cst.FunctionDef:
    body = function.body.visit(_Names(old, new))
    assert isinstance(body, cst.BaseSuite)
    return function.with_changes(body=body)


class _Rewritten(cst.CSTTransformer):
    """Parameters of certain names replaced by others."""

    def __init__(self, written: Mapping[str, cst.Param]) -> None:
        super().__init__()
        self._written = written

    def leave_Param(self, original_node: cst.Param, updated_node: cst.Param) -> cst.Param:
        new = self._written.get(original_node.name.value)
        if new is None:
            return updated_node
        return updated_node.with_changes(name=new.name, annotation=new.annotation, equal=new.equal)


class _Names(cst.CSTTransformer):
    """A local name replaced by another; attributes and keywords of that name stay."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__()
        self._old, self._new = old, new

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        is_it = original_node.value == self._old
        return updated_node.with_changes(value=self._new) if is_it else updated_node

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.Attribute:
        return updated_node.with_changes(attr=original_node.attr)

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:
        return updated_node.with_changes(keyword=original_node.keyword)
