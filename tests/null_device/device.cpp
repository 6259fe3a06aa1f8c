// A CUDA device that is the host: the functions behind CuPy's modules `runtime` and `driver`, with CuPy's signatures.
//
// As on a GPU, each stream has a queue of work, and streams other than the default stream need not wait for each other.
// Normally, work is done when it is submitted. If `null_device_late` is set, it is done only when the host waits for
// it, which is the latest time that CUDA allows. Then a buffer that is reused too early, or read too early, is visible.
//
// Memory is filled with the byte 0xff, which is NaN as a floating-point number, when it is allocated and when it is
// freed. A function that CuPy has and this file has not is CUDA's own, which fails since there is no GPU.

#include "device.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// Of Python's C API. Its header is not part of every installation.
struct _object;
typedef struct _object PyObject;
extern "C" {
extern PyObject _Py_NoneStruct;
extern PyObject* PyExc_RuntimeError;
void Py_IncRef(PyObject*);
void PyErr_SetString(PyObject*, const char*);
char* PyBytes_AsString(PyObject*);
const char* PyUnicode_AsUTF8(PyObject*);
PyObject* PyLong_FromLongLong(long long);
PyObject* PyTuple_New(intptr_t);
int PyTuple_SetItem(PyObject*, intptr_t, PyObject*);
}

extern "C" {
int null_device_late = 0;
int null_device_noise = 0;  // read by the functions of host_kernel.h
long long null_device_counts[COUNTS];
}

static const size_t ALIGNMENT = 512, MEMORY = size_t(8) << 30;
static const int POISON = 0xff, NOT_READY = 600;

struct Recording {
  std::vector<std::function<void()>> work;
  int nodes = 0;
  bool valid = true;
};

struct Work {
  long long number;
  std::function<void()> run;
};

struct Stream {
  bool waits_for_default;
  std::deque<Work> queue;
  std::shared_ptr<Recording> recording;
};

struct Event {
  Stream* stream = nullptr;  // nullptr before the event is first recorded
  long long number = 0;
};

struct Kernel {
  void (*run)(void** arguments);
  std::vector<size_t> sizes;
  std::string name;
};

typedef std::map<uintptr_t, size_t> Blocks;  // sizes of blocks of memory by their addresses

// CuPy calls these functions with Python's lock, but cuBLAS is called without it.
static std::recursive_mutex lock;
static Stream default_stream = {true, {}, nullptr};
static std::vector<Stream*> streams;  // all but the default stream
static long long submitted = 0;
static Blocks device_blocks, pinned_blocks;
static std::multimap<size_t, uintptr_t> freed_blocks;
static std::vector<std::string> call_names;

static PyObject* none() {
  Py_IncRef(&_Py_NoneStruct);
  return &_Py_NoneStruct;
}

static PyObject* fail(const std::string& message) {
  PyErr_SetString(PyExc_RuntimeError, ("null device: " + message).c_str());
  return nullptr;
}

Stream* find_stream(intptr_t handle) {
  if (!handle) return &default_stream;
  auto found = std::find(streams.begin(), streams.end(), (Stream*)handle);
  return found == streams.end() ? nullptr : *found;
}

bool is_recorded(const Stream* stream) { return stream->recording != nullptr; }

// Do the work of a stream up to that of this number. Work of the default stream begins after earlier work of all streams
// that wait for it, and work of these after earlier work of the default stream.
static void complete(Stream* stream, long long last) {
  while (!stream->queue.empty() && stream->queue.front().number <= last) {
    const Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (stream == &default_stream) {
      for (Stream* other : std::vector<Stream*>(streams)) {
        if (other->waits_for_default) complete(other, work.number - 1);
      }
    } else if (stream->waits_for_default) {
      complete(&default_stream, work.number - 1);
    }
    work.run();
  }
}

static void complete_all() {
  for (Stream* stream : std::vector<Stream*>(streams)) complete(stream, submitted);
  complete(&default_stream, submitted);
}

static void enqueue(Stream* stream, std::function<void()> run) {
  if (stream->recording) {
    stream->recording->work.push_back(std::move(run));
    return;
  }
  stream->queue.push_back({++submitted, std::move(run)});
  if (!null_device_late) complete(stream, submitted);
}

