"""The windows of pictures in C++: one pass over memory, and no border around the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int, c_longlong, c_void_p
from typing import Any

import numpy as np

from scratchvae.backend.native.address import address_of
from scratchvae.backend.native.compiler import compile_functions
from scratchvae.backend.native.pool import get_pool
from scratchvae.backend.native.template import REALS

Array = np.ndarray[Any, np.dtype[Any]]

# Row a of the window at (i, j) lies in row h of the picture, from column s j − p on. Of its k columns, those from
# `first` up to `last` are inside the picture: a run of numbers, in the picture as in the matrix of windows.
SOURCE = """
#include <algorithm>
typedef {real} T;

template <class Picture, class Windows, class Inside, class Outside>
static void for_each_run(long long rows, long long height, long long width, long long channels, long long k,
                         long long s, long long p, long long P, long long Q, Picture* x, Windows* m, Inside inside,
                         Outside outside) {{
  for (long long n = 0; n < rows; n++)
    for (long long i = 0; i < P; i++)
      for (long long j = 0; j < Q; j++) {{
        long long left = s * j - p;
        long long first = std::max(0LL, -left), last = std::max(first, std::min(k, width - left));
        for (long long a = 0; a < k; a++, m += k * channels) {{
          long long h = s * i + a - p;
          if (h < 0 || h >= height) {{
            outside(m, k * channels);
            continue;
          }}
          outside(m, first * channels);
          inside(x + ((n * height + h) * width + left + first) * channels, m + first * channels,
                 (last - first) * channels);
          outside(m + last * channels, (k - last) * channels);
        }}
      }}
}}

typedef void (*Run)(void (*job)(void* data, int index), void* data, int jobs);

// Pictures n from `first` up to `last`, in two blocks for each thread: see `pool`.
template <class Compute>
static void for_blocks(Run run, int threads, long long rows, Compute compute) {{
  const int blocks = 2 * threads;
  if (threads < 2 || rows < blocks) return compute(0, rows);
  auto block = [=](int index) {{ compute(index * rows / blocks, (index + 1) * rows / blocks); }};
  run([](void* data, int index) {{ (*(decltype(block)*)data)(index); }}, (void*)&block, blocks);
}}

extern "C" void scratchvae_gather_windows(Run run, int threads, long long rows, long long height, long long width,
                                          long long channels, long long k, long long s, long long p, long long P,
                                          long long Q, const T* x, T* m) {{
  for_blocks(run, threads, rows, [=](long long first, long long last) {{
    for_each_run(last - first, height, width, channels, k, s, p, P, Q, x + first * height * width * channels,
                 m + first * P * Q * k * k * channels,
                 [](const T* pixels, T* run, long long count) {{ std::copy(pixels, pixels + count, run); }},
                 [](T* run, long long count) {{ std::fill(run, run + count, T(0)); }});
  }});
}}

extern "C" void scratchvae_scatter_windows(Run run, int threads, long long rows, long long height, long long width,
                                           long long channels, long long k, long long s, long long p, long long P,
                                           long long Q, T* x, const T* m) {{
  for_blocks(run, threads, rows, [=](long long first, long long last) {{
    for (long long n = first; n < last; n++) {{
      T* picture = x + n * height * width * channels;
      std::fill(picture, picture + height * width * channels, T(0));
      for_each_run(1, height, width, channels, k, s, p, P, Q, picture, m + n * P * Q * k * k * channels,
                   [](T* pixels, const T* run, long long count) {{
                     for (long long c = 0; c < count; c++) pixels[c] += run[c];
                   }},
                   [](const T*, long long) {{}});
    }}
  }});
}}
"""


class Windows:
    """The windows of k × k pixels of pictures (H, W, C) at (P, Q) places, s apart, with a border of p zeros.

    The same map as `scratchvae.layers.patches.Patches`. Raises BackendError if it cannot be compiled.
    """

    def __init__(self, picture: Sequence[int], k: int, s: int, p: int, places: Sequence[int], dtype: Any) -> None:
        source = SOURCE.format(real=REALS[np.dtype(dtype).char])
        self.sizes = (*picture, k, s, p, *places)
        functions = compile_functions(source, "scratchvae_gather_windows", "scratchvae_scatter_windows")
        self._gather, self._scatter = functions
        for function in functions:
            function.restype, function.argtypes = None, [c_void_p, c_int, *[c_longlong] * 9, c_void_p, c_void_p]

    def gather(self, x: Array, out: Array) -> None:
        """Write the windows of contiguous pictures x (b, H·W·C) into `out` (b·P·Q, k·k·C)."""
        self._gather(*get_pool().for_kernels(), len(x), *self.sizes, address_of(x), address_of(out))

    def scatter(self, windows: Array, out: Array) -> None:
        """Write the sum of all windows (b·P·Q, k·k·C) at each pixel into contiguous `out` (b, H·W·C)."""
        self._scatter(*get_pool().for_kernels(), len(out), *self.sizes, address_of(out), address_of(windows))
