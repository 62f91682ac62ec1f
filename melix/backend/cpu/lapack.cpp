// Finding LAPACK's functions in the library that blas.cpp loaded.
#include "melix/backend/cpu/lapack.h"

#include <string>

#include "melix/core/error.h"

namespace melix::cpu {
namespace {

template <class T>
constexpr char kLetter = std::is_same_v<T, float>    ? 's'
                         : std::is_same_v<T, double> ? 'd'
                                                     : 'c';

template <class Function>
void find(const Blas& blas, const std::string& name, Function& function) {
  function = reinterpret_cast<Function>(blas.symbol(name.c_str()));
  if (!function) fail(Code::runtime, "linalg", blas.path, " has no function ", name);
}

template <class T>
Lapack<T> load(const Blas& blas) {
  Lapack<T> out;
  auto lapacke = [&](const char* real, const char* complex, auto& function) {
    const char* name = Lapack<T>::kComplex ? complex : real;
    find(blas, std::string("LAPACKE_") + kLetter<T> + name + "_work", function);
  };
  lapacke("getrf", "getrf", out.getrf);
  lapacke("getri", "getri", out.getri);
  lapacke("potrf", "potrf", out.potrf);
  lapacke("trtri", "trtri", out.trtri);
  lapacke("gelqf", "gelqf", out.gelqf);
  lapacke("orglq", "unglq", out.orglq);
  lapacke("gesdd", "gesdd", out.gesdd);
  lapacke("syevd", "heevd", out.syevd);
  lapacke("geev", "geev", out.geev);
  find(blas, std::string("cblas_") + kLetter<T> + "trsm", out.trsm);
  return out;
}

}  // namespace

template <class T>
const Lapack<T>& lapack(const char* op) {
  const Blas* found = blas();
  if (!found) {
    fail(Code::runtime, op,
         "needs LAPACK: install the Python package scipy-openblas32 or the system's libopenblas0, or name an "
         "OpenBLAS in MELIX_BLAS");
  }
  static const Lapack<T> functions = load<T>(*found);
  return functions;
}

template const Lapack<float>& lapack(const char*);
template const Lapack<double>& lapack(const char*);
template const Lapack<complex64_t>& lapack(const char*);

}  // namespace melix::cpu
