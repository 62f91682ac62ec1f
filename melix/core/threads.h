// The pool of threads that parallel work runs on: one for the process. Not for tasks that wait for one another, nor for
// input and output; a stream's worker is a thread of its own.
#pragma once

#include <cstdint>

#include "melix/core/function_ref.h"

namespace melix {

/// Most threads that the pool ever uses.
inline constexpr int kMaxThreads = 1024;

/// Threads that parallel work uses, the caller among them: MELIX_NUM_THREADS (1 to kMaxThreads, may exceed the cores;
/// anything else is ignored), else the cores that affinity and cgroup quota leave to the process. Fewer where the
/// system gave fewer.
int num_threads();

/// Changes num_threads() from now on; 0 or less gives the default back. Any thread may call it at any time.
void set_num_threads(int n);

/// Runs body(begin, end) for the pieces [k * grain, min(n, (k + 1) * grain)) of [0, n). The pieces depend on n and
/// grain alone, never on threads, so that what is summed within a piece has the same bits everywhere. Which thread
/// runs which piece, and in which order, is not defined. Returns when all of them ended, and their writes are seen.
///
/// Everything runs on the caller, in order, if there is one piece or one thread, or inside the body of another
/// parallel_for of several pieces. Any number of threads may call at once: each works on its own pieces,
/// idle workers help wherever there are some.
/// The first exception is rethrown when the pieces that were running ended; pieces that had not begun do not run.
/// After fork the child starts without workers and makes its own on need; a child forked by a body may only exec or
/// _exit.
void parallel_for(int64_t n, int64_t grain, function_ref<void(int64_t, int64_t)> body);

}  // namespace melix
