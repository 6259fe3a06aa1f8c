"""Mutants of the sources: each is one file with one small error, in Python or in the C++ of a string."""

import random
from itertools import takewhile
from typing import NamedTuple

import libcst as cst
import operators
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.pragma_handling import IgnoredCode

CPP_FILES = ("scratchvae/fused/kernels.py", "scratchvae/backend/native/template.py")


class Mutant(NamedTuple):
    """An error on a line of a file; the change is `old line → new line`."""

    file: str
    line: int
    function: str
    change: str
    is_cpp: bool
    code: str  # the file with the error

    @property
    def key(self):
        """The fields that distinguish it from other mutants of the same sources."""
        return self[:4]


class Visitor(MutationVisitor):
    """mutmut's visitor, which leaves out functions with decorators, but here they are mutated too."""

    def _skip_node_and_children(self, node):
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


def find_mutations(file, root, changes):
    """Return (file, module, mutation) of every place in a file that one of the `changes` applies to."""
    code = (root / file).read_text(encoding="utf-8")
    raises = {number for number, line in enumerate(code.splitlines(), 1) if line.strip().startswith("raise ")}
    visitor = Visitor(changes, IgnoredCode(set(), set(), ignore_pattern_lines=raises))
    module = MetadataWrapper(cst.parse_module(code)).visit(visitor)
    return [
        (file, module, mutation)
        for mutation in visitor.mutations
        if changes is operators.CPP or isinstance(mutation.contained_by_top_level_function, cst.FunctionDef)
    ]


def find_all(paths, root):
    """Return (file, module, mutation) of every mutation of the Python and the C++ below the paths."""
    found = []
    for path in paths:
        files = sorted((root / path).rglob("*.py")) if (root / path).is_dir() else [root / path]
        for file in [file.relative_to(root).as_posix() for file in files]:
            if file not in CPP_FILES[1:]:
                found += find_mutations(file, root, operators.PYTHON)
            if file in CPP_FILES:
                found += find_mutations(file, root, operators.CPP)
    return found


def make_mutant(file, module, mutation):
    """Return the mutant of a mutation; None if it changes nothing or is no Python."""
    code = module.deep_replace(mutation.original_node, mutation.mutated_node).code
    old, new = module.code.splitlines(), code.splitlines()
    start = sum(1 for _ in takewhile(lambda lines: lines[0] == lines[1], zip(old, new, strict=False)))
    old, new = old[start:], new[start:]
    while old and new and old[-1] == new[-1]:
        old.pop(), new.pop()
    try:
        compile(code, file, "exec")
    except SyntaxError:
        return None
    change = " → ".join(" ".join(line.strip() for line in lines) for lines in (old, new))
    is_cpp = isinstance(mutation.original_node, cst.SimpleString | cst.FormattedStringText)
    return Mutant(file, start + 1, name_of_place(module, mutation.original_node), change, is_cpp, code) if old else None


def name_of_place(module, node):
    """Return the function, method or variable of the module that a node is in."""
    names = []
    statements = module.body
    while statements:
        statement = next((s for s in statements if contains(s, node)), None)
        if isinstance(statement, cst.ClassDef | cst.FunctionDef):
            names.append(statement.name.value)
        elif isinstance(statement, cst.SimpleStatementLine) and not names:
            names += [target.target.value for target in getattr(statement.body[0], "targets", ())]
        statements = statement.body.body if isinstance(statement, cst.ClassDef) else ()
    return ".".join(names)


def contains(tree, node):
    return tree is node or any(contains(child, node) for child in tree.children)


def draw(mutations, count, seed):
    """Return the mutants of all mutations; if `count` is given, of as many, drawn uniformly."""
    if count is not None:
        mutations = random.Random(seed).sample(mutations, len(mutations))
    drawn = {}
    for mutation in mutations:
        if len(drawn) == count:
            break
        mutant = make_mutant(*mutation)
        if mutant is not None:
            drawn.setdefault(mutant.key, mutant)
    return list(drawn.values())
