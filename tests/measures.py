"""The measures of `tests.house`: what each counts in a module, and where.

They read syntax trees and tokens, and import nothing of what they measure.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

LONG_LINE = 100
"""Columns. By judgement: two files side by side on a laptop."""

NEEDS_AIR = 15
"""Lines of a function from which on its paragraphs are to be apart."""

LONG_FUNCTION = 50
"""Lines of a function, docstring not counted: about a screen."""

MANY_ARGUMENTS = 7
"""Arguments of a function that is not public; more of them are a thing without a name."""

MANY_ALL_THE_SAME = frozenset({"adam", "URNEstimator"})
"""A kernel of Numba takes arrays and numbers only, and scikit-learn wants every option of an
estimator to be an argument."""

FORBIDDEN = frozenset(
    [
        *("one", "some", "found", "seen", "told", "way"),
        *("what", "serve", "place", "look", "tell", "mine"),
    ]
)
"""Names that say nothing of what they hold."""

VOCABULARY = {
    "living": "held or alive",
    "callback": "observer",
    "callbacks": "observers",
    "regulariser": "term",
    "regularisers": "terms",
    "n_null": "n_draws",
    "n_random": "n_draws",
    "DRAWS": "n_draws",
    "draws": "n_draws (or rng)",
    "chance": "rng or generator",
    "random": "rng or generator",
    "heard": "firing or alive",
    "speaks": "firing",
    "turn": "step or iteration",
    "moment": "snapshot",
    "then": "snapshot",
}
"""Identifiers for which the vocabulary has another word.

Printed with --words, not held: some are names on disk.
"""

OWNERS_OF_SHAPE = ("population/population.py",)
"""The modules that may give a tensor of a network another shape."""


@dataclass
class Offence:
    """A place that a measure counts against the code."""

    where: str
    says: str
    weight: float = 1.0


@dataclass
class Measure:
    """A share or a count, with what went into it."""

    counted: float = 0
    of: float = 0
    offences: list[Offence] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Counted per unit; nan-free, for an empty folder has no offences."""
        return self.counted / self.of if self.of else 0.0

    def add(self, other: "Measure") -> None:
        """Take another measure of the same kind in."""
        self.counted += other.counted
        self.of += other.of
        self.offences += other.offences

    def count(self, is_counted: bool, where: str, says: str, weight: float = 1.0) -> None:
        """One more unit, and an offence if it is counted."""
        self.of += 1
        if is_counted:
            self.counted += 1
            self.offences.append(Offence(where, says, weight))


Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Source:
    """A module read once: text, tree, comments."""

    path: Path
    text: str
    tree: ast.Module
    comments: dict[int, str]

    @property
    def lines(self) -> list[str]:
        """Its lines, without their ends."""
        return self.text.splitlines()

    def at(self, line: int) -> str:
        """A place as editors read it."""
        return f"{self.path}:{line}"


def read(path: Path) -> Source:
    """Parse a module and collect its comments, noqa and fmt directives aside."""
    text = path.read_text()
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)

    comments = {
        token.start[0]: token.string
        for token in tokens
        if token.type == tokenize.COMMENT and re.search(r"\w", token.string)
    }
    return Source(path, text, ast.parse(text), comments)


