"""A pool of threads for matrix products and kernels.

OpenBLAS has threads of its own. Between two products they do not sleep but spin, on the cores that a kernel in several
threads would need; and each product waits for all of them, even for one whose core the system has given to another
process. While a model of the backend "native" computes, OpenBLAS is therefore set to one thread, and the threads of
this pool share the work: the products in blocks, and the kernels in blocks of rows or columns. A thread takes one block
after another. One that comes late finds none left, and nobody has waited for it.

The blocks depend on the sizes alone, so that it changes no bit which threads compute them.
"""

from __future__ import annotations

import ctypes
import os
from _thread import allocate_lock
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from scratchvae.backend.array_module import ArrayModule
from scratchvae.backend.cores import available_cores
from scratchvae.backend.native.address import address_of
from scratchvae.backend.native.compiler import compile_functions
from scratchvae.backend.openblas import OpenBLAS, find_openblas
from scratchvae.backend.plans import Plans

SPLIT_FROM = 2**20  # multiplications from which on a product is split
BLOCKS, ALIGNED = 4, 16  # the largest number of blocks of a product; the size of a block is a multiple of 16
MISSING: Any = object()
INT, INT64, POINTER = ctypes.c_int, ctypes.c_longlong, ctypes.c_void_p
MULTIPLY_TYPES = [INT, INT, POINTER, INT, INT, INT64, INT64, INT64, *[POINTER, INT64] * 3, INT64]

Array = np.ndarray[Any, np.dtype[Any]]

# A region is a number of jobs. `next` is the first that nobody has taken; `open` is 1 until none is left. The caller
# returns when no worker is `active`. A worker first becomes active and then looks whether the region is open: so it
# cannot begin after the caller has returned.
#
# A worker spins for some 50 µs after a region, since the next one follows soon within a step, and then sleeps. A forked
# child has no workers: it begins with a new pool.
SOURCE = """
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sched.h>
#include <system_error>
#include <thread>

typedef void (*Job)(void* data, int index);

static const int SPINS = 1000;

static inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Pool {
  std::mutex region, sleep;
  std::condition_variable wake;
  std::atomic<unsigned> epoch{0};
  std::atomic<int> open{0}, active{0}, next{0}, sleepers{0};
  int threads = 1, workers = 0, jobs = 0;
  Job job = nullptr;
  void* data = nullptr;
};

alignas(64) static char memory[sizeof(Pool)];
static Pool* pool = new (memory) Pool;

static void take_jobs() {
  for (int index; (index = pool->next.fetch_add(1)) < pool->jobs;) pool->job(pool->data, index);
}

static void work(unsigned seen) {
  for (;;) {
    for (int spin = 0; spin < SPINS && pool->epoch.load() == seen; spin++) relax();
    if (pool->epoch.load() == seen) {
      std::unique_lock<std::mutex> lock(pool->sleep);
      pool->sleepers++;
      pool->wake.wait(lock, [&] { return pool->epoch.load() != seen; });
      pool->sleepers--;
    }
    seen = pool->epoch.load();
    pool->active++;
    if (pool->open.load()) take_jobs();
    pool->active--;
  }
}

static void add_workers() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads of Python
  try {
    for (; pool->workers < pool->threads - 1; pool->workers++) std::thread(work, pool->epoch.load()).detach();
  } catch (const std::system_error&) {  // the system has no more threads
    pool->threads = pool->workers + 1;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

extern "C" void scratchvae_run(Job job, void* data, int jobs) {
  if (!pool->region.try_lock()) {  // another thread computes
    for (int index = 0; index < jobs; index++) job(data, index);
    return;
  }
  add_workers();
  pool->job = job, pool->data = data, pool->jobs = jobs;
  pool->next = 0;
  pool->open = 1;
  pool->epoch++;
  if (pool->sleepers.load()) {
    pool->sleep.lock();
    pool->sleep.unlock();
    pool->wake.notify_all();
  }
  take_jobs();
  pool->open = 0;
  for (int spin = 0; pool->active.load(); spin++) spin < SPINS ? relax() : (void)sched_yield();
  pool->region.unlock();
}

static void begin_anew() {
  const int threads = pool->threads;
  pool = new (memory) Pool;
  pool->threads = threads;
}

extern "C" void scratchvae_start(int threads) {
  pool->threads = threads;
  pthread_atfork(nullptr, nullptr, begin_anew);
}

// Blocks of the rows or of the columns of C = op(A) op(B), with all matrices row by row in memory.
template <class T, class Int>
struct Product {
  typedef void (*Gemm)(int order, int transposed_a, int transposed_b, Int m, Int n, Int k, T alpha, const T* a, Int lda,
                       const T* b, Int ldb, T beta, T* c, Int ldc);
  Gemm gemm;
  int transposed_a, transposed_b;
  long long m, n, k, lda, ldb, ldc, block;
  const T *a, *b;
  T* c;

  void compute(int index) const {
    const bool by_row = m > n;
    const long long begin = index * block, size = std::min(block, (by_row ? m : n) - begin);
    const T* a_block = by_row ? a + begin * (transposed_a ? 1 : lda) : a;
    const T* b_block = by_row ? b : b + begin * (transposed_b ? ldb : 1);
    T* c_block = c + begin * (by_row ? ldc : 1);
    gemm(101, transposed_a ? 112 : 111, transposed_b ? 112 : 111, by_row ? size : m, by_row ? n : size, k, T(1),
         a_block, lda, b_block, ldb, T(0), c_block, ldc);
  }
};

template <class T, class Int>
static void multiply(void* gemm, int transposed_a, int transposed_b, long long m, long long n, long long k, void* a,
                     long long lda, void* b, long long ldb, void* c, long long ldc, long long block) {
  Product<T, Int> product = {(typename Product<T, Int>::Gemm)gemm, transposed_a, transposed_b, m, n, k, lda, ldb, ldc,
                             block, (const T*)a, (const T*)b, (T*)c};
  const int blocks = (std::max(m, n) + block - 1) / block;
  scratchvae_run([](void* data, int index) { ((Product<T, Int>*)data)->compute(index); }, &product, blocks);
}

extern "C" void scratchvae_multiply(int of_doubles, int wide, void* gemm, int transposed_a, int transposed_b,
                                    long long m, long long n, long long k, void* a, long long lda, void* b,
                                    long long ldb, void* c, long long ldc, long long block) {
  (of_doubles ? (wide ? multiply<double, long long> : multiply<double, int>)
              : (wide ? multiply<float, long long> : multiply<float, int>))(
      gemm, transposed_a, transposed_b, m, n, k, a, lda, b, ldb, c, ldc, block);
}
"""


