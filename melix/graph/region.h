// Region: a fused group of elementwise operations as a small program over blocks, free of nodes and shapes.
//
// Values are numbered: first the inputs, then one per instruction. `x * 2 + y` over inputs (x, 2, y):
//   v3 = multiply v0 v1
//   v4 = add v3 v2
#pragma once

#include "melix/graph/array.h"

namespace melix {

/// Most instructions of one region.
inline constexpr int kMaxRegion = 64;

struct Instruction {
  int16_t elementwise;  // row of ops/elementwise.inc
  Dtype in;             // dtype computed with (of the last argument)
  Dtype out;
  uint8_t arity;
  uint16_t args[3];  // value numbers
};

struct Region {
  SmallVector<Dtype, 4> inputs;
  SmallVector<Instruction, 8> body;
  SmallVector<uint16_t, 2> outputs;  // value numbers of instructions

  Dtype dtype(uint16_t value) const {
    return value < inputs.size() ? inputs[value] : body[value - inputs.size()].out;
  }
};

}  // namespace melix
