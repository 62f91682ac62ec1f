// See collectives.h.
#include "melix/distributed/collectives.h"

#include "melix/core/error.h"
#include "melix/ops/shape.h"

namespace melix::distributed {
namespace {

// What every combination of the arrays of one process gives: the same elements, as a result of the stream that was
// named.
array alone(const array& x, StreamOrDevice s) { return make(op::identity, {}, {x}, s); }

}  // namespace

array all_sum(const array& x, const MaybeGroup&, StreamOrDevice s) { return alone(x, s); }
array all_max(const array& x, const MaybeGroup&, StreamOrDevice s) { return alone(x, s); }
array all_min(const array& x, const MaybeGroup&, StreamOrDevice s) { return alone(x, s); }
array all_gather(const array& x, const MaybeGroup&, StreamOrDevice s) { return alone(x, s); }
array sum_scatter(const array& x, const MaybeGroup&, StreamOrDevice s) { return alone(x, s); }

array send(const array&, int dst, const MaybeGroup&, StreamOrDevice) {
  fail(Code::value, "send", "a group of one process has no process ", dst, " to send to");
}

array recv(const Shape&, Dtype, int src, const MaybeGroup&, StreamOrDevice) {
  fail(Code::value, "recv", "a group of one process has no process ", src, " to receive from");
}

array recv_like(const array& x, int src, const MaybeGroup& group, StreamOrDevice s) {
  return recv(x.shape(), x.dtype(), src, group, s);
}

}  // namespace melix::distributed