void submit(Stream* stream, Count kind, const char* name, std::function<void()> run) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  null_device_counts[kind]++;
  call_names.push_back(name);
  if (stream->recording) stream->recording->nodes++;
  enqueue(stream, std::move(run));
}

static bool contains(const Blocks& blocks, const void* pointer) {
  auto next = blocks.upper_bound((uintptr_t)pointer);
  if (next == blocks.begin()) return false;
  --next;
  return (uintptr_t)pointer < next->first + next->second;
}

static bool any_is_recorded() { return std::any_of(streams.begin(), streams.end(), is_recorded); }

// Waiting for work that is recorded is an error, and makes the recording invalid.
static bool wait(Stream* stream, long long last) {
  if (stream->recording) {
    stream->recording->valid = false;
    fail("operation not permitted while the stream is recorded");
    return false;
  }
  complete(stream, last);
  return true;
}

static intptr_t allocate(Blocks& blocks, size_t size, Count kind) {
  null_device_counts[kind]++;
  size = std::max((size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, ALIGNMENT);
  void* block = nullptr;
  auto freed = freed_blocks.find(size);
  if (freed != freed_blocks.end()) {
    block = (void*)freed->second;
    freed_blocks.erase(freed);
  } else if (posix_memalign(&block, ALIGNMENT, size)) {
    fail("out of memory");
    return 0;
  }
  memset(block, POISON, size);
  blocks[(uintptr_t)block] = size;
  return (intptr_t)block;
}

// The memory stays with the device: what still uses it reads NaN, and what writes to it harms nothing of the process.
static PyObject* release(Blocks& blocks, intptr_t pointer) {
  auto block = blocks.find((uintptr_t)pointer);
  if (block == blocks.end()) return fail("a pointer was freed that is not allocated");
  complete_all();  // as cudaFree and cudaFreeHost
  memset((void*)pointer, POISON, block->second);
  freed_blocks.insert({block->second, block->first});
  blocks.erase(block);
  return none();
}

enum CopyKind { HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2 };

static PyObject* copy(intptr_t target, intptr_t source, size_t size, int kind, intptr_t handle, bool must_wait) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("a copy in a stream that does not exist");
  void *to = (void*)target, *from = (void*)source;
  const bool up = kind == HOST_TO_DEVICE, down = kind == DEVICE_TO_HOST;
  const Count count = up ? UPLOADS : down ? DOWNLOADS : DEVICE_COPIES;
  const char* name = up ? "upload" : down ? "download" : "device copy";
  const bool pageable = (up && !contains(pinned_blocks, from)) || (down && !contains(pinned_blocks, to));
  if (stream->recording && pageable) return fail("a copy with memory that is not pinned cannot be recorded");
  if (up && pageable) {  // CUDA has read memory that is not pinned when the call returns
    auto staged = std::make_shared<std::string>((char*)from, size);
    submit(stream, count, name, [=] { memcpy(to, staged->data(), size); });
  } else {
    submit(stream, count, name, [=] { memmove(to, from, size); });
  }
  if (must_wait) null_device_counts[WAITS]++;
  if (must_wait || (down && pageable)) complete(stream, submitted);
  return none();
}

static PyObject* fill(intptr_t pointer, int value, size_t size, intptr_t handle) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("a fill in a stream that does not exist");
  submit(stream, FILLS, "fill", [=] { memset((void*)pointer, value, size); });
  return none();
}

static intptr_t create_stream(bool waits_for_default) {
  streams.push_back(new Stream{waits_for_default, {}, nullptr});
  return (intptr_t)streams.back();
}

