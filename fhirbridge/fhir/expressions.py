"""The grammar of the FHIRPath subset that SearchParameter expressions use: text -> tree.

Covered: paths, `[n]`, `first()`, `last()`, `|`, `as`, `.as()`, `.ofType()`, `.where()`,
`.exists()`, `.extension()`, `hasExtension()`, `resolve() is X`, `and`, `=`, `!=`, `%resource`,
literals.
Source: FHIRPath 2.0 (hl7.org/fhirpath), R4 searchparameter.html#expression
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Name:
    """A child element by its FHIRPath name; a choice type goes by its stem."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """One item of a list."""

    position: int


@dataclass(frozen=True, slots=True)
class OfType:
    """Keep values of one type: `as X`, `.as(X)`, `.ofType(X)`."""

    type: str


@dataclass(frozen=True, slots=True)
class Where:
    """Keep the items for which a condition holds."""

    condition: "Node"


@dataclass(frozen=True, slots=True)
class Extension:
    """The extensions with one URL."""

    url: str


@dataclass(frozen=True, slots=True)
class HasExtension:
    """True when an extension with this URL is there."""

    url: str


@dataclass(frozen=True, slots=True)
class Exists:
    """True when there is at least one item."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """The resource that a reference points to; only its type is ever asked for."""


@dataclass(frozen=True, slots=True)
class ResourceRoot:
    """`%resource`."""


Step: TypeAlias = (
    Name | Index | OfType | Where | Extension | HasExtension | Exists | Resolve | ResourceRoot
)


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from the focus, left to right."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or boolean."""

    value: str | bool | int


@dataclass(frozen=True, slots=True)
class Is:
    """A type test."""

    operand: "Node"
    type: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`=` or `!=`."""

    left: "Node"
    right: "Node"
    negated: bool


@dataclass(frozen=True, slots=True)
class And:
    """All conditions hold."""

    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Union:
    """All results of several expressions."""

    operands: tuple["Node", ...]


Node: TypeAlias = Path | Literal | Is | Compare | And | Union

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>\d+)|(?P<word>%?[A-Za-z_]\w*)"
    r"|(?P<sign>!=|[.()\[\]|=]))"
)


class UnknownExpression(ValueError):
    """The expression needs more of FHIRPath than this subset."""


@lru_cache(maxsize=4096)
def parse(expression: str) -> Node:
    """Read an expression; raises UnknownExpression for what the subset does not cover."""
    return _Parser(expression).parse()


class _Parser:
    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: list[str] = []
        position = 0
        text = expression.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._unknown()
            self._tokens.append(match[0].strip())
            position = match.end()
        self._next = 0

    def parse(self) -> Node:
        node = self._union()
        if self._peek():
            raise self._unknown()
        return node

    def _unknown(self) -> UnknownExpression:
        return UnknownExpression(f"This FHIRPath is not covered: {self._expression}")

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise self._unknown()
        self._next += 1
        return token

    def _union(self) -> Node:
        operands = [self._and()]
        while self._peek() == "|":
            self._take()
            operands.append(self._and())
        return operands[0] if len(operands) == 1 else Union(tuple(operands))

    def _and(self) -> Node:
        operands = [self._comparison()]
        while self._peek() == "and":
            self._take()
            operands.append(self._comparison())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _comparison(self) -> Node:
        left = self._typed()
        if self._peek() in ("=", "!="):
            negated = self._take() == "!="
            return Compare(left, self._typed(), negated)
        return left

    def _typed(self) -> Node:
        node = self._path()
        if self._peek() == "as":
            self._take()
            return self._extend(node, OfType(self._take()))
        if self._peek() == "is":
            self._take()
            return Is(node, self._take())
        return node

    def _path(self) -> Node:
        node: Node
        token = self._take()
        if token == "(":  # noqa: S105
            node = self._union()
            self._take(")")
        elif token.startswith("'"):
            return Literal(token[1:-1].replace("\\'", "'"))
        elif token.isdigit():
            return Literal(int(token))
        elif token in ("true", "false"):
            return Literal(token == "true")  # noqa: S105
        elif token == "%resource":  # noqa: S105
            node = Path((ResourceRoot(),))
        else:
            node = Path((self._step(token),))
        while self._peek() in (".", "["):
            if self._take() == "[":
                node = self._extend(node, Index(int(self._take())))
                self._take("]")
            else:
                node = self._extend(node, self._step(self._take()))
        return node

    def _extend(self, node: Node, step: Step) -> Node:
        if isinstance(node, Union):
            return Union(tuple(self._extend(operand, step) for operand in node.operands))
        if not isinstance(node, Path):
            raise self._unknown()
        return Path((*node.steps, step))

    def _step(self, word: str) -> Step:
        if not word.isidentifier():
            raise self._unknown()
        if self._peek() != "(":
            return Name(word)
        self._take("(")
        step: Step
        match word:
            case "where":
                step = Where(self._union())
            case "as" | "ofType":
                step = OfType(self._take())
            case "extension":
                step = Extension(self._take().strip("'"))
            case "hasExtension":
                step = HasExtension(self._take().strip("'"))
            case "first":
                step = Index(0)
            case "last":
                step = Index(-1)
            case "exists":
                step = Exists()
            case "resolve":
                step = Resolve()
            case _:
                raise self._unknown()
        self._take(")")
        return step
