// The streams of the null device, for its parts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

enum Count {
  KERNELS,
  PRODUCTS,
  GRAPHS,  // launches of recordings
  GRAPH_NODES,
  UPLOADS,
  DOWNLOADS,
  DEVICE_COPIES,
  FILLS,
  WAITS,  // for all work of a stream or of the device
  EVENT_WAITS,
  MALLOCS,
  PINNED_ALLOCATIONS,
  COUNTS
};

struct Stream;

// The stream of a handle, or nullptr if there is none; 0 is the default stream.
Stream* find_stream(intptr_t handle);

// True if what is submitted to the stream is recorded in a graph instead of done.
bool is_recorded(const Stream* stream);

// Queue work in a stream, or record it, and count it.
void submit(Stream* stream, Count kind, const char* name, std::function<void()> work);
