// Export: functions of arrays as files. A file holds one function traced for one or several sets of arguments, with the
// arrays it captured, and runs wherever the library does, from C++, Python or C. docs/export.md has the format.
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "melix/transforms/autodiff.h"

namespace melix {

using KeywordArrays = std::map<std::string, array>;

/// A function of positional and named arrays.
using KeywordFunction =
    std::function<std::vector<array>(const std::vector<array>& args, const KeywordArrays& kwargs)>;

/// A trace as data. Arrays have the names A, B, C, ...
struct ExportedArray {
  std::string name;
  Shape shape;
  Dtype dtype;
};
struct ExportedCall {
  std::string name;
  AttrList attributes;
  std::vector<ExportedArray> inputs, outputs;
};
struct ExportedGraph {
  std::vector<ExportedArray> inputs;                          // positional, then named
  std::vector<std::pair<std::string, std::string>> keywords;  // keyword, name of the array
  std::vector<std::pair<std::string, array>> constants;       // name, values
  std::vector<ExportedCall> calls;                            // in order
  std::vector<ExportedArray> outputs;
};

/// Collects traces of one function and writes them into one file when it is closed. Until then the file is as it was;
/// an exporter that is destroyed without being closed writes nothing.
class FunctionExporter {
 public:
  /// With `shapeless`, traces also hold for other lengths of the axes that they do not depend on.
  FunctionExporter(std::string path, KeywordFunction fun, bool shapeless = false, std::string metadata = {});
  FunctionExporter(FunctionExporter&&) noexcept;
  FunctionExporter& operator=(FunctionExporter&&) noexcept;
  ~FunctionExporter();

  /// Adds the trace for arguments of these shapes, dtypes and names. Throws Code::runtime when there is one already or
  /// the exporter is closed.
  void operator()(const std::vector<array>& args, const KeywordArrays& kwargs = {});
  /// Writes the file, at once or not at all. Throws Code::io. A second call does nothing.
  void close();
  /// Forgets everything; nothing is written.
  void discard() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes one trace of a function into a file.
void export_function(const std::string& path, const KeywordFunction& fun, const std::vector<array>& args,
                     const KeywordArrays& kwargs = {}, bool shapeless = false,
                     const std::string& metadata = {});
void export_function(const std::string& path, const Function& fun, const std::vector<array>& args,
                     bool shapeless = false, const std::string& metadata = {});

/// The trace that would be written, for programs that translate it into something else.
ExportedGraph exported_graph(const KeywordFunction& fun, const std::vector<array>& args,
                             const KeywordArrays& kwargs = {});

/// A function read from a file. Copies share it; any thread may call it.
class ImportedFunction {
 public:
  /// The results for these arguments: lazy, through the same operations as the function that was exported. Throws
  /// Code::value when no trace of the file fits shapes, dtypes and names.
  std::vector<array> operator()(const std::vector<array>& args, const KeywordArrays& kwargs = {}) const;
  const std::string& metadata() const;

 private:
  friend ImportedFunction import_function(const std::string& path);
  struct State;
  explicit ImportedFunction(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

/// Reads an exported function. Throws Code::io when the file cannot be read, Code::value, with file, offset and reason,
/// when it is not one that this library can run. Nothing in a file is trusted; nothing of it is executed here.
ImportedFunction import_function(const std::string& path);

/// Writes the graph of what is not computed yet of these arrays in the language of Graphviz. `names` are for arrays in
/// it; the others are called A, B, C, ...
void export_to_dot(std::ostream& out, const std::vector<array>& outputs,
                   const std::vector<std::pair<std::string, array>>& names = {});

}  // namespace melix
