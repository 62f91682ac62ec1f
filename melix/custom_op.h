// Operations from outside of the tree: everything that one needs, in one include. docs/custom-operations.md shows how;
// examples/custom_op is a whole one.
//
//   struct AverageAttrs : Attributes<AverageAttrs> { ... };      graph/attrs.h: what it knows besides its inputs
//   const Op moving_average{.name = "moving_average", ...};    graph/op.h: its rules
//   void kernel(const Call& call);                             backend/backend.h: inputs in memory, outputs with memory
//   register_op(moving_average, DeviceType::cpu, kernel);      below
//   make(moving_average, attrs, {x});                          graph/op.h: a call of it, lazy
#pragma once

#include "melix/backend/backend.h"
#include "melix/core/element.h"
#include "melix/core/threads.h"
#include "melix/graph/op.h"
