"""VNN-LIB 1.0: declare-const X_i and Y_j, assert with and, or, <=, >= over linear terms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple, NoReturn, TypeAlias

from tropix.certify._vnnlib import MAX_NESTING, Formula, Junction, Linear, Property, compared, number, property_of
from tropix.errors import FormatError, Unsupported

_TOKEN = re.compile(r"[()]|[^\s();]+|;[^\n]*")
_VARIABLE = re.compile(r"([XY])_(0|[1-9][0-9]{0,8})")
_KINDS = ("Real", "real", "Float32", "Float64")


class Word(NamedTuple):
    """A token and its line."""

    text: str
    line: int


class Group(NamedTuple):
    """What stands in a pair of parentheses, and the line of the first."""

    parts: list[Expression]
    line: int


Expression: TypeAlias = "Word | Group"


def parse_first(text: str) -> Property:
    """Read a property of version 1.0; see `read_property`."""
    declared: dict[str, set[int]] = {"X": set(), "Y": set()}
    assertions: list[Formula] = []
    for command in _expressions(text):
        head = _head(command)
        assert isinstance(command, Group)
        if head == "declare-const" and len(command.parts) == 3:
            _declare(command, declared)
        elif head == "assert" and len(command.parts) == 2:
            assertions.append(_formula(command.parts[1], declared))
        else:
            _refuse(command, f"'({head} …)'", "(declare-const NAME Real) or (assert FORMULA)")
    sizes = []
    for kind in ("X", "Y"):
        missing = set(range(len(declared[kind]))) - declared[kind]
        if missing:
            raise FormatError(f"{kind}_{min(missing)} is not declared, but {kind}_{max(declared[kind])} is")
        sizes.append(len(declared[kind]))
    return property_of(sizes[0], sizes[1], assertions)


def _declare(command: Group, declared: dict[str, set[int]]) -> None:
    name, kind = command.parts[1:]
    match = _VARIABLE.fullmatch(name.text) if isinstance(name, Word) else None
    if match is None:
        _refuse(command, f"the name {_shown(name)}", "X_0, X_1, … for inputs and Y_0, Y_1, … for outputs")
    if not isinstance(kind, Word) or kind.text not in _KINDS:
        _refuse(command, f"the sort {_shown(kind)}", "Real")
    index = int(match.group(2))
    if index in declared[match.group(1)]:
        _refuse(command, f"a second declaration of {match.group(0)}", "one")
    declared[match.group(1)].add(index)


def _formula(expression: Expression, declared: dict[str, set[int]]) -> Formula:
    head = _head(expression)
    assert isinstance(expression, Group)
    arguments = expression.parts[1:]
    if head in ("and", "or"):
        if not arguments:
            _refuse(expression, f"'({head})'", "at least one formula in it")
        return Junction(tuple(_formula(part, declared) for part in arguments), head == "and")
    sign = "==" if head == "=" else head
    if sign not in ("<=", ">=", "<", ">", "=="):
        _refuse(expression, f"{head!r}", "and, or, <=, >=, <, > or =")
    if len(arguments) != 2:
        _refuse(expression, f"{len(arguments)} arguments of {head}", "2")
    return compared(sign, *(_linear(part, declared) for part in arguments))


def _linear(expression: Expression, declared: dict[str, set[int]]) -> Linear:
    if isinstance(expression, Word):
        match = _VARIABLE.fullmatch(expression.text)
        if match is None:
            try:
                return Linear({}, number(expression.text))
            except FormatError as error:
                raise FormatError(f"line {expression.line}: {error}") from None
        kind, index = match.group(1), int(match.group(2))
        if index not in declared[kind]:
            _refuse(expression, f"{expression.text}, which is not declared", "a declaration before its use")
        return Linear({(kind, index): Fraction(1)}, Fraction(0))
    head = _head(expression)
    parts = [_linear(part, declared) for part in expression.parts[1:]]
    if head not in ("+", "-", "*") or not parts:
        _refuse(expression, f"'({head} …)'", "a number, a variable, or a sum, difference or product of them")
    total = parts[0]
    if head == "-" and len(parts) == 1:
        return Linear({}, Fraction(0)).plus(total, Fraction(-1))
    for part in parts[1:]:
        try:
            total = total.times(part) if head == "*" else total.plus(part, Fraction(1 if head == "+" else -1))
        except Unsupported as error:
            raise Unsupported(f"line {expression.line}: {error}") from None
    return total


def _expressions(text: str) -> Sequence[Expression]:
    """The expressions of a text, read with a stack of open parentheses."""
    found: list[Expression] = []
    opened: list[Group] = []
    line, place = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", place, match.start())
        place = match.start()
        token = match.group()
        if token[0] == ";":
            continue
        if token == "(":
            opened.append(Group([], line))
            if len(opened) > MAX_NESTING:
                raise FormatError(f"line {line}: more than {MAX_NESTING} parentheses are open")
            continue
        done: Expression = Word(token, line)
        if token == ")":
            if not opened:
                raise FormatError(f"line {line}: ')' closes nothing")
            done = opened.pop()
        (opened[-1].parts if opened else found).append(done)
    if opened:
        raise FormatError(f"line {opened[-1].line}: '(' is never closed: the file may be cut off")
    return found


def _head(expression: Expression) -> str:
    if isinstance(expression, Group) and expression.parts and isinstance(expression.parts[0], Word):
        return expression.parts[0].text
    raise FormatError(f"line {expression.line}: found {_shown(expression)}, expected '(' and the name of an operation")


def _shown(expression: Expression) -> str:
    return repr(expression.text[:40]) if isinstance(expression, Word) else "'(…)'"


def _refuse(expression: Expression, found: str, expected: str) -> NoReturn:
    raise FormatError(f"line {expression.line}: found {found}, expected {expected}")
