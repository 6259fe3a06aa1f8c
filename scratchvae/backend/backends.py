"""One switch: the same code on NumPy (CPU) or CuPy (GPU), chosen per model at run time.

"native" is NumPy with compiled kernels besides, which this machine's C++ compiler makes: equal to rounding, and faster.

CUDA does not survive a fork: a child that is forked once a GPU is in use is refused the GPU, with a BackendError, and
has to be started by multiprocessing's "spawn". The host's backends work in children of either sort.

A computation holds a `Backend` and writes `xp.exp`, `xp.matmul`, … against its module `xp`; `upload` and `to_numpy`
bring arrays to the device and back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from scratchvae.errors import BackendError, DeviceError, DTypeError
from scratchvae.validation import short_repr

Array = np.ndarray[Any, np.dtype[Any]]  # or the backend's own class of the same interface

INSTALL = (
    "install it with  pip install 'scratchvae[cuda12x]'  (or cuda13x, to match the driver), or use backend='numpy'"
)
FORKED = (
    "CUDA cannot be used in a process that was forked from one that used it; start processes with "
    "multiprocessing.get_context('spawn'), or do what needs the GPU after the fork alone"
)
_forked = False  # with a GPU in use


class Backend:
    """An array module and the way to and from the host.

    `name` is "numpy", "native" or "cupy"; `xp` the module; `array_type` the class of its arrays. On a device,
    `pinned(shape, dtype)` makes host memory that is copied from while the host goes on, and `event()` something to wait
    for that by. `kernels` is a module with the classes ElementwiseKernel and ReductionKernel; None where nothing
    compiles them.
    """

    def __init__(
        self,
        name: str,
        xp: Any,
        array_type: type,
        pinned: Any = np.empty,
        event: Any = None,
        kernels: Any = None,
    ) -> None:
        self.name = name
        self.xp = xp
        self.array_type = array_type
        self.on_host = array_type is np.ndarray
        self.pinned = pinned
        self.event = event
        self.kernels = kernels

    # One of each kind is enough: a copy is the same again, and in another process it is what has that name there.
    def __deepcopy__(self, memo: Any) -> Backend:
        return self

    def __reduce__(self) -> tuple[Callable[[str], Backend], tuple[str]]:
        return get_backend, (self.name,)

    def require(self, array: Any, what: str) -> None:
        """Refuse an array that lives elsewhere: some CuPy functions would compute it on the host in silence.

        Raises DeviceError, or DTypeError for what is no array at all.
        """
        if not isinstance(array, self.array_type):
            if not (hasattr(array, "dtype") and hasattr(array, "__len__")):
                raise DTypeError(f"{what} is {short_repr(array)}; expected an array: make it one with numpy.asarray")
            given = f"{type(array).__module__}.{type(array).__qualname__}"
            raise DeviceError(
                f"{what} is a {given}, but this code computes on {self.name} and takes "
                f"{self.array_type.__module__}.{self.array_type.__qualname__} only; "
                "bring it over first with Backend.upload (to the device) or scratchvae.to_numpy (to the host)"
            )

    def upload(self, host: Array) -> Array:
        """A copy of a host array, in this backend's memory."""
        device: Array = self.xp.empty(host.shape, host.dtype)
        self.copy_from_host(device, host)
        return device

    def copy_from_host(self, device: Array, host: Array) -> None:
        """Overwrite `device` with `host`, of the same shape and dtype."""
        if self.on_host:
            np.copyto(device, host)
        else:
            device.set(np.ascontiguousarray(host))  # type: ignore[attr-defined]


NUMPY = Backend("numpy", np, np.ndarray)


def get_backend(name: str | Backend) -> Backend:
    """The backend of that name: "numpy", "native", "cupy", or "auto" (a GPU if one works, else NumPy).

    Raises BackendError when one is asked for that cannot work here, saying what is missing and what to install.
    """
    if isinstance(name, Backend):
        return name
    if not isinstance(name, str):
        raise BackendError(f"backend={short_repr(name)} is no name; choose 'numpy', 'native', 'cupy' or 'auto'")
    if name == "numpy":
        return NUMPY
    if name == "native":
        return _native()
    if name == "cupy":
        _require_device()
        return _cupy()
    if name == "auto":
        try:
            _require_device()
            return _cupy()
        except BackendError:
            return NUMPY
    raise BackendError(f"backend={short_repr(name)} is unknown; choose 'numpy', 'native', 'cupy' or 'auto'")


def backend_of(array: Any, what: str = "array") -> Backend:
    """The backend that computes on `array`; raises DTypeError, by the name `what`, where none does."""
    if isinstance(array, np.ndarray):
        return NUMPY
    if type(array).__module__.partition(".")[0] == "cupy":
        return _cupy()
    raise DTypeError(f"{what} is {short_repr(array)}; expected a NumPy or CuPy array: make it one with numpy.asarray")


def to_numpy(array: Any) -> Array:
    """`array` in host memory: itself if it is a NumPy array, else a copy fetched from its device.

    Raises DTypeError for what is no array of any backend.
    """
    if isinstance(array, np.ndarray):
        return array
    _require_device()
    fetch = getattr(array, "get", None)
    try:
        host = fetch() if fetch is not None and hasattr(array, "dtype") else None
    except TypeError:  # another library's, which asks what to get
        host = None
    if not isinstance(host, np.ndarray):
        raise DTypeError(
            f"array is {short_repr(array)}; expected an array of a backend: make it one with numpy.asarray"
        )
    return host


@cache
def _native() -> Backend:
    from scratchvae.backend import native

    native.find_compiler()
    return Backend("native", np, np.ndarray, kernels=native)


@cache
def _cupy() -> Backend:
    try:
        import cupy
        import cupyx
    except ImportError as error:
        raise BackendError(f"backend 'cupy' needs CuPy, which is not installed ({error}); {INSTALL}") from None
    # Without a device `is_available` answers False (CuPy 14) or raises (13). Missing CUDA libraries show only
    # when something runs, so a first product and a first kernel are asked for here, not in the middle of training.
    try:
        if not cupy.is_available():
            raise BackendError(
                f"backend 'cupy': CuPy {cupy.__version__} is installed, but no working CUDA device was found; "
                "check the driver with nvidia-smi, or use backend='numpy'"
            )
        ones = cupy.ones((2, 2), dtype="float32")
        if float(cupy.exp(ones @ ones * 0).sum()) != 4.0:
            raise RuntimeError("a first computation gave a wrong result")
    except BackendError:
        raise
    except Exception as error:  # CUDARuntimeError, ImportError of a CUDA library, … : one sentence for all
        reason = " ".join(str(error).split())
        raise BackendError(
            f"backend 'cupy': CuPy {cupy.__version__} is installed but cannot compute here "
            f"({type(error).__name__}: {reason}); check the driver with nvidia-smi, or {INSTALL}"
        ) from None
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_lose_device)
    event = partial(cupy.cuda.Event, disable_timing=True)
    return Backend("cupy", cupy, cupy.ndarray, cupyx.empty_pinned, event, kernels=cupy)


def _lose_device() -> None:
    global _forked
    _forked = True


def _require_device() -> None:
    if _forked:
        raise BackendError(FORKED)
