"""Which rows of a table an expression is true for, as ``where`` of the package ``fitsio`` has it."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np


def _divide(left: Any, right: Any) -> Any:
    # As CFITSIO divides: of whole numbers the result is one, cut towards zero.
    whole = all(np.asarray(side).dtype.kind in "iu" for side in (left, right))
    return np.trunc(np.divide(left, right)) if whole else np.divide(left, right)


_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.Mod: np.fmod,
    ast.Pow: operator.pow,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: np.logical_not,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "floor": np.floor,
    "ceil": np.ceil,
    "min": np.minimum,
    "max": np.maximum,
}
# Texts stay as they are; the operators of CFITSIO become those of Python.
_TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|&&|\|\||!=|!|\^")
_OPERATORS = {"&&": " and ", "||": " or ", "!": " not ", "^": "**"}


def true_rows(expression: str, column: Callable[[str], Any]) -> Any:
    """For each row whether the expression is true; ``column`` gives the values of a column.

    Comparisons, arithmetic, ``&&``, ``||``, ``!``, parentheses and the usual functions of numbers.
    """
    python = _TOKEN.sub(lambda token: _OPERATORS.get(token[0], token[0]), expression).strip()

    def refused(what: object) -> ValueError:
        return ValueError(f"where({expression!r}): {what} is not supported: choose rows with numpy from what is read")

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=int() | float() | str() as constant):
                return constant
            case ast.Name(id=name):
                return column(name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](value(left), value(right))
            case ast.BoolOp(op=op, values=[first, *others]):
                result = value(first)
                for other in others:
                    result = _BINARY[type(op)](result, value(other))
                return result
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                return _UNARY[type(op)](value(operand))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _BINARY:
                return _BINARY[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name.lower() in _FUNCTIONS:
                return _FUNCTIONS[name.lower()](*(value(argument) for argument in arguments))
        raise refused(ast.unparse(node))

    try:
        tree = ast.parse(python, mode="eval")
    except SyntaxError as error:
        raise refused("what is written there") from error
    return value(tree.body)