def functions(source: Source) -> Iterator[Function]:
    """All functions and methods, nested ones too."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> tuple[int, int, int]:
    """First line of the signature, first line after the docstring, last line."""
    body = function.body
    has_docstring = ast.get_docstring(function, clean=False) is not None
    first = body[0].end_lineno + 1 if has_docstring else body[0].lineno
    return function.lineno, first, function.end_lineno


def length(function: Function) -> int:
    """Lines from `def` on, without decorators and docstring."""
    start, first, last = body_lines(function)
    signature = function.body[0].lineno - start
    return signature + max(0, last - first + 1)


def string_lines(source: Source) -> set[int]:
    """Lines inside strings of several lines: a blank one there is no air."""
    inside: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno > node.lineno:
            inside.update(range(node.lineno + 1, node.end_lineno + 1))
    return inside


def measure_air(source: Source) -> Measure:
    """Functions of 15 lines and more without a blank line after their first statement."""
    result = Measure()
    lines = source.lines
    inside = string_lines(source)

    for function in functions(source):
        if length(function) < NEEDS_AIR:
            continue
        _, first, last = body_lines(function)
        statements = [n.lineno for n in function.body if n.lineno >= first]
        begin = min(statements, default=first)
        blank = any(
            not lines[n - 1].strip() and n not in inside  #
            for n in range(begin, last + 1)
        )
        says = f"{function.name}: {length(function)} lines, none blank"
        result.count(not blank, source.at(function.lineno), says, length(function))
    return result


def measure_lines(source: Source) -> Measure:
    """Lines over 100 columns."""
    result = Measure()
    for number, line in enumerate(source.lines, 1):
        says = f"{len(line)} columns"
        result.count(len(line) > LONG_LINE, source.at(number), says, len(line))
    return result


def measure_packing(source: Source) -> Measure:
    """Assignments of a tuple written out to a tuple of targets."""
    result = Measure()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            pairs = [t for t in node.targets if isinstance(t, ast.Tuple | ast.List)]
            packed = bool(pairs) and isinstance(node.value, ast.Tuple | ast.List)
            says = ast.unparse(node)
            result.count(packed, source.at(node.lineno), says, len(says))
    return result


def measure_comments(source: Source) -> Measure:
    """Lines that hold nothing but a comment: what stands beside code is mostly a shape."""
    alone = [n for n in source.comments if source.lines[n - 1].lstrip().startswith("#")]
    return Measure(len(alone), len(source.lines))


def is_typed(function: Function, is_method: bool) -> bool:
    """Whether every argument but self and the result are annotated; `__init__` needs no result."""
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args]
    static = any(
        isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list
    )
    if is_method and not static:
        listed = listed[1:]

    extra = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    every = [*listed, *arguments.kwonlyargs, *extra]
    result = function.returns is not None or function.name == "__init__"
    return result and all(a.annotation is not None for a in every)


def methods(source: Source) -> set[Function]:
    """Functions that stand in the body of a class."""
    classes = (n for n in ast.walk(source.tree) if isinstance(n, ast.ClassDef))
    return {n for c in classes for n in c.body if isinstance(n, Function)}


def measure_types(source: Source) -> Measure:
    """Functions that are fully typed; an offence is one that is not."""
    result = Measure()
    in_classes = methods(source)

    for function in functions(source):
        typed = is_typed(function, function in in_classes)
        result.count(not typed, source.at(function.lineno), f"{function.name}: not fully typed")
    result.counted = result.of - result.counted
    return result


def measure_length(source: Source) -> Measure:
    """Functions of more than 50 lines, docstring not counted."""
    result = Measure()
    for function in functions(source):
        n = length(function)
        says = f"{function.name}: {n} lines"
        result.count(n > LONG_FUNCTION, source.at(function.lineno), says, n)
    return result


def public_names(path: Path) -> set[str]:
    """What `__all__` names in the `__init__.py` of the packages that a module lies in."""
    names: set[str] = set()
    folder = path.resolve().parent
    while (folder / "__init__.py").is_file():
        tree = ast.parse((folder / "__init__.py").read_text())
        for node in tree.body:
            is_list = isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple)
            if is_list and ast.unparse(node.targets[0]) == "__all__":
                names.update(ast.literal_eval(node.value))
        folder = folder.parent
    return names


def measure_arguments(source: Source) -> Measure:
    """Functions of more than 7 arguments.

    Public ones may have more: those in an `__all__`, and methods of such a class.
    """
    result = Measure()
    public = public_names(source.path)
    in_classes = {
        method: node.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, Function)
    }

    for function in functions(source):
        arguments = function.args
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        n = len(listed) - (function in in_classes)
        name = in_classes.get(function, function.name)
        is_public = name in MANY_ALL_THE_SAME or (
            name in public and (name == function.name or not _private(function.name))
        )
        says = f"{function.name}: {n} arguments"
        result.count(n > MANY_ARGUMENTS and not is_public, source.at(function.lineno), says, n)
    return result


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that the module gives to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno


def measure_words(source: Source, words: Iterable[str] = FORBIDDEN) -> Measure:
    """Identifiers that are forbidden; a leading underscore changes nothing."""
    result = Measure()
    words = frozenset(words)
    for name, line in identifiers(source.tree):
        says = (
            name
            if name.strip("_") not in VOCABULARY
            else f"{name} -> {VOCABULARY[name.strip('_')]}"
        )
        result.count(name.strip("_") in words, source.at(line), says)
    return result


def is_constant(node: ast.stmt) -> bool:
    """Whether a statement of a module gives a number or text a name in capitals."""
    if isinstance(node, ast.Assign):
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return False
    return isinstance(target, ast.Name) and bool(re.fullmatch(r"_?[A-Z][A-Z0-9_]+", target.id))


def measure_constants(source: Source) -> Measure:
    """Module-level constants without a docstring below or a comment above or beside them."""
    result = Measure()
    body = source.tree.body

    for node, after in zip_longest(body, body[1:]):
        if not is_constant(node):
            continue
        documented = (
            isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        )
        beside = range(node.lineno - 1, node.end_lineno + 1)
        commented = any(line in source.comments for line in beside)
        says = ast.unparse(node)[:60]
        result.count(not (documented or commented), source.at(node.lineno), says)
    return result


def measure_reindexing(source: Source) -> Measure:
    """Functions outside their owner that give a parameter and its moments another shape.

    As far as a tool can say: those that call the optimiser's `exchange`, and those that select from
    or join tensors and speak of its moments.
    """
    result = Measure()
    if source.path.as_posix().endswith(OWNERS_OF_SHAPE):
        return result

    for function in functions(source):
        text = ast.unparse(function)
        speaks_of_moments = "exp_avg" in text or ".state[" in text
        selects = re.search(r"index_select|\.gather\(|torch\.cat\(|new_zeros\(", text)
        exchanges = ".exchange(" in text
        says = f"{function.name}: gives a parameter or its moments another shape"
        is_counted = exchanges or bool(speaks_of_moments and selects)
        result.count(is_counted, source.at(function.lineno), says)
    return result
