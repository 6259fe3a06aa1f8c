"""Backends: the same code on NumPy (CPU) or CuPy (GPU), chosen per model at run time.

Code computes with the array module `xp` of a `Backend`: `xp.exp`, `xp.matmul`, …. `Backend.upload` copies an array to
the device, `to_numpy` copies it back. The backend "native" is NumPy with kernels that the local C++ compiler builds:
faster, and equal up to rounding.

CUDA does not survive a fork. A process that was forked after the GPU was first used gets a BackendError when it uses
the GPU; start such processes with multiprocessing's "spawn". NumPy and native work in forked and spawned processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend.cublas import recordable
from scratchvae.errors import BackendError, DeviceError, DTypeError
from scratchvae.validation import short_repr, shorten, suggestion

Array = np.ndarray[Any, np.dtype[Any]]  # or the array class of another backend, with the same interface

FAKE_CUPY = "fake-cupy"
INSTALL_HINT = (
    "install it with  pip install 'scratchvae[cuda12x]'  (or cuda13x, to match the driver), or use backend='numpy'"
)
FORK_ERROR = (
    "CUDA cannot be used in a process that was forked from one that used it; start processes with "
    "multiprocessing.get_context('spawn'), or use the GPU only after the fork"
)
NO_THREADS = nullcontext()
_forked_after_cuda = False


class Devices(NamedTuple):
    """The devices of a backend.

    number   number() is how many there are
    use      use(k) makes device k, counted from 0, the current one of this thread
    name     name() tells the current device of this thread from the others of the machine
    """

    number: Callable[[], int]
    use: Callable[[int], Any]
    name: Callable[[], str]


class Backend:
    """An array module, with copies to and from the host.

    name          "numpy", "native" or "cupy"
    xp            the array module
    array_type    the class of its arrays
    on_host       True if its arrays are in host memory
    pinned        pinned(shape, dtype) allocates pinned host memory, for asynchronous copies to the device
    event         event() makes an event that records when such a copy has completed; None on the host
    kernels       a module with the classes ElementwiseKernel and ReductionKernel; None if there are no kernels
    free_memory   free_memory() is the number of bytes that are free on the device
    threads       a context, which may be entered again inside it, in which products and kernels may use several threads
    devices       its `Devices`; None on the host
    """

    def __init__(
        self,
        name: str,
        xp: Any,
        array_type: type,
        pinned: Any = np.empty,
        event: Any = None,
        kernels: Any = None,
        threads: AbstractContextManager[None] = NO_THREADS,
        free_memory: Callable[[], int] = lambda: 0,
        devices: Devices | None = None,
    ) -> None:
        self.name = name
        self.xp = xp
        self.array_type = array_type
        self.on_host = array_type is np.ndarray
        self.pinned = pinned
        self.event = event
        self.kernels = kernels
        self.threads = threads
        self.free_memory = free_memory
        self.devices = devices

    # A backend is a singleton: a copy is the object itself, and unpickling looks it up by name.
    def __deepcopy__(self, memo: Any) -> Backend:
        return self

    def __reduce__(self) -> tuple[Callable[[str], Backend], tuple[str]]:
        return get_backend, (self.name,)

    def check_array(self, array: Any, name: str) -> None:
        """Raise DeviceError unless `array` is on this backend, or DTypeError if it is not an array.

        Without this check, some CuPy functions would silently compute on the host.
        """
        if not isinstance(array, self.array_type):
            if not (hasattr(array, "dtype") and hasattr(array, "__len__")):
                raise DTypeError(f"{name} is {short_repr(array)}; expected an array: make it one with numpy.asarray")
            raise DeviceError(
                f"{name} is a {_type_name(type(array))}; expected a {_type_name(self.array_type)}: "
                "convert it with Backend.upload or scratchvae.to_numpy"
            )

    def upload(self, host: Array) -> Array:
        """Return a copy of a host array in this backend's memory."""
        device: Array = self.xp.empty(host.shape, host.dtype)
        self.copy_from_host(device, host)
        return device

    def copy_from_host(self, device: Array, host: Array) -> None:
        """Copy `host` into `device`, of the same shape and dtype."""
        if self.on_host:
            np.copyto(device, host)
        else:
            device.set(np.ascontiguousarray(host))  # type: ignore[attr-defined]


NUMPY = Backend("numpy", np, np.ndarray)


