// Orders of elements: sorting, the elements or places of a given rank, searching in what is sorted.
//
// The order: numbers ascend; NaN comes last, whatever its sign; -0 equals 0; complex numbers are ordered by the real
// part, then by the imaginary part, those with NaN last. Elements that are equal keep the order of their places.
#pragma once

#include "melix/ops/reduce.h"

namespace melix {

namespace op {
extern const Op sort, argsort, partition, argpartition, searchsorted, unique;
}

/// Elements at the places [begin, end) of each row partitioned around place `kth`.
struct PartitionAttrs : Attributes<PartitionAttrs> {
  int64_t kth, begin, end;
  static constexpr auto fields() {
    return std::tuple{field("kth", &PartitionAttrs::kth), field("begin", &PartitionAttrs::begin),
                      field("end", &PartitionAttrs::end)};
  }
};

struct SearchAttrs : Attributes<SearchAttrs> {
  bool right;
  static constexpr auto fields() { return std::tuple{field("right", &SearchAttrs::right)}; }
};

struct UniqueAttrs : Attributes<UniqueAttrs> {
  int64_t size;
  static constexpr auto fields() { return std::tuple{field("size", &UniqueAttrs::size)}; }
};

/// The elements in ascending order along an axis; of the flattened array, without one. Stable; NaN comes last.
array sort(const array& a, std::optional<int> axis = -1, StreamOrDevice s = {});

/// The places (uint32) of the elements in ascending order along an axis; in the flattened array, without one. Stable:
/// equal elements stand in the order of their places. NaN comes last.
array argsort(const array& a, std::optional<int> axis = -1, StreamOrDevice s = {});

/// The elements around the one that is at place `kth` when sorted (a negative place counts from the end): smaller ones
/// come before it, larger ones behind. Both keep their order.
array partition(const array& a, int64_t kth, std::optional<int> axis = -1, StreamOrDevice s = {});

/// The places (uint32) of the elements in the order of partition().
array argpartition(const array& a, int64_t kth, std::optional<int> axis = -1, StreamOrDevice s = {});

/// The `k` largest elements along an axis (of the flattened array, without one). The smallest of them comes first, the
/// others follow in the order of their places. NaN counts as the largest.
array topk(const array& a, int64_t k, std::optional<int> axis = -1, StreamOrDevice s = {});

/// Where `values` would stand in the sorted 1-d array, as uint32: with side "left" the number of elements that are
/// less, with "right" of those that are not greater. NaN is greater than all numbers and equal to NaN.
array searchsorted(const array& sorted_sequence, const array& values, const std::string& side = "left",
                   StreamOrDevice s = {});

/// The `size` smallest different elements of the flattened array, ascending; NaNs are all different. Where there are
/// fewer, the rest is `fill_value`, by default the smallest element.
///
/// On request followed by: the place (uint32) of each one's first occurrence; for each element of `a` (in its shape)
/// the place of its value among the results, at most size - 1; how often (int32) each occurs, 0 for what was filled up.
/// @python returns=one_or_tuple
std::vector<array> unique(const array& a, int64_t size, bool return_index = false,
                          bool return_inverse = false, bool return_counts = false,
                          const std::optional<array>& fill_value = std::nullopt, StreamOrDevice s = {});

/// The middle element along axes when sorted (all axes by default); of an even number the mean of the two in the
/// middle. NaN if there is one. Integers and bool give float32.
array median(const array& a, const MaybeAxes& axis = std::nullopt, bool keepdims = false,
             StreamOrDevice s = {});

}  // namespace melix
