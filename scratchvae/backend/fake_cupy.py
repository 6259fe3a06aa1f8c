"""A stand-in for CuPy on machines without a GPU: device arrays, and an array module that accepts only them.

It refuses what CuPy refuses or silently computes on the host: host arrays, NumPy functions of device arrays, implicit
conversions, and an `out` of the wrong shape, dtype or layout. It counts the values read back, because a read waits for
the GPU, and the launches, because a launch costs more than the arithmetic of a small array.

`FAKE_CUPY` has only the functions that this package may call; the backend "fake-cupy" has all others that NumPy and
CuPy share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchvae.backend.backends import Backend, Devices

Host = np.ndarray[Any, np.dtype[Any]]

reads = 0
launches = 0


def count_launch() -> None:
    """Count one launch."""
    global launches
    launches += 1


class DeviceArray:
    """An array on the emulated device."""

    __array_ufunc__ = None  # disables arithmetic with NumPy arrays, and NumPy's functions
    __hash__ = None  # type: ignore[assignment]
    __index__ = None

    def __init__(self, host: Host) -> None:
        if not isinstance(host, np.ndarray):
            raise TypeError(f"a device array holds an array, not {type(host).__name__}")
        self._host = host

    def __array__(self, *_args: Any, **_kwargs: Any) -> Host:
        raise TypeError("implicit conversion to a NumPy array is not allowed; use self.xp in place of numpy")

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} of an array on the device; use self.xp in place of numpy")

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    T = property(lambda self: DeviceArray(self._host.T))
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    __cuda_array_interface__ = property(lambda self: self._host.__array_interface__)

    def __len__(self) -> int:
        return len(self._host)

    def __getitem__(self, key: Any) -> DeviceArray:
        return DeviceArray(np.asarray(self._host[_index(key)]))

    def __setitem__(self, key: Any, value: Any) -> None:
        count_launch()
        self._host[_index(key)] = _operand(value)

    def astype(self, dtype: Any, copy: bool = True) -> DeviceArray:
        """A copy in another dtype."""
        return self if not copy and self.dtype == dtype else DeviceArray(self._host.astype(dtype))

    def copy(self) -> DeviceArray:
        """A copy on the device."""
        count_launch()
        return DeviceArray(self._host.copy())

    def reshape(self, *shape: Any) -> DeviceArray:
        """The same numbers in another shape."""
        return DeviceArray(self._host.reshape(*shape))

    def fill(self, value: Any) -> None:
        """Set every number."""
        count_launch()
        self._host.fill(value)

    def get(self) -> Host:
        """A copy on the host."""
        return self._host.copy()

    def set(self, host: Host) -> None:
        """Copy from the host."""
        if type(host) is not np.ndarray or host.shape != self.shape or host.dtype != self.dtype:
            raise TypeError("set takes a host array of the same shape and dtype")
        if not host.flags.c_contiguous or not self._host.flags.c_contiguous:
            raise TypeError("set takes contiguous arrays")
        self._host[...] = host

    def _read(self) -> Any:
        global reads
        reads += 1
        return self._host.item()

    def item(self) -> Any:
        """The only number, on the host."""
        return self._read()

    def __float__(self) -> float:
        return float(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())

    def __int__(self) -> int:
        return int(self._read())


def unwritten(dtype: Any) -> Any:
    """The value of numbers that nobody has written: NaN, or the largest integer."""
    return np.nan if np.dtype(dtype).kind in "fc" else np.iinfo(dtype).max


def _index(key: Any) -> Any:
    keys = key if isinstance(key, tuple) else (key,)
    for k in keys:
        if not (k is None or k is Ellipsis or isinstance(k, slice | int | DeviceArray)):
            raise TypeError(f"an index of type {type(k).__name__} is not on the device")
    unwrapped = tuple(_unwrap(k) for k in keys)
    return unwrapped if isinstance(key, tuple) else unwrapped[0]


def _operand(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"Unsupported type {type(value)}: it is not on the device")


def _unwrap(value: Any) -> Any:
    """The arguments of a function on the host: device arrays as host arrays; a host array is refused."""
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: it is not on the device")
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(item) for item in value)
    return value


def _wrap(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return DeviceArray(np.asarray(value))
    return type(value)(_wrap(item) for item in value) if isinstance(value, tuple | list) else value


def _on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of host arrays as one of device arrays."""

    def apply(*args: Any, **kwargs: Any) -> Any:
        count_launch()
        return _wrap(function(*map(_unwrap, args), **{name: _unwrap(value) for name, value in kwargs.items()}))

    return apply


