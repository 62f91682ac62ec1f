// Program: an exported function between its trace and its file. It knows operations and attributes, no files (format.h)
// and no way to look for a trace by its arguments (export.h).
//
// Values of a trace are numbered: first its inputs, then the results of its calls. Constants have numbers of their own
// with the highest bit set; all traces of a program share them. `x * 2 + y` over inputs x, y:
//   v2 = multiply v0 c0
//   v3 = add v2 v1
#pragma once

#include "melix/transforms/export/export.h"

namespace melix::exporting {

inline constexpr uint32_t kConstant = 1u << 31;

/// Where a call runs when it is imported: on the device of the imported call, or on one that the function named.
enum class Placement : uint8_t { caller, cpu, gpu };

struct Input {
  std::string keyword;  // empty: positional
  Aval example;         // what it was traced with
  uint64_t any = 0;     // bit d: axis d may have any length
};

struct Call {
  const Op* op = nullptr;
  Ref<const Attrs> attrs;
  Placement placement = Placement::caller;
  SmallVector<uint32_t, 4> inputs;
  Avals outputs;        // in the trace
  uint64_t offset = 0;  // in the file it was read from, for messages
};

struct Trace {
  std::vector<Input> inputs;  // positional ones first, then keywords in the order of their names
  std::vector<Call> calls;
  std::vector<uint32_t> outputs;
};

struct Program {
  std::string metadata;
  std::vector<array> constants;
  std::vector<Trace> traces;
};

/// The trace of a function for arguments like these. The arrays it captures are computed and become constants, unless
/// they are constants already.
Trace record(Program& program, std::vector<Input> inputs, const Function& fun);

/// The same for a function of named arrays, and arguments like these.
Trace record_call(Program& program, const KeywordFunction& fun, const std::vector<array>& args,
                  const KeywordArrays& kwargs);

/// The results of a trace for these inputs: lazy, as if the function had been called. Throws what the operations do.
std::vector<array> run(const Program& program, const Trace& trace, std::span<const array> inputs);

/// Runs the trace on placeholders. Throws Code::value, naming file and offset, where an operation does not take what it
/// gets, or gives something else than when it was exported.
void verify(const Program& program, const Trace& trace, const std::string& file);

}  // namespace melix::exporting
