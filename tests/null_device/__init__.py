"""A CUDA device without a GPU: the real CuPy, with the host in place of the device. It is for tests alone.

    SCRATCHVAE_NULL_DEVICE=plain python -m pytest -m "gpu or null_device"

The variable is read by tests/conftest.py, before CuPy is imported; without it, nothing here is active. It is one of

    plain   the device works at once
    late    the device works only when the host waits for it: a buffer that is reused or read too early is visible
    noise   exp, log and similar functions are off by up to 2 units in the last place, as CUDA's are

The tests have the same tolerances in each mode; they are those of a GPU.

CuPy calls CUDA by two modules, `runtime` and `driver`. Their functions are replaced by those of device.cpp: allocation,
copies, streams, events, launches, graphs. The kernels that CuPy generates are compiled for the host (build.py,
host_kernel.h). Matrix products are those of cublas.cpp. Memory that is new or freed, on the device or pinned, is NaN.

What this does not show: the speed, real concurrency, the order of the sums in reductions and products, CUDA's compiler
(see tests/kernels/test_cupy.py), and libraries other than cuBLAS. CUB is not used. Memory that is allocated or freed by
other threads than the main thread is not filled with NaN.
"""

import ctypes
import os
import re
from functools import partial
from importlib import import_module
from importlib.util import find_spec

VARIABLE = "SCRATCHVAE_NULL_DEVICE"
MODES = ("plain", "late", "noise")
COUNTS = (
    "kernels", "products", "graphs", "graph_nodes", "uploads", "downloads", "device_copies", "fills", "waits",
    "event_waits", "mallocs", "pinned_allocations",
)  # fmt: skip
C_TYPES = {
    "int": ctypes.c_int,
    "unsigned int": ctypes.c_uint,
    "intptr_t": ctypes.c_ssize_t,
    "size_t": ctypes.c_size_t,
    "PyObject *": ctypes.py_object,
}
HIDDEN_PARAMETERS = {"skip_dispatch": 0, "optional_args": None}  # Cython's, with what Python code passes for them

device = None  # after `install`, the NullDevice


class NullDevice:
    """The device that this process uses: its library, and what it has counted.

    mode          see above
    allocations   the number of allocations from CuPy's memory pools on the device
    """

    def __init__(self, mode, library):
        self.mode, self.library, self.allocations = mode, library, 0
        self._counts = (ctypes.c_longlong * len(COUNTS)).in_dll(library, "null_device_counts")
        library.null_device_call_count.restype = ctypes.c_longlong
        library.null_device_call_name.restype = ctypes.c_char_p
        library.null_device_call_name.argtypes = [ctypes.c_longlong]
        library.null_device_poison.argtypes = [ctypes.c_ssize_t, ctypes.c_size_t, ctypes.c_ssize_t]
        self.set("late", mode == "late")
        self.set("noise", mode == "noise")

    def set(self, name, value):
        """Switch "late" or "noise" on or off; what is queued stays queued."""
        ctypes.c_int.in_dll(self.library, f"null_device_{name}").value = value

    def reset(self):
        """Set all counts to 0."""
        self.library.null_device_reset()
        self.allocations = 0

    def counts(self):
        """A dict: how often the device was called since the last `reset`."""
        return {**dict(zip(COUNTS, self._counts, strict=True)), "allocations": self.allocations}

    def calls(self):
        """The names of the kernels, products, copies, fills and graphs since the last `reset`, in order."""
        count = self.library.null_device_call_count()
        return [self.library.null_device_call_name(k).decode() for k in range(count)]


