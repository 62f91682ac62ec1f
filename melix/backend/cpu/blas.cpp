// Finding and loading OpenBLAS.
#include "melix/backend/cpu/blas.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "melix/backend/cpu/simd/simd.h"
#include "melix/core/error.h"

namespace melix::cpu {
namespace {

constexpr const char* kPackageFile = "scipy_openblas32/lib/libscipy_openblas.so";

// <site-packages>/scipy_openblas32/lib/..., from <site-packages>/melix/lib/libmelix.so.
std::string beside_this_library() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&beside_this_library), &info) || !info.dli_fname) return {};
  std::string path = info.dli_fname;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash) + "/../../" + kPackageFile;
}

// What OpenBLAS is told through its environment variables, which it reads while it is loaded.
std::vector<std::string> settings() {
  std::vector<std::string> out = {"OPENBLAS_NUM_THREADS=1"};  // start no threads
  if (!std::getenv("MELIX_CPU")) return out;                  // it knows the processor
  std::string_view isa = simd().name;
  if (isa == "avx2") out.push_back("OPENBLAS_CORETYPE=Haswell");
  if (isa == "sse4") out.push_back("OPENBLAS_CORETYPE=Nehalem");
  return out;
}

// Loads under an environment with the settings in front, which hide later ones of the same name. Another array of
// variables stands in `environ` meanwhile: setenv could move the one that other threads are reading. Nothing of it is
// ever freed, as they may be reading it too.
void* open_with_settings(const std::string& path, std::string* error) {
  static auto* added = new std::vector<std::string>(settings());
  static auto* arrays = new std::vector<std::vector<char*>>;
  std::vector<char*> variables;
  for (std::string& setting : *added) variables.push_back(setting.data());
  char** old = environ;
  for (char** v = old; v && *v; v++) variables.push_back(*v);
  variables.push_back(nullptr);
  char** ours = arrays->emplace_back(std::move(variables)).data();
  environ = ours;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) *error = dlerror();
  if (environ == ours) environ = old;
  return handle;
}

// Whether kernels for this core (OpenBLAS's name of it) use vectors as wide as ours. OpenBLAS takes an older core
// where it does not know the processor, or where OPENBLAS_CORETYPE says so; half the width is half the speed.
bool as_wide_as_ours(std::string_view core) {
  std::string_view isa = simd().name;
  auto is_one_of = [core](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), core) != names.end();
  };
  bool narrow = is_one_of({"Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom", "Opteron",
                           "Opteron_SSE3", "Barcelona", "Bobcat", "Nano"});
  bool no_fma = narrow || is_one_of({"Sandybridge", "Bulldozer"});
  bool no_avx512 = no_fma || is_one_of({"Haswell", "Zen", "Piledriver", "Steamroller", "Excavator"});
  return !(isa == "avx512" ? no_avx512 : isa == "avx2" ? no_fma : false);
}

// The functions behind the handle; null when some are missing.
std::unique_ptr<Blas> functions(void* handle) {
  auto out = std::make_unique<Blas>();
  out->handle = handle;
  for (const char* prefix : {"scipy_", ""}) {
    out->prefix = prefix;
    out->sgemm = reinterpret_cast<GemmFn<float>>(out->symbol("cblas_sgemm"));
    out->dgemm = reinterpret_cast<GemmFn<double>>(out->symbol("cblas_dgemm"));
    out->cgemm = reinterpret_cast<ComplexGemmFn>(out->symbol("cblas_cgemm"));
    if (!out->sgemm || !out->dgemm || !out->cgemm) continue;
    if (auto set = reinterpret_cast<void (*)(int)>(out->symbol("openblas_set_num_threads"))) set(1);
    if (auto config = reinterpret_cast<const char* (*)()>(out->symbol("openblas_get_config")))
      out->description = config();
    auto core = reinterpret_cast<const char* (*)()>(out->symbol("openblas_get_corename"));
    out->as_wide_as_ours = core ? as_wide_as_ours(core()) : true;
    return out;
  }
  return nullptr;
}

const Blas* load() {
  const char* chosen = std::getenv("MELIX_BLAS");
  bool named = chosen && *chosen;
  if (named && std::string(chosen) == "none") return nullptr;
  std::vector<std::string> paths;
  if (named) {
    paths = {chosen};
  } else {
    paths = {beside_this_library()};
#ifdef MELIX_OPENBLAS_DIR
    paths.push_back(MELIX_OPENBLAS_DIR "/libscipy_openblas.so");
#endif
    paths.push_back("libopenblas.so.0");
  }
  std::string error;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    void* handle = open_with_settings(path, &error);
    if (!handle) continue;
    if (auto found = functions(handle)) {
      found->path = path;
      return found.release();
    }
    dlclose(handle);
    error = "it has no cblas_sgemm, cblas_dgemm and cblas_cgemm";
  }
  if (named) fail(Code::runtime, "matmul", "MELIX_BLAS is ", chosen, ": ", error);
  return nullptr;
}

}  // namespace

void* Blas::symbol(const char* name) const { return dlsym(handle, (std::string(prefix) + name).c_str()); }

const Blas* blas() {
  static const Blas* loaded = load();
  return loaded;
}

}  // namespace melix::cpu
