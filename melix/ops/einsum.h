// Einstein summation: products of arrays with labelled axes, summed over the labels that the result does not have.
#pragma once

#include "melix/graph/op.h"

namespace melix {

/// Sums of products over labelled axes: "ij,jk->ik" is a matrix product. Each operand has a letter for each axis;
/// letters that are not in the output are summed over, and a letter twice in one operand takes the diagonal. "..."
/// stands for all axes without a letter, which broadcast. Without "->" the output is the ellipsis and the letters
/// that occur once, in alphabetical order. Axes of length 1 broadcast. Operands meet two at a time, in the order of
/// einsum_path.
/// @python manual
array einsum(const std::string& subscripts, const std::vector<array>& operands, StreamOrDevice s = {});

/// The order in which einsum contracts its operands: the places of those that meet, in the list of operands that are
/// left, to whose end the result goes; and a report for people.
/// @python manual
std::pair<std::vector<std::vector<int>>, std::string> einsum_path(const std::string& subscripts,
                                                                  const std::vector<array>& operands);

}  // namespace melix
