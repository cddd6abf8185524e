"""A hash of the code that computes a variable: what it does, not how it is written down.

Comments, docstrings, formatting and line numbers do not count. The source of
every function and class that it uses from the context file or from a module
beside it does, so do constants of the file and the parameters of its group.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args, get_origin

from knockoff.contextfile.constants import PLAIN, parts_of
from knockoff.contextfile.sources import code_of, globals_of, node_of
from knockoff.language.marks import Source
from knockoff.language.variable import Variable

if TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Mapping

_KNOCKOFF: Final = Path(__file__).resolve().parents[1]

_DEEPEST: Final = 6
"""How far into a constant one looks; some objects contain themselves."""


def code_hash(
    function: Callable[..., Any],
    *,
    folder: Path,
    options: str = "",
    parameters: Mapping[str, Any] | None = None,
    methods: Iterable[Callable[..., Any]] = (),
    constants: Mapping[str, Any] | None = None,
) -> str:
    """Eight hexadecimal digits that change when the result may.

    Parameters
    ----------
    function:
        What computes the variable.
    folder:
        Where the context file lies; code from elsewhere, such as NumPy, does not count.
    options:
        What else decides about the value, such as the summary.
    parameters:
        Those of the variable's group.
    methods:
        Plain methods that it calls on `self`.
    constants:
        What else of the class it reads through `self`.
    """
    reader = _Reader(folder)
    for each in (function, *methods):
        reader.add_function(each)
    for name, value in sorted((parameters or {}).items()):
        reader.add(f"{name}={reader.shown(value)}")
    for name, value in sorted((constants or {}).items()):
        reader.add_value(name, value)
    reader.add(options)
    return reader.digest()[:8]


class _Reader:
    """Follows the names a function uses, each only once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._seen: set[int] = set()
        self._parts: list[str] = []

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self._parts).encode()).hexdigest()

    def add(self, part: str) -> None:
        self._parts.append(part)

    def add_function(self, function: Callable[..., Any]) -> None:
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        node = node_of(function)
        code = code_of(function)
        if node is None:  # typed at a prompt: the byte code is all there is
            self.add(code.co_code.hex() + repr(code.co_consts) if code else repr(function))
            return
        self.add(_dumped(node))
        names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        for name in sorted(names):
            self._add_global(name, globals_of(function))
        closure = _closure_of(function) if code and code.co_freevars else {}
        for name, value in sorted(closure.items()):
            self.add_value(name, value)

    def _add_global(self, name: str, names: Mapping[str, Any]) -> None:
        if name in names and not name.startswith("__"):
            self.add_value(name, names[name])

    def add_value(self, name: str, value: Any) -> None:
        function = value.function if isinstance(value, Variable) else value
        if not inspect.isfunction(function):
            function = getattr(function, "__wrapped__", function)  # by functools.cache
        if inspect.isfunction(function):
            if self._is_ours(function.__code__.co_filename):
                self.add_function(function)
        elif inspect.isclass(value):
            self._add_class(value)
        elif inspect.ismodule(value):
            self._add_module(value)
        elif get_origin(value) is Annotated:  # what a parameter is given
            marks = [mark for mark in get_args(value)[1:] if isinstance(mark, Source | str)]
            self.add(f"{name}={self.shown(marks)}")
        else:
            self._add_class(type(value))
            self.add(f"{name}={self.shown(value)}")

    def _add_class(self, cls: type) -> None:
        if id(cls) in self._seen:
            return
        self._seen.add(id(cls))
        if not self._is_our_class(cls):
            return
        for name, value in sorted(vars(cls).items()):
            if not name.startswith("__"):
                self.add_value(name, getattr(value, "__func__", value))

    def _add_module(self, module: types.ModuleType) -> None:
        file = getattr(module, "__file__", None)
        if id(module) in self._seen or not file or not self._is_ours(file):
            return
        self._seen.add(id(module))
        self.add(_dumped(ast.parse(Path(file).read_bytes())))
        for value in list(vars(module).values()):
            home = sys.modules.get(getattr(value, "__module__", None) or "")
            used = value if inspect.ismodule(value) else home
            if used is not None:
                self._add_module(used)

    def shown(self, value: Any, within: tuple[int, ...] = ()) -> str:
        """A constant as text: what it is made of, never its address, which differs by process.

        Objects of other people's classes whose parts are not known count by their type alone.
        """
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if value is None or isinstance(value, PLAIN):
            return repr(value)
        if len(within) >= _DEEPEST or id(value) in within:
            return f"<{name}>"
        if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
            return self._shown_code(value, within)
        if self._is_our_class(kind):
            self._add_class(kind)
        parts = parts_of(value, ours=self._is_our_class(kind))
        if parts is None:
            return f"<{name}>"
        inner = (*within, id(value))
        texts = [self.shown(each, inner) for each in parts]
        if isinstance(value, set | frozenset):
            texts.sort()
        return f"{name}({','.join(texts)})"

    def _shown_code(self, value: Any, within: tuple[int, ...]) -> str:
        """The name of a function or class; its source counts as that of any other that is used."""
        if inspect.ismethod(value):
            bound = self.shown(value.__self__, (*within, id(value)))
            return f"{self.shown(value.__func__, within)} of {bound}"
        code = getattr(value, "__wrapped__", value)
        if inspect.isfunction(code) or inspect.isclass(code) or inspect.ismodule(code):
            self.add_value("", code)
        return f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', '')}"

    def _is_our_class(self, cls: type) -> bool:
        module = inspect.getmodule(cls)
        return module is not None and self._is_ours(getattr(module, "__file__", None) or "")

    def _is_ours(self, file: str) -> bool:
        path = Path(file).resolve()
        if path.is_relative_to(_KNOCKOFF) and not self._folder.is_relative_to(_KNOCKOFF):
            return False  # its source lies beside a context file that its makers write
        installed = "site-packages" in path.parts
        return (path.is_relative_to(self._folder) and not installed) or not path.exists()


def _closure_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    below = function if inspect.isfunction(function) else inspect.unwrap(function)
    return inspect.getclosurevars(below).nonlocals


def _dumped(node: ast.AST) -> str:
    """The tree as text, without docstrings and without the decorators of a variable."""
    node = _WithoutDocstrings().visit(ast.parse(ast.unparse(node)))
    return _text(node)


def _text(node: Any) -> str:
    """The tree as `ast.dump` of Python 3.11 writes it without names of fields.

    3.12 has given it fields that are mostly empty, 3.13 leaves out all that are empty:
    but a value is not stale because another Python would compute it now.
    """
    if isinstance(node, list):
        return f"[{', '.join(map(_text, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts: list[str] = []
    is_named = False
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None and getattr(type(node), name, ...) is None:
            is_named = True
        elif name != "type_params" or value:
            if isinstance(node, ast.JoinedStr):  # 3.12 ends {x:{width}} with an empty text
                value = [each for each in node.values if getattr(each, "value", None) != ""]
            parts.append(f"{name}={_text(value)}" if is_named else _text(value))
    return f"{type(node).__name__}({', '.join(parts)})"


class _WithoutDocstrings(ast.NodeTransformer):
    def _strip(self, node: Any) -> Any:
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_Module = visit_ClassDef = _strip  # noqa: N815  # names given by ast

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.decorator_list, node.returns = [], None  # titles, units: they change no value
        return self._strip(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        node.decorator_list, node.returns = [], None
        return self._strip(node)
