// A cuBLAS with the product of two matrices alone. The names of the other functions, which CuPy's library must find, are
// in a file that build.py writes; they return NOT_SUPPORTED.

#include <string>
#include <vector>

#include "device.h"

enum Status { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum DataType { FLOAT = 0, DOUBLE = 1 };
enum ComputeType { COMPUTE_FLOAT = 68, COMPUTE_DOUBLE = 70 };

struct Handle {
  intptr_t stream;
  bool has_workspace;
};

struct Matrix {
  const void* numbers;
  bool transposed;
  long step;  // from a column to the next, in numbers
};

// C = α A B + β C, with A (rows, inner) and B (inner, columns); all matrices are stored by columns.
template <typename T>
static void multiply(long rows, long columns, long inner, T alpha, Matrix A, Matrix B, T beta, T* C, long step) {
  const T *a = (const T*)A.numbers, *b = (const T*)B.numbers;
  std::vector<T> sums(rows);
  for (long j = 0; j < columns; j++) {
    sums.assign(rows, 0);
    for (long k = 0; k < inner; k++) {
      const T factor = B.transposed ? b[j + k * B.step] : b[k + j * B.step];
      if (A.transposed) {
        for (long i = 0; i < rows; i++) sums[i] += a[k + i * A.step] * factor;
      } else {
        for (long i = 0; i < rows; i++) sums[i] += a[i + k * A.step] * factor;
      }
    }
    // β = 0 means that C is not read: it may be NaN
    for (long i = 0; i < rows; i++) C[i + j * step] = alpha * sums[i] + (beta == 0 ? 0 : beta * C[i + j * step]);
  }
}

extern "C" {

Status cublasCreate_v2(Handle** handle) {
  *handle = new Handle{0, false};
  return SUCCESS;
}

Status cublasDestroy_v2(Handle* handle) {
  delete handle;
  return SUCCESS;
}

Status cublasSetStream_v2(Handle* handle, intptr_t stream) {
  *handle = {stream, false};
  return SUCCESS;
}

Status cublasGetStream_v2(Handle* handle, intptr_t* stream) {
  *stream = handle->stream;
  return SUCCESS;
}

Status cublasSetWorkspace_v2(Handle* handle, void*, size_t) {
  handle->has_workspace = true;
  return SUCCESS;
}

// CuPy saves and restores these settings around a product.
Status cublasGetMathMode(Handle*, int* mode) {
  *mode = 0;
  return SUCCESS;
}

Status cublasSetMathMode(Handle*, int) { return SUCCESS; }

Status cublasGetPointerMode_v2(Handle*, int* mode) {
  *mode = 0;
  return SUCCESS;
}

Status cublasSetPointerMode_v2(Handle*, int mode) { return mode ? NOT_SUPPORTED : SUCCESS; }

Status cublasGetVersion_v2(Handle*, int* version) {
  *version = 120900;
  return SUCCESS;
}

Status cublasGemmEx(Handle* handle, int transpose_a, int transpose_b, int rows, int columns, int inner,
                    const void* alpha, const void* a, int type_a, int step_a, const void* b, int type_b, int step_b,
                    const void* beta, void* c, int type, int step, int compute, int) {
  Stream* stream = find_stream(handle->stream);
  if (!stream || rows < 0 || columns < 0 || inner < 0) return INVALID_VALUE;
  if (step_a < (transpose_a ? inner : rows) || step_b < (transpose_b ? columns : inner) || step < rows) {
    return INVALID_VALUE;
  }
  // Two recordings could use cuBLAS's own workspace at the same time.
  if (is_recorded(stream) && !handle->has_workspace) return NOT_SUPPORTED;
  if (type_a != type || type_b != type) return NOT_SUPPORTED;
  const Matrix A = {a, transpose_a != 0, step_a}, B = {b, transpose_b != 0, step_b};
  const std::string name =
      "product " + std::to_string(rows) + " x " + std::to_string(inner) + " x " + std::to_string(columns);
  if (type == FLOAT && compute == COMPUTE_FLOAT) {
    const float factor = *(const float*)alpha, before = *(const float*)beta;
    submit(stream, PRODUCTS, name.c_str(),
           [=] { multiply(rows, columns, inner, factor, A, B, before, (float*)c, step); });
  } else if (type == DOUBLE && compute == COMPUTE_DOUBLE) {
    const double factor = *(const double*)alpha, before = *(const double*)beta;
    submit(stream, PRODUCTS, name.c_str(),
           [=] { multiply(rows, columns, inner, factor, A, B, before, (double*)c, step); });
  } else {
    return NOT_SUPPORTED;
  }
  return SUCCESS;
}
}