def install(mode):
    """Make CuPy use the null device in this process; CuPy must not have been imported."""
    global device
    import sys

    if mode not in MODES:
        raise RuntimeError(f"{VARIABLE} is {mode!r}; choose one of {', '.join(MODES)}")
    if find_spec("cupy") is None:
        raise RuntimeError(f"{VARIABLE} is set, but CuPy is not installed: pip install cupy-cuda12x")
    if "cupy" in sys.modules:
        raise RuntimeError(f"{VARIABLE} is set, but CuPy is already imported")
    from null_device.build import build_kernel, build_library

    os.environ["CUPY_ACCELERATORS"] = ""  # no CUB, whose kernels are CUDA's own
    os.environ["SCRATCHVAE_REQUIRE_GPU"] = "1"  # if the device does not work, tests fail instead of being skipped
    path = str(build_library())
    ctypes.CDLL(path, ctypes.RTLD_GLOBAL)  # found by its name when CuPy's own modules need it
    device = NullDevice(mode, ctypes.PyDLL(path))

    from cupy_backends.cuda.api import driver, runtime

    for module, prefix in (runtime, "runtime"), (driver, "driver"):
        replace_functions(module, prefix, device.library)
    properties = {"name": b"null device", "warpSize": 32, "maxThreadsPerBlock": 1024, "sharedMemPerBlock": 49152}
    runtime.getDeviceProperties = lambda index: properties

    import cupy

    import_module("cupy_backends.cuda.libs.cublas")  # here, since CuPy would first look for NVIDIA's library
    from cupy.cuda import compiler, function

    def compile_for_host(source, *arguments, **settings):
        module = function.Module()
        module.load(os.fsencode(build_kernel(source)) + b"\0")
        return module

    compiler._compile_with_cache_cuda = compile_for_host

    class Poison(cupy.cuda.MemoryHook):
        """Fills memory with NaN when CuPy's pool allocates it and when it is freed."""

        name = "null device"

        def __init__(self):
            self._streams = {}  # that allocated each block

        def malloc_postprocess(self, mem_ptr, mem_size, **_):
            device.allocations += 1
            self._streams[mem_ptr] = cupy.cuda.get_current_stream().ptr
            device.library.null_device_poison(mem_ptr, mem_size, self._streams[mem_ptr])

        def free_preprocess(self, mem_ptr, mem_size, **_):
            device.library.null_device_poison(mem_ptr, mem_size, self._streams.pop(mem_ptr, 0))

    class PinnedMemory:
        """A block of CuPy's pool that becomes NaN when it is freed, even while it is copied: the pool reuses it."""

        def __init__(self, block):
            self.block, self.ptr, self.size = block, block.ptr, block.size()

        def __del__(self):
            ctypes.memset(self.ptr, 0xFF, self.size)

    Poison().__enter__()
    pinned_pool = cupy.cuda.PinnedMemoryPool()
    cupy.cuda.set_pinned_memory_allocator(
        lambda size: cupy.cuda.PinnedMemoryPointer(PinnedMemory(pinned_pool.malloc(size)), 0)
    )


def replace_functions(module, prefix, library):
    """Replace the functions of a module of CuPy by those of the library that are called `prefix`_`name`.

    Other modules of CuPy find them as C functions in `__pyx_capi__`, Python code by their names in the module.
    """
    get_name, new = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_New
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    for name, capsule in list(module.__pyx_capi__.items()):
        function = getattr(library, f"{prefix}_{name}", None)
        if function is None:
            continue
        signature = ctypes.create_string_buffer(get_name(capsule))
        signatures.append(signature)
        address = ctypes.cast(function, ctypes.c_void_p)
        module.__pyx_capi__[name] = new(address, ctypes.cast(signature, ctypes.c_void_p), None)
        if hasattr(module, name):
            setattr(module, name, python_function(function, signature.value.decode()))


signatures = []  # a capsule refers to its name


def python_function(function, signature):
    """The C function with this signature, for Python code."""
    result, parameters = re.fullmatch(r"([\w *]+?) ?\((.*)\)", signature).groups()
    shown, hidden = [], []
    for parameter in parameters.split(", "):
        value = next((value for word, value in HIDDEN_PARAMETERS.items() if word in parameter), ...)
        if value is ...:
            shown.append(C_TYPES[parameter])
        else:
            hidden.append(value)
    function.restype = C_TYPES[result]
    function.argtypes = [*shown, *(ctypes.c_int if value == 0 else ctypes.c_void_p for value in hidden)]
    return partial(call_with_hidden, function, len(shown), hidden)


def call_with_hidden(function, count, hidden, *arguments):
    return function(*arguments[:count], *hidden)
