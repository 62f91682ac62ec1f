// See evaluation.h.
#include "python/src/evaluation.h"

#include "melix/transforms/eval.h"
#include "python/src/foreign.h"
#include "python/src/trees.h"

namespace melix::python {
void bind_evaluation(nb::module_& m) {
  m.def(
      "eval",
      [](nb::args trees) {
        const std::vector<array> arrays = flatten(trees);
        Unlocked unlocked;
        eval(arrays);
      },
      "Computes arrays now, and returns when their values are there. Takes arrays, and lists, tuples and "
      "dicts of them.");
  m.def(
      "async_eval",
      [](nb::args trees) {
        const std::vector<array> arrays = flatten(trees);
        Unlocked unlocked;
        async_eval(arrays);
      },
      "Starts computing arrays and returns at once. Who reads a value waits for it.");
}

}  // namespace melix::python
