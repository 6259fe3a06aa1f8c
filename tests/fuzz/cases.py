"""The n-th damaged case of a reader; reproducible everywhere."""

from random import Random

import archives
import damage
import texts
from readers import Case


def damaged(cases: list[Case], name: str, seed: int, n: int) -> tuple[int, Case]:
    """The index of a valid case, and its changed files."""
    rng = Random(f"{seed} {name} {n}")
    k = rng.randrange(len(cases))
    changed: Case = {}
    for _ in range(rng.choice((1, 1, 1, 2))):  # number of files
        file = rng.choice(sorted(cases[k]))
        content = changed.get(file, cases[k][file])
        other = rng.choice(list(rng.choice(cases).values()))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            content = rng.choice(_ways(file, content))(rng, content, other)[: damage.LARGEST]
        changed[file] = content
    return k, changed


def _ways(file: str, content: bytes) -> tuple[damage.Damage, ...]:
    """General damage, and as much damage specific to the format."""
    if content.startswith(b"PK"):
        return (*damage.ANY, *(archives.members,) * 8, *(archives.directory,) * 5, archives.zip_bomb)
    if content.startswith(b"\x93NUMPY"):
        return (*damage.ANY, *(archives.header,) * 7)
    if file.endswith(".gz"):
        return (*damage.ANY, *(archives.gzipped,) * 14)
    if file.endswith("ubyte"):
        return (*damage.ANY, *(damage.word,) * 6)
    if file.endswith(".json"):
        return (*damage.ANY, *(texts.settings,) * 28)
    if file.endswith((".csv", ".data")):
        return (*damage.ANY, *(texts.table,) * 14)
    return (*damage.ANY, *(texts.image,) * 14)
