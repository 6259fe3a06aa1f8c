"""A fake of CuPy for machines without a GPU: device arrays, and an array module that accepts only them.

It refuses what CuPy refuses or silently computes on the host: host arrays, keywords other than out, dtype and casting,
and an `out` of the wrong shape, dtype or layout. It counts the values read back, because a read waits for the GPU, and
the launches, because a launch costs more than the arithmetic of a small array.
"""

import numpy as np

from scratchvae.backend import Backend

reads = 0
launches = 0


def _launch():
    global launches
    launches += 1


class DeviceArray:
    __array_ufunc__ = None  # disables arithmetic with NumPy arrays

    def __init__(self, host):
        assert isinstance(host, np.ndarray)
        self._host = host

    def __array__(self, *_args, **_kwargs):
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    T = property(lambda self: DeviceArray(self._host.T))

    def __len__(self):
        return len(self._host)

    def __getitem__(self, key):
        return DeviceArray(np.asarray(self._host[_index(key)]))

    def __setitem__(self, key, value):
        _launch()
        self._host[_index(key)] = _operand(value)

    def astype(self, dtype, copy=True):
        return self if not copy and self.dtype == dtype else DeviceArray(self._host.astype(dtype))

    def copy(self):
        _launch()
        return DeviceArray(self._host.copy())

    def reshape(self, *shape):
        return DeviceArray(self._host.reshape(*shape))

    def fill(self, value):
        _launch()
        self._host.fill(value)

    def get(self):
        return self._host.copy()

    def set(self, host):
        if type(host) is not np.ndarray or host.shape != self.shape or host.dtype != self.dtype:
            raise TypeError("set takes a host array of the same shape and dtype")
        if not host.flags.c_contiguous or not self._host.flags.c_contiguous:
            raise TypeError("set takes contiguous arrays")
        self._host[...] = host

    def sum(self, axis=None):
        _launch()
        return DeviceArray(np.asarray(self._host.sum(axis=axis)))

    def min(self):
        _launch()
        return DeviceArray(np.asarray(self._host.min()))

    def max(self):
        _launch()
        return DeviceArray(np.asarray(self._host.max()))

    def _read(self):
        global reads
        reads += 1
        return self._host.item()

    def __float__(self):
        return float(self._read())

    def __bool__(self):
        return bool(self._read())

    def __int__(self):
        return int(self._read())

    __index__ = None


def _index(key):
    keys = key if isinstance(key, tuple) else (key,)
    assert all(k is None or k is Ellipsis or isinstance(k, slice | int) for k in keys), key
    return key


def _operand(value):
    if isinstance(value, DeviceArray):
        return value._host
    if isinstance(value, bool | int | float):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def _operator(ufunc, reverse=False):
    def apply(self, other):
        _launch()
        a, b = _operand(self), _operand(other)
        return DeviceArray(np.asarray(ufunc(b, a) if reverse else ufunc(a, b)))

    return apply


def _in_place(ufunc):
    def apply(self, other):
        _launch()
        ufunc(self._host, _operand(other), out=self._host)
        return self

    return apply


for _name, _ufunc in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("truediv", np.divide)]:
    setattr(DeviceArray, f"__{_name}__", _operator(_ufunc))
    setattr(DeviceArray, f"__r{_name}__", _operator(_ufunc, reverse=True))
    setattr(DeviceArray, f"__i{_name}__", _in_place(_ufunc))
DeviceArray.__neg__ = lambda self: DeviceArray(np.asarray(-self._host))


def _destination(out, shape):
    if not isinstance(out, DeviceArray):
        raise TypeError(f"out must be on the device, not {type(out)}")
    if out.shape != shape:
        raise ValueError(f"out has shape {out.shape}, the result {shape}")
    return out._host


def _device_ufunc(ufunc):
    def apply(*args, out=None, dtype=None, casting="same_kind"):
        _launch()
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
    empty = staticmethod(lambda shape, dtype=float: DeviceArray(np.full(shape, np.nan, dtype)))
    zeros_like = staticmethod(lambda a: DeviceArray(np.zeros_like(_operand(a))))
    empty_like = staticmethod(lambda a: DeviceArray(np.full_like(_operand(a), np.nan)))

    @staticmethod
    def matmul(a, b, out):
        _launch()
        destination = _destination(out, (*a.shape[:-1], *b.shape[1:]))
        if not destination.flags.c_contiguous or not a.dtype == b.dtype == out.dtype:
            raise TypeError("matmul needs one dtype and a contiguous out")
        np.matmul(a._host, b._host, out=destination)
        return out

    @staticmethod
    def sum(a, axis=None, out=None):
        _launch()
        host = a._host.sum(axis=axis)
        if out is None:
            return DeviceArray(np.asarray(host))
        a._host.sum(axis=axis, out=_destination(out, host.shape))
        return out

    @staticmethod
    def where(condition, a, b):
        _launch()
        return DeviceArray(np.where(condition._host, a._host, b._host))

    @staticmethod
    def max(a, axis, out):
        _launch()
        a._host.max(axis=axis, out=_destination(out, a._host.max(axis=axis).shape))
        return out

    @staticmethod
    def mean(a):
        _launch()
        return DeviceArray(np.asarray(a._host.mean()))

    @staticmethod
    def dot(a, b):
        _launch()
        return DeviceArray(np.asarray(np.dot(a._host, b._host)))


UFUNCS = (
    "abs add divide exp expm1 fmax fmin greater greater_equal less log log1p maximum minimum multiply negative "
    "reciprocal sqrt subtract tanh"
)
for _name in UFUNCS.split():
    setattr(Module, _name, staticmethod(_device_ufunc(getattr(np, _name))))


class Event:
    """An event of a device that has always finished."""

    def record(self):
        pass

    def synchronize(self):
        pass


FAKE_CUPY = Backend("fake_cupy", Module, DeviceArray, np.empty, Event)
