// The text of an einsum as sets of labels, and the order in which its operands are contracted. No array is touched
// here.
#pragma once

#include <bitset>
#include <string>
#include <vector>

#include "melix/core/shape.h"

namespace melix {

/// Labels are numbered from 0: letters and axes of the ellipsis. An array has at most 64 axes, there are 52 letters.
using LabelSet = std::bitset<128>;
using Labels = std::vector<int>;

struct Equation {
  std::vector<Labels> inputs;  // one label per axis; an axis may repeat one
  Labels output;
  std::vector<int64_t> sizes;  // of each label
  std::string text;            // "ij,jk->ik", without spaces, the output spelled out

  LabelSet set(const Labels& labels) const;
  /// Product of the sizes; may be infinite.
  double size(const LabelSet& labels) const;
};

/// Reads subscripts for operands of these shapes. Throws Code::value naming einsum.
Equation parse_equation(const std::string& subscripts, const std::vector<Shape>& shapes);

struct Contraction {
  /// Places of the operands that meet, in the list of those that are left; the result goes to its end.
  std::vector<std::vector<int>> steps;
  double naive_flops = 0, flops = 0;
  int naive_scaling = 0, scaling = 0;  // labels of the largest loop
};

/// The cheapest order for up to 8 operands; for more the next pair is the one that shrinks the operands most.
Contraction contraction_of(const Equation& equation);

}  // namespace melix
