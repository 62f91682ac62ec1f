// Windows of signal processing: tapers that a piece of a signal is multiplied by before its spectrum is taken. All are
// float32, computed in float64 and rounded once; without points they are empty, one point is a 1. (windows.h is about
// something else: parts of arrays that index arrays place.)
#pragma once

#include "melix/graph/array.h"

namespace melix {

/// The Hann window of M points: 0.5 - 0.5 * cos(2 pi n / (M - 1)).
///
///     >>> mx.hanning(5).tolist()
///     [0.0, 0.5, 1.0, 0.5, 0.0]
/// @python rename=points:M
array hanning(int64_t points, StreamOrDevice s = {});

/// The Hamming window of M points: 0.54 - 0.46 * cos(2 pi n / (M - 1)).
/// @python rename=points:M
array hamming(int64_t points, StreamOrDevice s = {});

/// The Blackman window of M points: 0.42 - 0.5 * cos(2 pi n / (M - 1)) + 0.08 * cos(4 pi n / (M - 1)).
/// @python rename=points:M
array blackman(int64_t points, StreamOrDevice s = {});

/// The Bartlett window of M points, a triangle: 1 - |2 n / (M - 1) - 1|.
/// @python rename=points:M
array bartlett(int64_t points, StreamOrDevice s = {});

}  // namespace melix
