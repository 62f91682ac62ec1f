// compile: a function traced once per shapes and dtypes of its arguments, whose calls run a plan without building a
// graph.
#pragma once

#include <memory>

#include "melix/transforms/autodiff.h"

namespace melix {

/// What a traced call gives: the results, and whatever the function wants to remember about them.
struct Traced {
  std::vector<array> results;
  std::shared_ptr<void> note;
};

/// The traces of one function. Any thread may call it.
class CompileCache {
 public:
  using TracedFunction = std::function<Traced(const std::vector<array>&)>;

  CompileCache();
  ~CompileCache();

  /// The function's results for these inputs: lazy, one node in the graph, with the note of their trace. The function
  /// is called when shapes, dtypes or `key` (whatever else the caller's function depends on) were not seen before.
  Traced call(const TracedFunction& fun, const std::vector<array>& inputs, uint64_t key = 0);

 private:
  struct Traces;
  std::unique_ptr<Traces> traces_;
};

/// The function compiled. What it does besides computing on arrays happens while it is traced, once per shapes.
Function compile(Function fun);

/// Makes compile give functions as they are (for debugging), and undoes it. MELIX_DISABLE_COMPILE=1 does it from the
/// start.
void disable_compile();
void enable_compile();

}  // namespace melix
