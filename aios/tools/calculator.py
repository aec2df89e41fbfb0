"""`calculator`: arithmetic, read by a parser of ours over Python's syntax tree. Nothing is ever evaluated as code."""

from __future__ import annotations

import ast
import math
import operator
from typing import TYPE_CHECKING, Final, TypeAlias

from aios.errors import InvalidArgument
from aios.kernel.words import Effect
from aios.tools.tool import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Number: TypeAlias = int | float

_LONGEST: Final = 500
_DEEPEST: Final = 60
_WIDEST_BITS: Final = 1024
_LARGEST_FACTORIAL: Final = 170
_MOST_DIGITS: Final = 300
_EXACT_FLOAT: Final = 2.0**53


class _Wrong(ValueError):
    """What is wrong with an expression."""


@tool(effect=Effect.NONE, timeout_seconds=5)
def calculator(expression: str) -> Number:
    """Work out an arithmetic expression, exactly for whole numbers.

    Args:
        expression: numbers, + - * / // % **, parentheses, pi, e, tau, and the functions abs, ceil, cos, exp, factorial,
            floor, gcd, hypot, log, log10, log2, max, min, round, sin, sqrt, tan. Angles are in radians.
            Example: "sqrt(2) * (3 + 4) ** 2".

    Examples:
        What is 12 + 30? -> {"expression": "12 + 30"}
    """
    shown = expression[:_LONGEST]
    try:
        return _presented(_value(_tree(expression)))
    except ZeroDivisionError as error:
        raise InvalidArgument("expression", shown, "it divides by zero") from error
    except OverflowError as error:
        raise InvalidArgument("expression", shown, "the result is too large") from error
    except (ValueError, TypeError) as error:
        raise InvalidArgument("expression", shown, str(error)) from error


def _tree(expression: str) -> ast.expr:
    if len(expression) > _LONGEST:
        raise _Wrong(f"it has {len(expression)} characters; at most {_LONGEST}")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deeply"
        raise _Wrong(f"it is no arithmetic expression ({why})") from error
    if _depth(tree) > _DEEPEST:
        raise _Wrong(f"it is nested more than {_DEEPEST} deep; split it")
    return tree


def _depth(tree: ast.AST) -> int:
    """Levels of the tree, counted level by level: recursion is what the bound protects from."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _value(node: ast.AST) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _SIGNS:
            return _SIGNS[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _bounded(_OPERATIONS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return _bounded(_FUNCTIONS[name](*[_value(argument) for argument in args]))
        case _:
            raise _Wrong(f"{_source(node)!r} is no arithmetic that is known here{_hint(node)}")


def _hint(node: ast.AST) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return "; a power is written **"
    return f"; functions are {', '.join(_FUNCTIONS)}" if isinstance(node, ast.Call) else ""


def _source(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= _DEEPEST else text[:_DEEPEST] + "…"


def _bounded(value: object) -> Number:
    """The value, if it is a number that can be worked with on: real, finite and not of a million digits."""
    if isinstance(value, int):
        if value.bit_length() > _WIDEST_BITS:
            raise OverflowError
        return value
    if not isinstance(value, float):
        raise _Wrong("it has no real result")
    if not math.isfinite(value):
        raise OverflowError
    return value


def _power(base: Number, exponent: Number) -> Number:
    # Checked before: the power of two small numbers can fill the memory.
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and (abs(int(base)).bit_length() - 1) * exponent > _WIDEST_BITS:
        raise OverflowError
    return _bounded(base**exponent)


def _factorial(value: Number) -> Number:
    whole = _whole(value)
    if whole > _LARGEST_FACTORIAL:
        raise OverflowError
    return math.factorial(whole)


def _round(value: Number, digits: Number = 0) -> Number:
    places = _whole(digits)
    if abs(places) > _MOST_DIGITS:
        raise OverflowError
    return round(value, places)


def _gcd(*values: Number) -> Number:
    return math.gcd(*[_whole(value) for value in values])


def _whole(value: Number) -> int:
    if value != int(value):
        raise _Wrong(f"{value} is no whole number")
    return int(value)


def _presented(value: Number) -> Number:
    """Whole floats as whole numbers, others without the binary noise of their last digits: 0.1 + 0.2 is 0.3."""
    if isinstance(value, int):
        return value
    if value.is_integer() and abs(value) < _EXACT_FLOAT:
        return int(value)
    return float(f"{value:.15g}")


_CONSTANTS: Final[Mapping[str, float]] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Number], Number]]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Number, Number], Number]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Number]]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": _gcd,
    "hypot": math.hypot,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
