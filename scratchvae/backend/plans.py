"""Plans: values that depend on the shapes, strides and dtypes of arrays alone, and are computed once for each."""

from __future__ import annotations

from typing import Any, TypeVar

MAX_PLANS = 1024

P = TypeVar("P")


class Plans(dict[Any, P]):
    """Plans by their combinations. A plan too many removes all others: a program that has so many needs few again."""

    def add(self, key: Any, plan: P) -> P:
        """Keep a plan, unless another thread has added one; return the one that is kept."""
        if len(self) >= MAX_PLANS:
            self.clear()
        return self.setdefault(key, plan)
