// Operations over the arrays of all processes of a group. In a group of one, what combines arrays is its argument, and
// there is nobody to send to or to receive from. Derivatives and batches pass through as through the argument itself.
#pragma once

#include <optional>

#include "melix/distributed/group.h"
#include "melix/graph/array.h"

namespace melix::distributed {

/// No group means that of init().
using MaybeGroup = std::optional<Group>;

/// The sum, the largest and the smallest of the arrays of all processes, element by element.
array all_sum(const array& x, const MaybeGroup& group = {}, StreamOrDevice s = {});
array all_max(const array& x, const MaybeGroup& group = {}, StreamOrDevice s = {});
array all_min(const array& x, const MaybeGroup& group = {}, StreamOrDevice s = {});

/// The arrays of all processes, joined along the first axis.
array all_gather(const array& x, const MaybeGroup& group = {}, StreamOrDevice s = {});

/// This process' part, along the first axis, of the sum of the arrays of all processes.
array sum_scatter(const array& x, const MaybeGroup& group = {}, StreamOrDevice s = {});

/// An array like x, which is sent to the process `dst` when it is evaluated. Throws Code::value in a group of one.
array send(const array& x, int dst, const MaybeGroup& group = {}, StreamOrDevice s = {});

/// An array that the process `src` sends, of this shape and dtype, or like x. Throws Code::value in a group of one.
array recv(const Shape& shape, Dtype dtype, int src, const MaybeGroup& group = {}, StreamOrDevice s = {});
array recv_like(const array& x, int src, const MaybeGroup& group = {}, StreamOrDevice s = {});

}  // namespace melix::distributed
