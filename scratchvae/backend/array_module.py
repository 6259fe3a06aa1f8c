"""An array module with functions of its own."""

from __future__ import annotations

from typing import Any


class ArrayModule:
    """NumPy or CuPy, `module`, in which the methods of a subclass take the place of the functions of their names."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        setattr(self, name, value)  # found at once the next time
        return value

    def __deepcopy__(self, memo: Any) -> Any:
        return self
