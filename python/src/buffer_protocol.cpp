// See buffer_protocol.h.
#include "python/src/buffer_protocol.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "melix/core/element.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/shape.h"
#include "python/src/foreign.h"

namespace melix::python {
namespace {

// ---- copying in ----

template <class To, class From>
To element(From value) {
  if constexpr (std::is_same_v<From, std::complex<double>>) {
    return To(complex64_t(float(value.real()), float(value.imag())));
  } else {
    return To(value);
  }
}

template <class To, class From>
To* copy_dimensions(To* to, const char* from, std::span<const int64_t> shape,
                    std::span<const int64_t> strides) {
  if (shape.empty()) {
    From value;
    std::memcpy(&value, from, sizeof value);  // exporters promise no alignment
    *to = element<To>(value);
    return to + 1;
  }
  const int64_t n = shape[0], stride = strides[0];
  if (shape.size() > 1) {
    for (int64_t i = 0; i < n; i++)
      to = copy_dimensions<To, From>(to, from + i * stride, shape.subspan(1), strides.subspan(1));
    return to;
  }
  if (std::is_same_v<To, From> && stride == int64_t(sizeof(From))) {
    std::memcpy(static_cast<void*>(to), from, size_t(n) * sizeof(From));
    return to + n;
  }
  for (int64_t i = 0; i < n; i++) {
    From value;
    std::memcpy(&value, from + i * stride, sizeof value);
    to[i] = element<To>(value);
  }
  return to + n;
}

template <class To, class From = To>
void copy_into(View& view, const StridedSource& source) {
  Strides packed = row_major(source.shape);
  for (int64_t& stride : packed) stride *= int64_t(sizeof(From));
  const int64_t n = view.size();
  if (n == 0) return;
  const char* from = static_cast<const char*>(source.data);
  std::optional<Unlocked> unlocked;
  if (view.nbytes() > (1 << 20)) unlocked.emplace();  // below, taking the lock again costs more than the copy
  if (is_row_major(source.shape, packed) && source.byte_strides == packed) {
    copy_dimensions<To, From>(view.as<To>(), from, std::span<const int64_t>(&n, 1),
                              Strides{int64_t(sizeof(From))});
  } else {
    copy_dimensions<To, From>(view.as<To>(), from, source.shape, source.byte_strides);
  }
}

}  // namespace

View copied(const StridedSource& source, Dtype to) {
  View view = allocate_view(source.shape, to);
  if (source.wide_complex) {
    copy_into<complex64_t, std::complex<double>>(view, source);
  } else if (source.dtype == float64 && to == float32) {
    copy_into<float, double>(view, source);
  } else if (source.dtype == bool_) {
    copy_into<uint8_t>(view, source);
    for (int64_t i = 0, n = view.size(); i < n; i++) view.as<uint8_t>()[i] = view.as<uint8_t>()[i] != 0;
  } else {
    switch (size_of(to)) {
      case 1:
        copy_into<uint8_t>(view, source);
        break;
      case 2:
        copy_into<uint16_t>(view, source);
        break;
      case 4:
        copy_into<uint32_t>(view, source);
        break;
      default:
        copy_into<uint64_t>(view, source);
        break;
    }
  }
  return view;
}

View copied_elements(const array& value) {
  array keep = value;
  const View& view = evaluated(value, keep);
  StridedSource source{view.data(), view.shape, view.strides, view.dtype};
  for (int64_t& stride : source.byte_strides) stride *= int64_t(size_of(view.dtype));
  return copied(source, view.dtype);
}

namespace {

struct Format {
  Dtype dtype;
  bool wide_complex = false;
};

std::optional<Dtype> integer_of(bool is_signed, Py_ssize_t bytes) {
  switch (bytes) {
    case 1:
      return is_signed ? int8 : uint8;
    case 2:
      return is_signed ? int16 : uint16;
    case 4:
      return is_signed ? int32 : uint32;
    case 8:
      return is_signed ? int64 : uint64;
  }
  return std::nullopt;
}

// The dtype of a format of the struct module (with its complex numbers, "Zf"); nothing for what is no number.
std::optional<Format> format_of(const char* text, Py_ssize_t bytes) {
  std::string_view format = text ? text : "B";
  if (!format.empty() && (format[0] == '@' || format[0] == '=' || format[0] == '<')) format.remove_prefix(1);
  if (!format.empty() && (format[0] == '>' || format[0] == '!') && bytes == 1) format.remove_prefix(1);
  if (format == "Zf") return Format{complex64};
  if (format == "Zd") return Format{complex64, true};
  if (format.size() != 1) return std::nullopt;
  std::optional<Dtype> integer;
  switch (format[0]) {
    case '?':
      return Format{bool_};
    case 'e':
      return Format{float16};
    case 'f':
      return Format{float32};
    case 'd':
      return Format{float64};
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
    case 'n':
      integer = integer_of(true, bytes);
      break;
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'N':
      integer = integer_of(false, bytes);
      break;
  }
  return integer ? std::optional(Format{*integer}) : std::nullopt;
}

void release_view(void* view) {
  PyBuffer_Release(static_cast<Py_buffer*>(view));
  delete static_cast<Py_buffer*>(view);
}

struct Released {
  void operator()(Py_buffer* view) const { release_view(view); }
};
using OwnedBuffer = std::unique_ptr<Py_buffer, Released>;

// The view of the object, or null (no error set) where it gives none.
OwnedBuffer buffer_of(PyObject* object) {
  if (!PyObject_CheckBuffer(object)) return nullptr;
  auto raw = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(object, raw.get(), PyBUF_FULL_RO) != 0) {
    // NumPy says so of dates, of bfloat16, ...: perhaps the object has another way.
    PyErr_Clear();
    return nullptr;
  }
  return OwnedBuffer(raw.release());
}

}  // namespace

