"""The mutations: those of mutmut, except changes of strings, plus swapped calls and dropped statements and branches."""

import libcst as cst
from mutmut.mutation import mutators

SWAPS = {"add": "subtract", "multiply": "divide", "maximum": "minimum", "exp": "expm1", "sum": "mean"}
SWAPS |= {new: old for old, new in SWAPS.items()} | {"greater": "greater_equal", "zeros_like": "ones_like"}


def swap_call(node):
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in SWAPS:
        yield node.with_deep_changes(node.func.attr, value=SWAPS[node.func.attr.value])


def drop_statement(node):
    if isinstance(node, cst.AugAssign) or isinstance(node.value, cst.Call):
        yield cst.Pass()


def drop_branch(node):
    yield node.with_changes(test=cst.Name("False"), whitespace_before_test=cst.SimpleWhitespace(" "))


def change_key(node):
    if isinstance(node.key, cst.SimpleString):
        yield node.with_changes(key=cst.SimpleString('"other"'))


def remove_argument(node):
    for mutant in mutators.operator_arg_removal(node):
        if count_strings(mutant) == count_strings(node):  # a string argument is a name for messages
            yield mutant


def count_strings(call):
    return sum(isinstance(arg.value, cst.SimpleString) for arg in call.args)


def install():
    operators = mutators.mutation_operators
    operators.remove((cst.BaseString, mutators.operator_string))
    operators[operators.index((cst.Call, mutators.operator_arg_removal))] = (cst.Call, remove_argument)
    operators += [(cst.Call, swap_call), (cst.If, drop_branch), (cst.DictElement, change_key)]
    operators += [(cst.Expr, drop_statement), (cst.AugAssign, drop_statement)]
