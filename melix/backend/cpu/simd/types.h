// What the functions compiled per instruction set take and give, for those who call them and those who define them.
#pragma once

#include <cstdint>

#include "melix/core/dtype.h"

namespace melix {
enum class QuantFormat : uint8_t;  // quant_modes.h
}

namespace melix::cpu {

/// One elementwise operation over a block: inputs it does not have are null. Any pointer may equal `out`.
using ElementwiseFn = void (*)(const void* a, const void* b, const void* c, void* out, int64_t n);

/// Ways to fold many elements into one.
enum class Fold : uint8_t { sum, prod, max, min, all, any };

/// fold_block: folds n elements at x into the one accumulator at `into` (overwrites it).
/// fold_columns: folds element i at x into accumulator i at `into`, for n of them.
/// Accumulators have the type that accumulator_of names.
using FoldFn = void (*)(const void* x, int64_t n, void* into);

struct ProductTile;
struct QuantDots;
struct QuantLayout;
struct QuantPart;
struct SkinnyProduct;
struct FftPass;
struct FftLanes;
struct RopeRows;
struct DeltaSteps;
struct DeltaSlopes;
struct PatchProduct;
struct PatchGradient;
struct DepthwiseRow;
struct DepthwiseGradient;

/// How a scattered element meets the one that is there.
enum class Combine : uint8_t { replace, add, prod, max, min, divide };

/// to[at[i]] meets from[from_at[i]], for i = 0 ... n - 1 in this order; an offset of kDropped (windows.h) is left out.
using ScatterFn = void (*)(void* to, const int64_t* at, const void* from, const int64_t* from_at, int64_t n);

/// Elements whose key does not say what they were (see sort_keys.cpp), added up.
struct SortSpecials {
  int64_t nans = 0, negative_zeros = 0;
};

/// Cumulative operations (see scan.cpp there).
enum class Scan : uint8_t { sum, prod, max, min, logsumexp };

/// Bytes of the running result of one row, at most.
inline constexpr int kScanCarry = 24;

struct ScanLoops {
  /// Running results of nothing, for n rows side by side.
  void (*start)(void* carries, int64_t n);
  /// The next n elements of one row, or the n before them (`reverse`: from the last one on). Without `to`, only the
  /// running result is wanted.
  void (*row)(const void* from, int64_t n, void* to, void* carry, bool reverse);
  /// The next element of n rows side by side.
  void (*column)(const void* from, int64_t n, void* to, void* carries);
  /// The running result of a row goes on by that of what comes next.
  void (*append)(void* carry, const void* next);
  /// n times what stands before the first element.
  void (*before_first)(void* to, int64_t n);
};

/// A normalised row is (x - mean) * factor.
struct NormRow {
  double mean, factor;
};
struct NormMoments {
  double distances, squares;
};
/// A row, the cotangent of its result, and the weight (null: none).
struct NormSlopes {
  const void *x, *g, *weight;
  NormRow row;
};

}  // namespace melix::cpu