def get_backend(name: str | Backend) -> Backend:
    """Return the backend of that name: "numpy", "native", "cupy", or "auto" (a GPU if one works, else NumPy).

    "fake-cupy" computes on the host, slowly, and refuses what CuPy refuses: it tests code for the GPU without one.

    Raises BackendError if the name is unknown or the backend does not work here; the message names what to install.
    """
    if isinstance(name, Backend):
        return name
    if not isinstance(name, str):
        raise BackendError(f"backend={short_repr(name)} is not a name; choose 'numpy', 'native', 'cupy' or 'auto'")
    if name == "numpy":
        return NUMPY
    if name == "native":
        return _native()
    if name == "cupy":
        _check_not_forked()
        return _cupy()
    if name == FAKE_CUPY:
        return _fake_cupy()
    if name == "auto":
        try:
            _check_not_forked()
            return _cupy()
        except BackendError:
            return NUMPY
    hint = suggestion(name, ("numpy", "native", "cupy", "auto"))
    raise BackendError(f"backend={short_repr(name)} is unknown; choose 'numpy', 'native', 'cupy' or 'auto'{hint}")


def backend_of(array: Any, name: str = "array") -> Backend:
    """Return the backend of `array`, which error messages call `name`. Raises DTypeError if there is none."""
    if isinstance(array, np.ndarray):
        return NUMPY
    if type(array).__module__.partition(".")[0] == "cupy":
        return _cupy()
    if type(array).__module__ == "scratchvae.backend.fake_cupy":
        return _fake_cupy()
    raise DTypeError(f"{name} is {short_repr(array)}; expected a NumPy or CuPy array: make it one with numpy.asarray")


def to_numpy(array: Any) -> Array:
    """Return `array` in host memory: itself if it is a NumPy array, else a copy from its device.

    Raises DTypeError unless it is an array of one of the backends.
    """
    if isinstance(array, np.ndarray):
        return array
    _check_not_forked()
    get = getattr(array, "get", None)
    try:
        host = get() if get is not None and hasattr(array, "dtype") else None
    except TypeError:  # the `get(key)` of another library
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
    xp = native.PooledNumPy()
    return Backend("native", xp, np.ndarray, kernels=native, threads=native.PoolOfProcess())


@cache
def _cupy() -> Backend:
    try:
        import cupy
        import cupyx
    except ImportError as error:
        raise BackendError(f"backend 'cupy': CuPy is not installed ({shorten(error, 50)}); {INSTALL_HINT}") from None
    except Exception as error:  # a version that does not fit the others that are installed, …
        raise BackendError(
            f"backend 'cupy': CuPy cannot be imported ({type(error).__name__}: {shorten(error)}); {INSTALL_HINT}"
        ) from error
    if os.environ.get("CUPY_CUDA_PER_THREAD_DEFAULT_STREAM", "0") not in ("", "0"):
        raise BackendError(
            "backend 'cupy': CUPY_CUDA_PER_THREAD_DEFAULT_STREAM gives each thread a stream of its own, but threads "
            "that share a model need one; unset it"
        )
    # Without a device `is_available` returns False (CuPy 14) or raises (CuPy 13). Missing CUDA libraries fail only when
    # something runs, so a first product and a first kernel run here, not in the middle of training.
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
    except Exception as error:  # CUDARuntimeError, ImportError of a CUDA library, …
        raise BackendError(
            f"backend 'cupy': CuPy {cupy.__version__} does not work here "
            f"({type(error).__name__}: {shorten(error)}); use backend='numpy', or check nvidia-smi"
        ) from error
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_mark_forked)
    event = partial(cupy.cuda.Event, disable_timing=True)
    free_memory = lambda: cupy.cuda.runtime.memGetInfo()[0]  # noqa: E731
    xp = recordable(cupy)
    devices = Devices(
        cupy.cuda.runtime.getDeviceCount,
        lambda k: cupy.cuda.Device(k).use(),
        lambda: str(cupy.cuda.runtime.deviceGetPCIBusId(cupy.cuda.Device().id)),
    )
    return Backend(
        "cupy", xp, cupy.ndarray, cupyx.empty_pinned, event, kernels=cupy, free_memory=free_memory, devices=devices
    )


@cache
def _fake_cupy() -> Backend:
    backend: Backend = import_module("scratchvae.backend.fake_cupy").WIDE_FAKE_CUPY  # which imports this module
    return backend


def _mark_forked() -> None:
    global _forked_after_cuda
    _forked_after_cuda = True


def _check_not_forked() -> None:
    if _forked_after_cuda:
        raise BackendError(FORK_ERROR)


def _type_name(kind: type) -> str:
    return shorten(f"{kind.__module__}.{kind.__qualname__}", 30)
