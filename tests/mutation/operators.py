"""The small errors: for Python those of mutmut, except changes of strings, and more; for the C++ in strings our own."""

import re

import libcst as cst
from mutmut.mutation import mutators

SWAPS = {"add": "subtract", "multiply": "divide", "maximum": "minimum", "exp": "expm1", "sum": "mean"}
SWAPS |= {new: old for old, new in SWAPS.items()} | {"greater": "greater_equal", "zeros_like": "ones_like"}

PARENTHESES = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # with up to two pairs inside
OPERAND = rf"[\w.]+\b(?:{PARENTHESES}|(?!\())"
CPP_CHANGES = [
    *((rf" {re.escape(old)} ", f" {new} ") for old, new in zip("+-*/", "-+/*", strict=True)),
    *((f" {old} ", f" {new} ") for old, new in (("<", "<="), ("<=", "<"), (">", ">="), (">=", ">"), ("&&", "||"))),
    *((rf"\b{old}\(", f"{new}(") for old, new in (("exp", "expm1"), ("expm1", "exp"), ("log1p", "log"))),
    *((rf"\bT\({re.escape(old)}\)", f"T({new})") for old, new in (("0", "1"), ("1", "2"), ("0.5", "1.0"))),
    (r" \|\| ", " && "),
    (r"\blog\(", "log1p("),
    (r" = 0;", " = 1;"),
    (r" \+= ", " -= "),
    (r" \+= ", " = "),
    (rf" [-+*/] {OPERAND}", ""),  # drop a term or a factor
    (r"\b(fabs|sqrt)\(", "("),
    (r"\(-", "("),
    (rf" \? ({OPERAND}) : ({OPERAND})", r" ? \2 : \1"),
    (r"\[_row\]", "[_row + 1]"),
]


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


def change_cpp(node):
    """Change one place of the C++ in a string or in a part of an f-string; a docstring has none."""
    if node.value.startswith('"""') and not node.value.startswith('"""\n'):
        return
    for pattern, replacement in CPP_CHANGES:
        for place in re.finditer(pattern, node.value):
            yield node.with_changes(
                value=node.value[: place.start()] + place.expand(replacement) + node.value[place.end() :]
            )


REPLACED = {mutators.operator_string: None, mutators.operator_arg_removal: remove_argument}
PYTHON = [
    *((kind, REPLACED.get(change, change)) for kind, change in mutators.mutation_operators),
    *((cst.Call, swap_call), (cst.If, drop_branch), (cst.DictElement, change_key)),
    *((cst.Expr, drop_statement), (cst.AugAssign, drop_statement)),
]
PYTHON = [(kind, change) for kind, change in PYTHON if change]
CPP = [(cst.SimpleString, change_cpp), (cst.FormattedStringText, change_cpp)]
