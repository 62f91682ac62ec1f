// See files.h. Paths are read lazily; the bytes of an object are read at once, as no Python runs during evaluation.
#include "python/src/files.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <memory>

#include "melix/io/atomic_file.h"
#include "melix/io/npy.h"
#include "melix/io/source.h"
#include "melix/io/system.h"
#include "melix/ops/save.h"
#include "python/src/foreign.h"

namespace melix::python {
namespace {

using Metadata = std::vector<std::pair<std::string, GGUFMetaData>>;

// ---- text: UTF-8, where bytes that are not are kept as lone surrogates, as Python does with names of files ----

nb::object text_object(std::string_view text) {
  return steal(PyUnicode_DecodeUTF8(text.data(), Py_ssize_t(text.size()), "surrogateescape"));
}

std::string text_of(nb::handle object) {
  nb::object bytes = steal(PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogateescape"));
  return std::string(PyBytes_AS_STRING(bytes.ptr()), size_t(PyBytes_GET_SIZE(bytes.ptr())));
}

// The path that an argument is, or nothing if it is a file object.
std::optional<std::string> path_of(nb::handle file, const char* op, const char* method) {
  if (PyUnicode_Check(file.ptr()) || PyBytes_Check(file.ptr()) || nb::hasattr(file, "__fspath__")) {
    nb::object bytes = nb::module_::import_("os").attr("fsencode")(file);
    return std::string(PyBytes_AS_STRING(bytes.ptr()), size_t(PyBytes_GET_SIZE(bytes.ptr())));
  }
  if (nb::hasattr(file, method)) return std::nullopt;
  fail(Code::value, op, "takes a path, or a file opened in binary mode, not ", Py_TYPE(file.ptr())->tp_name);
}

// ---- reading ----

// What `file.read(n)` gives; all there is for -1.
nb::object read_object(nb::handle file, int64_t n) {
  nb::object out = n < 0 ? file.attr("read")() : file.attr("read")(n);
  if (!PyBytes_Check(out.ptr())) fail(Code::value, "load", "the file must be opened in binary mode");
  return out;
}

std::string_view bytes_view(const nb::object& bytes) {
  return {PyBytes_AS_STRING(bytes.ptr()), size_t(PyBytes_GET_SIZE(bytes.ptr()))};
}

Ref<io::Source> source_of(const std::string& name, nb::object bytes) {
  const std::string_view view = bytes_view(bytes);
  // The last array may be read on a thread without the interpreter lock.
  std::shared_ptr<void> owner(bytes.release().ptr(), [](void* object) {
    release_with_lock([](void* o) { Py_DECREF(static_cast<PyObject*>(o)); }, object);
  });
  return io::memory_source(name, std::as_bytes(std::span(view)), std::move(owner));
}

// One array, and not a byte more: several can be saved to one file object, and loaded in order.
Ref<io::Source> read_npy(nb::handle file, const std::string& name) {
  std::string all;
  auto more = [&](uint64_t n) {
    while (n > 0) {
      nb::object piece = read_object(file, int64_t(std::min<uint64_t>(n, uint64_t(1) << 30)));
      if (PyBytes_GET_SIZE(piece.ptr()) == 0) return;  // the parser says what is missing
      all += bytes_view(piece);
      n -= std::min<uint64_t>(n, uint64_t(PyBytes_GET_SIZE(piece.ptr())));
    }
  };
  more(10);
  const bool wide = all.size() == 10 && all[6] != 1;
  if (wide) more(2);
  uint64_t header = 0;
  for (size_t i = all.size(); i-- > 8;) header = header << 8 | uint8_t(all[i]);
  more(std::min<uint64_t>(header, 65537));  // one more than a header may have
  const Ref<io::Source> head = io::memory_source(name, all);
  more(io::parse_npy(*head).layout.nbytes);
  return io::memory_source(name, std::move(all));
}

std::string name_of_file(nb::handle file) {
  nb::object name = nb::hasattr(file, "name") ? nb::borrow(file.attr("name")) : nb::none();
  return PyUnicode_Check(name.ptr()) ? text_of(name) : std::string("<file object>");
}

FileFormat format_of(const std::string& name, const std::optional<std::string>& given) {
  const size_t dot = name.rfind('.');
  if (!given && (dot == std::string::npos || name.find('/', dot) != std::string::npos)) {
    fail(Code::value, "load", "the format of ", io::quoted(name),
         " is not known from an ending; give format=");
  }
  const std::string word = given ? *given : name.substr(dot + 1);
  const std::optional<FileFormat> format = file_format(word);
  if (!format)
    fail(Code::value, "load", "unknown file format ", io::quoted(word), " (npy, npz, safetensors, gguf)");
  return *format;
}

// ---- results ----

nb::object metadata_object(GGUFMetaData& value) {
  if (auto* a = std::get_if<array>(&value)) return to_object(std::move(*a));
  if (auto* text = std::get_if<std::string>(&value)) return text_object(*text);
  nb::list out;
  for (const std::string& text : std::get<std::vector<std::string>>(value)) out.append(text_object(text));
  return out;
}

nb::object arrays_object(LoadedFile& file) {
  nb::dict out;
  for (auto& [name, a] : file.arrays) out[text_object(name)] = to_object(std::move(a));
  return out;
}

nb::object load_file(nb::handle file, const std::optional<std::string>& format_name, bool return_metadata,
                     bool gguf_blocks, StreamOrDevice s) {
  const std::optional<std::string> path = path_of(file, "load", "read");
  const std::string name = path ? *path : name_of_file(file);
  const FileFormat format = format_of(name, format_name);
  const bool has_metadata = format == FileFormat::safetensors || format == FileFormat::gguf;
  if (return_metadata && !has_metadata)
    fail(Code::value, "load", "files of the format ", name_of(format), " have no metadata");
  if (gguf_blocks && format != FileFormat::gguf) fail(Code::value, "load", "gguf_blocks is for GGUF files");
  Ref<io::Source> source;
  if (!path)
    source = format == FileFormat::npy ? read_npy(file, name) : source_of(name, read_object(file, -1));
  LoadedFile loaded;
  {
    Unlocked unlocked;
    if (path) source = io::open_file(*path);
    loaded = load_arrays(std::move(source), format, gguf_blocks, s);
  }
  if (format == FileFormat::npy) return to_object(std::move(loaded.arrays[0].second));
  nb::list out;
  out.append(arrays_object(loaded));
  if (return_metadata) {
    nb::dict metadata;
    for (auto& [key, value] : loaded.metadata) metadata[text_object(key)] = metadata_object(value);
    out.append(metadata);
  }
  if (gguf_blocks) {
    nb::dict modes;
    for (auto& [key, mode] : loaded.modes) modes[text_object(key)] = text_object(mode);
    out.append(modes);
  }
  return nb::len(out) == 1 ? nb::object(out[0]) : nb::object(nb::tuple(out));
}

// ---- writing ----

// The write method of an object. Used without the interpreter lock, which it takes for each piece.
class ObjectSink final : public io::Sink {
 public:
  explicit ObjectSink(nb::handle file) : write_(file.attr("write")) {}
  void write(std::span<const std::byte> bytes) override {
    nb::gil_scoped_acquire lock;
    while (!bytes.empty()) {
      char* data = reinterpret_cast<char*>(const_cast<std::byte*>(bytes.data()));
      nb::object view = steal(PyMemoryView_FromMemory(data, Py_ssize_t(bytes.size()), PyBUF_READ));
      nb::object done = write_(view);
      view.attr("release")();
      // Raw files say how much they took; anything else took it all.
      const bool counted = PyLong_Check(done.ptr());
      const size_t n = counted ? PyLong_AsSize_t(done.ptr()) : bytes.size();
      if (PyErr_Occurred()) throw nb::python_error();
      if (n == 0 || n > bytes.size())
        fail(Code::io, "save", "the file object took ", n, " of ", bytes.size(), " bytes");
      bytes = bytes.subspan(n);
    }
  }

 private:
  nb::object write_;
};

void save_to(nb::handle file, FileFormat format, const NamedArrays& arrays, const Metadata& metadata = {},
             bool compressed = false) {
  const std::optional<std::string> path = path_of(file, "save", "write");
  if (path) {
    Unlocked unlocked;
    return save_arrays(*path, format, arrays, metadata, compressed);
  }
  ObjectSink sink(file);
  Unlocked unlocked;
  write_arrays(sink, format, arrays, metadata, compressed);
}

void add(NamedArrays& out, const char* op, const std::string& name, nb::handle value) {
  if (!is_array(value.ptr())) {
    fail(Code::type, op, io::quoted(name), " must be an array, not ", Py_TYPE(value.ptr())->tp_name);
  }
  out.emplace_back(name, array_of(value.ptr()));
}

std::string key_of(const char* op, nb::handle key) {
  if (!PyUnicode_Check(key.ptr()))
    fail(Code::value, op, "keys must be strings, not ", Py_TYPE(key.ptr())->tp_name);
  return text_of(key);
}

NamedArrays named_arrays(const char* op, nb::dict arrays) {
  NamedArrays out;
  for (auto [key, value] : arrays) add(out, op, key_of(op, key), value);
  return out;
}

GGUFMetaData metadata_of(const std::string& key, nb::handle value) {
  if (is_array(value.ptr())) return array_of(value.ptr());
  if (PyUnicode_Check(value.ptr())) return text_of(value);
  std::vector<std::string> texts;
  const bool list = PyList_Check(value.ptr()) || PyTuple_Check(value.ptr());
  for (nb::handle text : list ? nb::list(value) : nb::list()) {
    if (!PyUnicode_Check(text.ptr()))
      fail(Code::type, "save_gguf", "the list ", io::quoted(key), " must be of strings");
    texts.push_back(text_of(text));
  }
  if (!list) {
    fail(Code::type, "save_gguf", "the metadata ", io::quoted(key),
         " must be an array, a string or a list of strings, not ", Py_TYPE(value.ptr())->tp_name);
  }
  return texts;
}

void save_npz(nb::handle file, nb::args args, nb::kwargs kwargs, bool compressed) {
  const char* op = compressed ? "savez_compressed" : "savez";
  NamedArrays arrays;
  for (size_t i = 0; i < args.size(); i++) {
    std::string name = concat("arr_", i);
    if (kwargs.contains(name.c_str())) {
      fail(Code::value, op, "an array without a name cannot stand beside one with the name ", name);
    }
    add(arrays, op, name, args[i]);
  }
  for (auto [key, value] : kwargs) add(arrays, op, text_of(key), value);
  save_to(file, FileFormat::npz, arrays, {}, compressed);
}

}  // namespace

void bind_files(nb::module_& m) {
  m.def("load", &load_file, nb::arg("file"), nb::arg("format") = nb::none(),
        nb::arg("return_metadata") = false, nb::kw_only(), nb::arg("gguf_blocks") = false,
        nb::arg("stream") = nb::none(),
        "Loads the array of an .npy file, or a dict of the arrays of an .npz, .safetensors or .gguf file.\n\n"
        "`file` is a path or an object with a method read. The header is checked at once, the elements of a "
        "file by\n"
        "path are read when they are used. `format` is by default the ending of the name. With "
        "`return_metadata`,\n"
        "which .safetensors and .gguf have, the result is (arrays, metadata). Tensors of a .gguf file in "
        "blocks of\n"
        "Q4_0, Q4_1 and Q8_0 become a weight, scales and biases; with `gguf_blocks` all quantized tensors "
        "stay byte\n"
        "for byte as they are, as uint8, and a dict of the names of their modes is the last result.");
  m.def(
      "save",
      [](nb::handle file, nb::handle arr) {
        NamedArrays arrays;
        add(arrays, "save", "arr", arr);
        save_to(file, FileFormat::npy, arrays);
      },
      nb::arg("file"), nb::arg("arr"), "Saves an array as .npy, to a path or an object with a method write.");
  m.def(
      "savez", [](nb::handle file, nb::args args, nb::kwargs kwargs) { save_npz(file, args, kwargs, false); },
      nb::arg("file"), nb::arg("args"), nb::arg("kwargs"),
      "Saves arrays as .npz: those without a name as arr_0, arr_1, ...");
  m.def(
      "savez_compressed",
      [](nb::handle file, nb::args args, nb::kwargs kwargs) { save_npz(file, args, kwargs, true); },
      nb::arg("file"), nb::arg("args"), nb::arg("kwargs"), "Saves arrays as .npz, compressed.");
  m.def(
      "save_safetensors",
      [](nb::handle file, nb::dict arrays, nb::handle metadata) {
        Metadata texts;
        if (!metadata.is_none()) {
          if (!PyDict_Check(metadata.ptr()))
            fail(Code::value, "save_safetensors", "metadata must be a dict of strings");
          for (auto [key, value] : nb::borrow<nb::dict>(metadata)) {
            if (!PyUnicode_Check(value.ptr()))
              fail(Code::value, "save_safetensors", "metadata must be a dict of strings");
            texts.emplace_back(key_of("save_safetensors", key), text_of(value));
          }
        }
        save_to(file, FileFormat::safetensors, named_arrays("save_safetensors", arrays), texts);
      },
      nb::arg("file"), nb::arg("arrays"), nb::arg("metadata") = nb::none(),
      "Saves a dict of arrays, and one of strings, as .safetensors.");
  m.def(
      "save_gguf",
      [](nb::handle file, nb::dict arrays, nb::handle metadata) {
        Metadata values;
        if (!metadata.is_none()) {
          for (auto [name, value] : nb::cast<nb::dict>(metadata)) {
            std::string key = key_of("save_gguf", name);
            GGUFMetaData converted = metadata_of(key, value);
            values.emplace_back(std::move(key), std::move(converted));
          }
        }
        save_to(file, FileFormat::gguf, named_arrays("save_gguf", arrays), values);
      },
      nb::arg("file"), nb::arg("arrays"), nb::arg("metadata") = nb::none(),
      "Saves a dict of arrays as .gguf. Metadata are arrays of at most one axis, strings, and lists of "
      "strings.");
}

void bind_file_faults(nb::module_& debug) {
  debug.def(
      "set_file_fault",
      [](const std::string& kind, int64_t at, bool persistent, int error) {
        using Kind = io::system::Fault::Kind;
        static const char* const names[] = {"none", "error", "kill", "brief", "interrupt"};
        for (int i = 0; i < 5; i++) {
          if (kind == names[i]) return io::system::set_fault({Kind(i), at, persistent, error});
        }
        fail(Code::value, "set_file_fault", "the kind ", io::quoted(kind), " is not known");
      },
      nb::arg("kind"), nb::arg("at") = 0, nb::arg("persistent") = false, nb::arg("error") = 5,
      "For tests: the `at`-th call of the system for files from now on (0: each) fails with `error` "
      "(\"error\"), ends\n"
      "the process (\"kill\"), moves one byte (\"brief\") or is interrupted (\"interrupt\"). \"none\" turns "
      "that off.");
  debug.def("file_calls", &io::system::calls, "Calls of the system for files since set_file_fault.");
}

}  // namespace melix::python
