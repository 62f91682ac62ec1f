// Signs, sizes and neighbours of floating numbers, which the bits say: signbit, copysign, nextafter, and hypot, which
// minds their range. Composed of other operations.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Whether the sign is negative: of -0.0 and of NaNs with the sign bit too. Not defined for complex numbers.
///
///     >>> mx.signbit(mx.array([-0.0, 0.0, -2.0])).tolist()
///     [True, False, True]
array signbit(const array& a, StreamOrDevice s = {});

/// The size of `a` with the sign of `b`. Integers are converted to float32.
array copysign(const array& a, const array& b, StreamOrDevice s = {});

/// The next number of the type from `a` towards `b`; `b` where they are equal. Integers are converted to float32.
array nextafter(const array& a, const array& b, StreamOrDevice s = {});

/// sqrt(a^2 + b^2), without overflow or underflow on the way; infinite if one is, even beside NaN. Integers are
/// converted to float32.
array hypot(const array& a, const array& b, StreamOrDevice s = {});

}  // namespace melix
