// Evaluation: computes arrays now, or on a worker thread. Any number of threads may evaluate graphs that share arrays.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "melix/graph/node.h"

namespace melix {

/// Computes the arrays and everything they need; returns when their values are there. On an error (Code::memory, ...)
/// nothing is lost: the same arrays can be evaluated again.
void eval(std::span<const array> arrays);
template <class... Arrays>
requires(std::same_as<Arrays, array>&&...) void eval(const array& first, const Arrays&... rest) {
  array all[] = {first, rest...};
  eval(std::span<const array>(all));
}

/// Starts computing the arrays on their stream's worker and returns. Whoever reads a value waits for it; an error
/// surfaces there.
void async_eval(std::span<const array> arrays);

/// Waits until all work given to a stream so far is done (of the default device's, without one).
void synchronize(std::optional<Stream> stream = std::nullopt);

}  // namespace melix