std::optional<array> array_from_buffer(PyObject* object, std::optional<Dtype> dtype, bool copy) {
  OwnedBuffer buffer = buffer_of(object);
  if (!buffer) return std::nullopt;
  std::optional<Format> format = format_of(buffer->format, buffer->itemsize);
  if (!format || buffer->suboffsets) {
    fail(Code::type, "array", "there is no dtype for elements of the format \"",
         buffer->format ? buffer->format : "", "\"");
  }
  if (buffer->ndim > kMaxDims) fail(Code::value, "array", "at most ", kMaxDims, " dimensions are possible");
  StridedSource source{buffer->buf, {}, {}, format->dtype, format->wide_complex};
  // (The scalars of NumPy that are dates leave the strides out, which they may not.)
  if (buffer->ndim > 0 && (!buffer->strides || !buffer->shape))
    fail(Code::type, "array", "there is no dtype for ", Py_TYPE(object)->tp_name);
  for (int i = 0; i < buffer->ndim; i++) {
    source.shape.push_back(buffer->shape[i]);
    source.byte_strides.push_back(buffer->strides[i]);
  }
  const int64_t bytes = int64_t(size_of(source.dtype));
  if (!copy) {
    bool aligned = !source.wide_complex && reinterpret_cast<uintptr_t>(buffer->buf) % size_t(bytes) == 0;
    bool forward = true;
    for (int64_t stride : source.byte_strides) {
      aligned = aligned && stride % bytes == 0;
      forward = forward && stride >= 0;
    }
    if (!aligned || !forward) fail(Code::value, "array", "this memory cannot be used without a copy");
    View view{source.shape, source.byte_strides, nullptr, 0, source.dtype};
    int64_t span = bytes;
    for (size_t i = 0; i < view.strides.size(); i++) {
      span += view.shape[i] > 0 ? view.strides[i] * (view.shape[i] - 1) : 0;
      view.strides[i] /= bytes;
    }
    void* data = buffer->buf;
    const bool writable = !buffer->readonly;
    view.buffer = foreign_buffer(data, size_t(span), writable, release_view, buffer.release());
    return array(std::move(view));
  }
  const Dtype to = source.dtype == float64 && dtype != float64 ? float32 : source.dtype;
  return array(copied(source, to));
}

// ---- views of an array ----

namespace {

// What a view of an array holds: the array, and the numbers that the Py_buffer points to.
struct Export {
  array owner;
  Shape shape;
  Strides byte_strides;
};
static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));

const char* format_for(Dtype dtype) {
  static constexpr char letters[kDtypes][2] = {
#define MELIX_DTYPE(name, kind, bytes, stored, computed, letter) {letter, 0},
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE
  };
  switch (dtype) {
    case int64:
      return "l";  // NumPy calls 'q' long long, which is another type to it
    case uint64:
      return "L";
    case complex64:
      return "Zf";
    default:
      return letters[int(dtype)];
  }
}

// Whether two elements may be one place in memory, so that writing one changes the other.
bool overlaps(const View& view) {
  for (size_t i = 0; i < view.shape.size(); i++) {
    if (view.shape[i] > 1 && view.strides[i] == 0) return true;
  }
  return false;
}

}  // namespace

int get_buffer(PyObject* self, Py_buffer* view, int flags) noexcept {
  return guarded([&] {
    view->obj = nullptr;
    array value = array_of(self);
    if (value.dtype() == bfloat16) {
      raise(PyExc_BufferError,
            "bfloat16 has no format in the buffer protocol: use astype(float32), or view(uint16)");
    }
    auto held = std::make_unique<Export>(Export{value, {}, {}});
    const View* from = &evaluated(value, held->owner);
    const bool strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
    if (!strides && !from->row_major()) {
      value = contiguous(value);
      from = &evaluated(value, held->owner);
    }
    const bool readonly = overlaps(*from) || !from->buffer->writable();
    if ((flags & PyBUF_WRITABLE) && readonly)
      raise(PyExc_BufferError, "the memory of this array cannot be written");
    const Py_ssize_t bytes = Py_ssize_t(size_of(from->dtype));
    held->shape = from->shape;
    held->byte_strides = from->strides;
    for (int64_t& stride : held->byte_strides) stride *= bytes;
    view->buf = from->data();
    view->len = Py_ssize_t(from->nbytes());
    view->itemsize = bytes;
    view->readonly = readonly;
    view->ndim = int(from->shape.size());
    view->format = flags & PyBUF_FORMAT ? const_cast<char*>(format_for(from->dtype)) : nullptr;
    view->shape = flags & PyBUF_ND ? reinterpret_cast<Py_ssize_t*>(held->shape.data()) : nullptr;
    view->strides = strides ? reinterpret_cast<Py_ssize_t*>(held->byte_strides.data()) : nullptr;
    view->suboffsets = nullptr;
    from->buffer->pin();
    view->internal = held.release();
    view->obj = Py_NewRef(self);
    return 0;
  });
}

void release_buffer(PyObject*, Py_buffer* view) noexcept {
  std::unique_ptr<Export> held(static_cast<Export*>(view->internal));
  held->owner.view().buffer->unpin();
}

}  // namespace melix::python