class Pool:
    """The threads that compute products and kernels, inside `with pool:`.

    blas      the library of the products; None: all is computed as without a pool
    threads   the number of threads, with the one that calls
    """

    def __init__(self, blas: OpenBLAS | None, threads: int) -> None:
        self._blas: Any = blas
        self._users, self._lock = 0, allocate_lock()
        self._threads_before: int | None = None
        self._plans: Plans[Plan | None] = Plans()
        self.threads = 1 if blas is None else threads
        self._limits_blas = blas is not None and max(threads, blas.get_num_threads()) > 1
        if self._limits_blas:
            os.register_at_fork(after_in_child=self._forget_users)
        if self.threads > 1:
            functions = compile_functions(SOURCE, "scratchvae_run", "scratchvae_multiply", "scratchvae_start")
            run, self._multiply, start = functions
            self._run = ctypes.cast(run, POINTER).value
            self._multiply.restype, self._multiply.argtypes = None, MULTIPLY_TYPES
            start.restype, start.argtypes = None, [INT]
            start(self.threads)

    # In the context, the pool computes the products and kernels, and OpenBLAS has one thread. It has one too if a
    # cgroup leaves the pool one: its own, one for each core, would spin on the time of that one. A fork may come
    # between any two of these lines: the number of threads is known from before it is changed until after it is
    # restored.
    def __enter__(self) -> None:
        if self._limits_blas:
            with self._lock:
                if not self._users:
                    self._threads_before = self._blas.get_num_threads()
                    self._blas.set_num_threads(1)
                self._users += 1

    def __exit__(self, *error: object) -> None:
        if self._limits_blas:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._restore_threads()

    def _restore_threads(self) -> None:
        if self._threads_before is not None:
            self._blas.set_num_threads(self._threads_before)
            self._threads_before = None

    # The thread of another model, which would have left the context, does not exist in a forked child.
    def _forget_users(self) -> None:
        self._lock, self._users = allocate_lock(), 0
        self._restore_threads()

    def for_kernels(self) -> tuple[int | None, int]:
        """The address of the function that runs jobs in the threads of the pool, and their number; or (None, 1)."""
        return (self._run, self.threads) if self._users and self.threads > 1 else (None, 1)

    def matmul(self, a: Any, b: Any, out: Any = None, **settings: Any) -> Any:
        """`numpy.matmul`; in the context, the blocks of a large product are computed by several threads."""
        arrays = self._users and self.threads > 1 and not settings and type(a) is type(b) is type(out) is np.ndarray
        is_large = arrays and b.ndim == 2 and a.size * b.shape[1] >= SPLIT_FROM
        arguments = self._arguments(a, b, out) if is_large else None
        if arguments is None:
            return np.matmul(a, b, out=out, **settings)
        self._multiply(*arguments)
        return out

    def _arguments(self, a: Any, b: Any, out: Any) -> tuple[Any, ...] | None:
        """The arguments of `scratchvae_multiply` for a large product; None if NumPy is to compute it."""
        key = a.shape, a.strides, a.dtype, b.shape, b.strides, b.dtype, out.shape, out.strides, out.dtype
        plan = self._plans.get(key, MISSING)
        if plan is MISSING:
            plan = self._plans.add(key, self._make_plan(a, b, out))
        if plan is None:
            return None
        start_a, start_b, start = address_of(a), address_of(b), address_of(out)
        if not out.flags.writeable or (start_a | start_b | start) % out.itemsize:  # an error, or not aligned
            return None
        size_a, size_b, size = plan.sizes
        end = start + size
        if (start_a < end and start < start_a + size_a) or (start_b < end and start < start_b + size_b):
            return None  # the output overlaps an input
        step_a, step_b, step = plan.steps
        return *plan.kind, start_a, step_a, start_b, step_b, start, step, plan.block

    def _make_plan(self, a: Array, b: Array, out: Array) -> Plan | None:
        """The arguments that depend on shapes, strides and dtypes; None if it is no product of gemm."""
        if not a.ndim == b.ndim == out.ndim == 2 or not a.dtype == b.dtype == out.dtype:
            return None
        (m, k), n = a.shape, b.shape[1]
        gemm, layouts = self._blas.gemm.get(out.dtype.str), [_layout(a), _layout(b), _layout(out)]
        if len(b) != k or out.shape != (m, n) or gemm is None or not all(layouts):
            return None
        transposed, steps, sizes = zip(*layouts, strict=True)
        if transposed[2]:
            return None
        kind = out.itemsize == 8, self._blas.wide, gemm, *transposed[:2], m, n, k
        return Plan(kind, steps, sizes, -(-max(m, n) // BLOCKS // ALIGNED) * ALIGNED)


class Plan(NamedTuple):
    """The arguments of `scratchvae_multiply` that depend on the shapes and strides of a, b and the output.

    kind, block   the first ones, and the last one
    steps         the distances of rows, in numbers
    sizes         of the memory from the first number to the last, in bytes
    """

    kind: tuple[Any, ...]
    steps: tuple[int, ...]
    sizes: tuple[int, ...]
    block: int


def _layout(matrix: Array) -> tuple[bool, int, int] | None:
    """True if a matrix is the transpose of one in rows, the distance of the rows, and the size; None if neither."""
    size, (row, column), (rows, columns) = matrix.itemsize, matrix.strides, matrix.shape
    for transposed, step, distance, width, count in (
        (False, column, row, columns, rows),
        (True, row, column, rows, columns),
    ):
        if step == size and distance % size == 0 and distance >= size * width:
            return transposed, distance // size, distance * (count - 1) + size * width
    return None


class PooledNumPy(ArrayModule):
    """NumPy as the array module of the backend "native": its `matmul` is that of the pool."""

    def __init__(self) -> None:
        super().__init__(np)

    def matmul(self, a: Any, b: Any, out: Any = None, **settings: Any) -> Any:
        """`numpy.matmul`: see `Pool.matmul`."""
        return get_pool().matmul(a, b, out, **settings)


class PoolOfProcess:
    """The context of `get_pool()`, which is compiled when it is first entered."""

    def __enter__(self) -> None:
        get_pool().__enter__()

    def __exit__(self, *error: object) -> None:
        get_pool().__exit__()


@cache
def get_pool() -> Pool:
    """The pool of this process: as many threads as OpenBLAS has, and as there are cores.

    Raises BackendError if it cannot be compiled.
    """
    blas = find_openblas()
    return Pool(blas, 1 if blas is None else min(blas.get_num_threads(), available_cores()))
