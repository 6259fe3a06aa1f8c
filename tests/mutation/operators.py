"""The errors to plant: mutmut's own, less those that only change a text, and those of arithmetic spelt as calls."""

import libcst as cst
from mutmut.mutation import mutators

SWAPS = {"add": "subtract", "multiply": "divide", "maximum": "minimum", "exp": "expm1", "sum": "mean"}
SWAPS |= {new: old for old, new in SWAPS.items()} | {"greater": "greater_equal", "zeros_like": "ones_like"}


def swapped_call(node):
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in SWAPS:
        yield node.with_deep_changes(node.func.attr, value=SWAPS[node.func.attr.value])


def dropped_statement(node):
    if isinstance(node, cst.AugAssign) or isinstance(node.value, cst.Call):
        yield cst.Pass()


def dropped_case(node):
    yield node.with_changes(test=cst.Name("False"), whitespace_before_test=cst.SimpleWhitespace(" "))


def other_key(node):
    if isinstance(node.key, cst.SimpleString):
        yield node.with_changes(key=cst.SimpleString('"other"'))


def argument(node):
    for mutant in mutators.operator_arg_removal(node):
        if texts(mutant) == texts(node):  # a text that is handed on is the name of something, for messages
            yield mutant


def texts(call):
    return sum(isinstance(each.value, cst.SimpleString) for each in call.args)


def install():
    known = mutators.mutation_operators
    known.remove((cst.BaseString, mutators.operator_string))
    known[known.index((cst.Call, mutators.operator_arg_removal))] = (cst.Call, argument)
    known += [(cst.Call, swapped_call), (cst.If, dropped_case), (cst.DictElement, other_key)]
    known += [(cst.Expr, dropped_statement), (cst.AugAssign, dropped_statement)]