def _operator(ufunc: Any, reverse: bool = False) -> Callable[..., Any]:
    def apply(self: DeviceArray, other: Any) -> DeviceArray:
        count_launch()
        a, b = _operand(self), _operand(other)
        return DeviceArray(np.asarray(ufunc(b, a) if reverse else ufunc(a, b)))

    return apply


def _in_place(ufunc: Any) -> Callable[..., Any]:
    def apply(self: DeviceArray, other: Any) -> DeviceArray:
        count_launch()
        ufunc(self._host, _operand(other), out=self._host)
        return self

    return apply


ARITHMETIC = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "pow": np.power,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}
for _name, _ufunc in ARITHMETIC.items():
    setattr(DeviceArray, f"__{_name}__", _operator(_ufunc))
    setattr(DeviceArray, f"__r{_name}__", _operator(_ufunc, reverse=True))
    setattr(DeviceArray, f"__i{_name}__", _in_place(_ufunc))
COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
for _name, _ufunc in COMPARISONS.items():
    setattr(DeviceArray, f"__{_name}__", _operator(_ufunc))
for _name, _function in {"neg": np.negative, "abs": np.abs, "invert": np.invert}.items():
    setattr(DeviceArray, f"__{_name}__", _on_device(_function))
METHODS = (
    "all any argmax argmin argsort clip cumprod cumsum diagonal dot flatten max mean min prod ravel repeat round "
    "squeeze std sum swapaxes take trace transpose var"
)
for _name in METHODS.split():
    setattr(DeviceArray, _name, _on_device(getattr(np.ndarray, _name)))


def _destination(out: Any, shape: tuple[int, ...]) -> Host:
    if not isinstance(out, DeviceArray):
        raise TypeError(f"out must be on the device, not {type(out)}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result {shape}")
    return out._host


def _device_ufunc(ufunc: Any) -> Callable[..., Any]:
    def apply(*args: Any, out: Any = None, dtype: Any = None, casting: Any = "same_kind") -> Any:
        count_launch()
        hosts = [_operand(arg) for arg in args]
        if not any(isinstance(arg, DeviceArray) for arg in args):
            raise TypeError("no argument is on the device")
        if out is None:
            return DeviceArray(np.asarray(ufunc(*hosts, dtype=dtype)))
        destination = _destination(out, np.broadcast_shapes(*(np.shape(host) for host in hosts)))
        ufunc(*hosts, out=destination, dtype=dtype, casting=casting)
        return out

    return apply


