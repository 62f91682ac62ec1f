// Runs a function that was exported from Python (or C++): run_exported FILE. Its inputs are ramps of its own shapes; it
// prints one line for each result. Without a file it exports one first.
#include <melix/melix.h>

#include <cstdio>
#include <string>

namespace mx = melix;

int main(int argc, char** argv) {
  std::string path = argc > 1 ? argv[1] : "exported.mxfn";
  mx::array x = mx::arange(0, 6, 1, mx::float32);
  if (argc < 2) {
    auto half = [](const std::vector<mx::array>& in) { return std::vector<mx::array>{in[0] / 2}; };
    mx::export_function(path, mx::Function(half), {x});
  }
  mx::ImportedFunction function = mx::import_function(path);
  for (const mx::array& result : function({x})) {
    mx::array total = mx::astype(mx::sum(result), mx::float32);
    std::printf("%lld numbers, their sum is %.6f\n", static_cast<long long>(result.size()),
                total.item<float>());
  }
  if (!function.metadata().empty()) std::printf("%s\n", function.metadata().c_str());
}
