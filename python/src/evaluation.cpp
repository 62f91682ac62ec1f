// See evaluation.h.
#include "python/src/evaluation.h"

#include "melix/ops/depends.h"
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
  m.def(
      "depends",
      [](nb::handle inputs, nb::handle dependencies) {
        return rebuild(inputs, depends(flatten(inputs), flatten(dependencies)));
      },
      nb::arg("inputs"), nb::arg("dependencies"),
      "The arrays of `inputs` (one, or a list) unchanged, but evaluated only after all of `dependencies` "
      "are. No "
      "gradient flows to these.");
}

}  // namespace melix::python