extern "C" {

// --- for Python: counts, names of the calls, poison

long long null_device_call_count() { return (long long)call_names.size(); }

const char* null_device_call_name(long long index) { return call_names[index].c_str(); }

void null_device_reset() {
  memset(null_device_counts, 0, sizeof null_device_counts);
  call_names.clear();
}

// Fill memory that CuPy's pool has allocated or freed, when the stream gets there.
void null_device_poison(intptr_t pointer, size_t size, intptr_t handle) {
  std::lock_guard<std::recursive_mutex> guard(lock);
  Stream* stream = find_stream(handle);
  enqueue(stream ? stream : &default_stream, [=] { memset((void*)pointer, POISON, size); });
}

// --- runtime: the device

int runtime_getDevice(int) { return 0; }
int runtime_getDeviceCount(int) { return 1; }
PyObject* runtime_setDevice(int, int) { return none(); }
int runtime_driverGetVersion(int) { return 13000; }
int runtime_runtimeGetVersion(int) { return 12090; }
PyObject* runtime__ensure_context() { return none(); }
PyObject* runtime__deviceEnsurePeerAccess(int, int) { return none(); }

int runtime_deviceGetAttribute(int attribute, int, int) {
  static const std::map<int, int> attributes = {
      {1, 1024},   // threads of a block
      {8, 49152},  // bytes of shared memory
      {10, 32},    // threads of a warp
      {16, 132},   // multiprocessors
      {39, 2048},  // threads of a multiprocessor
      {75, 9},     // compute capability 9.0
      {76, 0},
  };
  auto found = attributes.find(attribute);
  return found == attributes.end() ? 0 : found->second;
}

PyObject* runtime_memGetInfo(int) {
  PyObject* pair = PyTuple_New(2);
  for (int k = 0; k < 2; k++) PyTuple_SetItem(pair, k, PyLong_FromLongLong(MEMORY));
  return pair;
}

PyObject* runtime_deviceSynchronize(int) {
  if (any_is_recorded()) return fail("operation not permitted while a stream is recorded");
  null_device_counts[WAITS]++;
  complete_all();
  return none();
}

// --- runtime: memory

intptr_t runtime_malloc(size_t size, int) { return allocate(device_blocks, size, MALLOCS); }
PyObject* runtime_free(intptr_t pointer, int) { return release(device_blocks, pointer); }
intptr_t runtime_hostAlloc(size_t size, unsigned, int) { return allocate(pinned_blocks, size, PINNED_ALLOCATIONS); }
PyObject* runtime_freeHost(intptr_t pointer, int) { return release(pinned_blocks, pointer); }

int runtime_pointerGetMemoryType(intptr_t pointer, int) {
  return contains(pinned_blocks, (void*)pointer) ? 1 : contains(device_blocks, (void*)pointer) ? 2 : 0;
}

PyObject* runtime_memcpy(intptr_t target, intptr_t source, size_t size, int kind, int) {
  return copy(target, source, size, kind, 0, true);
}

PyObject* runtime_memcpyAsync(intptr_t target, intptr_t source, size_t size, int kind, intptr_t stream, int) {
  return copy(target, source, size, kind, stream, false);
}

PyObject* runtime_memset(intptr_t pointer, int value, size_t size, int) { return fill(pointer, value, size, 0); }

PyObject* runtime_memsetAsync(intptr_t pointer, int value, size_t size, intptr_t stream, int) {
  return fill(pointer, value, size, stream);
}

// --- runtime: streams and events

intptr_t runtime_streamCreate(int) { return create_stream(true); }
intptr_t runtime_streamCreateWithFlags(unsigned flags, int) { return create_stream(!(flags & 1)); }
intptr_t runtime_streamCreateWithPriority(unsigned flags, int, int) { return create_stream(!(flags & 1)); }

PyObject* runtime_streamDestroy(intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  if (!stream || !handle) return fail("a stream was destroyed that does not exist");
  complete(stream, submitted);
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  return none();  // the object stays: events may refer to it
}

PyObject* runtime_streamSynchronize(intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("a wait for a stream that does not exist");
  null_device_counts[WAITS]++;
  return wait(stream, submitted) ? none() : nullptr;
}

PyObject* runtime_streamWaitEvent(intptr_t handle, intptr_t event, int, void*) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("a wait of a stream that does not exist");
  const Event recorded = *(Event*)event;
  if (recorded.stream) enqueue(stream, [=] { complete(recorded.stream, recorded.number); });
  return none();
}

intptr_t runtime_eventCreate(int) { return (intptr_t)new Event; }
intptr_t runtime_eventCreateWithFlags(unsigned, int) { return (intptr_t)new Event; }

PyObject* runtime_eventDestroy(intptr_t event, int) {
  delete (Event*)event;
  return none();
}

PyObject* runtime_eventRecord(intptr_t event, intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("an event in a stream that does not exist");
  *(Event*)event = {stream, submitted};
  return none();
}

PyObject* runtime_eventQuery(intptr_t event, int) {
  const Event& recorded = *(Event*)event;
  const bool done = !recorded.stream || recorded.stream->queue.empty() ||
                    recorded.stream->queue.front().number > recorded.number;
  return PyLong_FromLongLong(done ? 0 : NOT_READY);
}

