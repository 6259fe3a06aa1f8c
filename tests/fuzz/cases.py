"""The n-th damaged case of a reader, which is the same at every time and place."""

from random import Random

import archives
import damage
import texts
from readers import Case


def damaged(cases: list[Case], name: str, seed: int, n: int) -> tuple[int, Case]:
    """Which of the whole cases, and the files of it that are changed."""
    rng = Random(f"{seed} {name} {n}")
    k = rng.randrange(len(cases))
    changed: Case = {}
    for _ in range(rng.choice((1, 1, 1, 2))):  # files
        file = rng.choice(sorted(cases[k]))
        content = changed.get(file, cases[k][file])
        other = rng.choice(list(rng.choice(cases).values()))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            content = rng.choice(_ways(file, content))(rng, content, other)[: damage.LARGEST]
        changed[file] = content
    return k, changed


def _ways(file: str, content: bytes) -> tuple[damage.Damage, ...]:
    """Those of any file, and as many of those who know how it is made."""
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