class Module:
    """The functions that the package may call on an array module."""

    zeros = staticmethod(lambda shape, dtype=float: DeviceArray(np.zeros(shape, dtype)))
    empty = staticmethod(lambda shape, dtype=float: DeviceArray(np.full(shape, unwritten(dtype), dtype)))
    zeros_like = staticmethod(lambda a: DeviceArray(np.zeros_like(_operand(a))))
    empty_like = staticmethod(lambda a: DeviceArray(np.full_like(_operand(a), np.nan)))

    @staticmethod
    def asarray(a: Any, dtype: Any = None) -> DeviceArray:
        """An array on the device; a host array is copied to it."""
        if isinstance(a, DeviceArray):
            return a if dtype is None else a.astype(dtype, copy=False)
        return DeviceArray(np.array(a, dtype))

    @staticmethod
    def take(a: DeviceArray, indices: DeviceArray, axis: int, out: Any) -> Any:
        """The rows with these indices, written into `out`."""
        count_launch()
        destination = _destination(out, (*indices.shape, *a.shape[1:]))
        if axis or a.dtype != out.dtype or not isinstance(indices, DeviceArray):
            raise TypeError("take takes rows, indices on the device, and an out of the same dtype")
        destination[...] = a._host[indices._host]
        return out

    @staticmethod
    def matmul(a: DeviceArray, b: DeviceArray, out: Any) -> Any:
        """The matrix product, written into `out`."""
        count_launch()
        destination = _destination(out, (*a.shape[:-1], *b.shape[1:]))
        if not destination.flags.c_contiguous or not a.dtype == b.dtype == out.dtype:
            raise TypeError("matmul needs one dtype and a contiguous out")
        np.matmul(a._host, b._host, out=destination)
        return out

    @staticmethod
    def sum(a: DeviceArray, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        """The sum along an axis, or several."""
        count_launch()
        host = a._host.sum(axis=axis, keepdims=keepdims)
        if out is None:
            return DeviceArray(np.asarray(host))
        a._host.sum(axis=axis, out=_destination(out, host.shape), keepdims=keepdims)
        return out

    @staticmethod
    def where(condition: DeviceArray, a: DeviceArray, b: DeviceArray) -> DeviceArray:
        """The numbers of a where the condition is true, else those of b."""
        count_launch()
        return DeviceArray(np.where(condition._host, a._host, b._host))

    @staticmethod
    def max(a: DeviceArray, axis: Any, out: Any) -> Any:
        """The largest number along an axis."""
        count_launch()
        a._host.max(axis=axis, out=_destination(out, a._host.max(axis=axis).shape))
        return out

    @staticmethod
    def mean(a: DeviceArray) -> DeviceArray:
        """The mean of all numbers."""
        count_launch()
        return DeviceArray(np.asarray(a._host.mean()))

    @staticmethod
    def dot(a: DeviceArray, b: DeviceArray) -> DeviceArray:
        """The inner product."""
        count_launch()
        return DeviceArray(np.asarray(np.dot(a._host, b._host)))


UFUNCS = (
    "abs add copysign divide exp expm1 fmax fmin greater greater_equal less log log1p maximum minimum multiply "
    "negative reciprocal sqrt subtract tanh"
)
for _name in UFUNCS.split():
    setattr(Module, _name, staticmethod(_device_ufunc(getattr(np, _name))))

# What NumPy and CuPy 14 share, and a layer may need.
SHARED_FUNCTIONS = (
    "absolute all allclose amax amin any append arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax "
    "argmin argsort around array array_equal ascontiguousarray atleast_1d atleast_2d atleast_3d average "
    "bincount bitwise_and bitwise_or bitwise_xor broadcast_arrays broadcast_to cbrt ceil clip column_stack "
    "concatenate copysign copyto corrcoef cos cosh count_nonzero cov cross cumprod cumsum deg2rad diag diagonal diff "
    "digitize divmod dot dsplit dstack einsum empty empty_like equal exp2 expand_dims eye fabs flip fliplr flipud "
    "float_power floor floor_divide fmod full full_like heaviside histogram hsplit hstack hypot identity inner interp "
    "isclose isfinite isinf isnan kron less_equal linspace log10 log2 logaddexp logaddexp2 logical_and logical_not "
    "logical_or logical_xor logspace matmul max maximum mean median meshgrid min mod moveaxis nan_to_num nanmax "
    "nanmean nanmin nanstd nansum nanvar nonzero not_equal ones ones_like outer pad percentile power prod ptp "
    "quantile rad2deg ravel remainder repeat reshape rint roll rollaxis rot90 round searchsorted sign signbit sin "
    "sinc sinh sort split square squeeze stack std sum swapaxes take take_along_axis tan tensordot tile trace "
    "transpose trapezoid tri tril triu true_divide trunc unique unravel_index vander var vdot vsplit vstack where "
    "zeros zeros_like"
)
CONSTANTS = "bool_ e euler_gamma float16 float32 float64 inf int8 int16 int32 int64 nan newaxis pi uint8"


class _WideModule:
    """The functions that NumPy and CuPy share, on device arrays."""

    def __getattr__(self, name: str) -> Any:
        if name in CONSTANTS.split():
            return getattr(np, name)
        if name == "asarray":
            return Module.asarray
        if name not in SHARED_FUNCTIONS.split() and name not in UFUNCS.split():
            raise AttributeError(f"the stand-in for CuPy has no {name}; a function of CuPy may be missing here")
        return _with_out(_on_device(getattr(np, name)))


def _with_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, returning `out` itself if it is given."""

    def apply(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return function(*args, **kwargs)
        if not isinstance(out, DeviceArray):
            raise TypeError(f"out must be on the device, not {type(out)}")
        function(*args, out=out, **kwargs)
        return out

    return apply


class Event:
    """An event of a device that has always finished."""

    def record(self) -> None:
        """Nothing."""

    def synchronize(self) -> None:
        """Nothing."""


def use_device(number: int) -> None:
    """Make this the current device. They all have the same memory."""
    global current_device
    if not 0 <= number < DEVICES:
        raise ValueError(f"there is no device {number}")
    current_device = number


DEVICES = 4
current_device = 0
FREE_MEMORY = 2**30
FAKE_DEVICES = Devices(lambda: DEVICES, use_device, lambda: f"fake device {current_device}")
FAKE_CUPY = Backend(
    "fake_cupy", Module, DeviceArray, np.empty, Event, free_memory=lambda: FREE_MEMORY, devices=FAKE_DEVICES
)
WIDE_FAKE_CUPY = Backend(
    "fake-cupy", _WideModule(), DeviceArray, np.empty, Event, free_memory=lambda: FREE_MEMORY, devices=FAKE_DEVICES
)