PyObject* runtime_eventSynchronize(intptr_t event, int) {
  const Event& recorded = *(Event*)event;
  null_device_counts[EVENT_WAITS]++;
  return !recorded.stream || wait(recorded.stream, recorded.number) ? none() : nullptr;
}

// --- runtime: graphs

int runtime_streamIsCapturing(intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  return stream && is_recorded(stream);
}

PyObject* runtime_streamBeginCapture(intptr_t handle, int, void*) {
  Stream* stream = find_stream(handle);
  if (!stream || !handle) return fail("the default stream, or one that does not exist, cannot be recorded");
  if (is_recorded(stream)) return fail("the stream is already recorded");
  stream->recording = std::make_shared<Recording>();
  return none();
}

intptr_t runtime_streamEndCapture(intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  if (!stream || !is_recorded(stream)) {
    fail("the stream is not recorded");
    return 0;
  }
  std::shared_ptr<Recording> recording;
  recording.swap(stream->recording);
  if (!recording->valid) {
    fail("the recording is invalid because of an earlier error");
    return 0;
  }
  return (intptr_t)new std::shared_ptr<Recording>(recording);
}

intptr_t runtime_graphInstantiate(intptr_t graph, int) {
  return (intptr_t)new std::shared_ptr<Recording>(*(std::shared_ptr<Recording>*)graph);
}

PyObject* runtime_graphLaunch(intptr_t graph, intptr_t handle, int) {
  Stream* stream = find_stream(handle);
  if (!stream) return fail("a graph in a stream that does not exist");
  const std::shared_ptr<Recording> recording = *(std::shared_ptr<Recording>*)graph;
  null_device_counts[GRAPH_NODES] += recording->nodes;
  submit(stream, GRAPHS, "graph", [=] {
    for (const auto& run : recording->work) run();
  });
  return none();
}

PyObject* runtime_graphUpload(intptr_t, intptr_t, int) { return none(); }

PyObject* runtime_graphDestroy(intptr_t graph, int) {
  delete (std::shared_ptr<Recording>*)graph;
  return none();
}

PyObject* runtime_graphExecDestroy(intptr_t graph, int) { return runtime_graphDestroy(graph, 0); }

// --- driver: kernels, in shared libraries that are built from the source that CuPy generates

int driver_ctxGetDevice(int) { return 0; }
intptr_t driver_ctxGetCurrent(int) { return 1; }

intptr_t driver_moduleLoadData(PyObject* path, int) {
  void* library = dlopen(PyBytes_AsString(path), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail(dlerror());
  return (intptr_t)library;
}

PyObject* driver_moduleUnload(intptr_t, int) { return none(); }

intptr_t driver_moduleGetFunction(intptr_t module, PyObject* text, int) {
  const std::string name = PyUnicode_AsUTF8(text);
  auto run = (void (*)(void**))dlsym((void*)module, ("run_" + name).c_str());
  auto sizes = (const size_t*)dlsym((void*)module, ("sizes_" + name).c_str());
  if (!run || !sizes) {
    fail("no kernel " + name);
    return 0;
  }
  Kernel* kernel = new Kernel{run, {}, name};
  for (; *sizes; sizes++) kernel->sizes.push_back(*sizes);
  return (intptr_t)kernel;
}

PyObject* driver_launchKernel(intptr_t function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned,
                              unsigned, unsigned, intptr_t handle, intptr_t parameters, intptr_t, int) {
  Stream* stream = find_stream(handle);
  const Kernel* kernel = (Kernel*)function;
  if (!stream) return fail("a kernel in a stream that does not exist");
  if (!blocks || !threads || threads > 1024) return fail("the kernel " + kernel->name + " has an invalid grid");
  std::vector<std::string> copies;  // CUDA has read the arguments when the call returns
  for (size_t k = 0; k < kernel->sizes.size(); k++) {
    copies.emplace_back(((char**)parameters)[k], kernel->sizes[k]);
  }
  submit(stream, KERNELS, kernel->name.c_str(), [=]() mutable {
    std::vector<void*> arguments;
    for (std::string& bytes : copies) arguments.push_back(&bytes[0]);
    kernel->run(arguments.data());
  });
  return none();
}
}
