// See dlpack.h.
#include "python/src/dlpack.h"

#include <memory>

#include "python/src/buffer_protocol.h"
#include "python/src/foreign.h"

namespace melix::python {
namespace {

// The structures of DLPack, field for field: they are shared with other libraries.
enum DeviceCode : int32_t { kCpu = 1, kCudaHost = 3 };
enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kComplex = 5, kBool = 6 };
constexpr uint64_t kReadOnly = 1;

struct DLDevice {
  int32_t type;
  int32_t id;
};
struct DLType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};
struct Unversioned {
  DLTensor tensor;
  void* context;
  void (*deleter)(Unversioned*);
};
struct Versioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(Versioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr const char* kName = "dltensor";
constexpr const char* kVersionedName = "dltensor_versioned";

DLType type_of(Dtype dtype) {
  const auto bits = uint8_t(size_of(dtype) * 8);
  if (dtype == bfloat16) return {kBfloat, 16, 1};
  switch (kind_of(dtype)) {
    case Kind::boolean:
      return {kBool, 8, 1};
    case Kind::unsigned_integer:
      return {kUInt, bits, 1};
    case Kind::signed_integer:
      return {kInt, bits, 1};
    case Kind::floating:
      return {kFloat, bits, 1};
    case Kind::complex_floating:
      return {kComplex, bits, 1};
  }
  return {};
}

std::optional<Dtype> dtype_of(DLType type) {
  for (int i = 0; i < kDtypes; i++) {
    const DLType own = type_of(Dtype(i));
    if (own.code == type.code && own.bits == type.bits && type.lanes == 1) return Dtype(i);
  }
  return std::nullopt;
}

// ---- giving ----

// A tensor of either kind with what it points to.
template <class Tensor>
struct Given {
  Tensor managed;
  array owner;
  Shape shape;
  Strides strides;
};

template <class Tensor>
void delete_given(Tensor* managed) {
  auto* given = static_cast<Given<Tensor>*>(managed->context);
  given->owner.view().buffer->unpin();
  delete given;
}

// A consumer renames the capsule and takes the tensor over; one that nobody took is ours to delete.
template <class Tensor>
void delete_capsule(PyObject* capsule) {
  const char* name = std::is_same_v<Tensor, Versioned> ? kVersionedName : kName;
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* managed = static_cast<Tensor*>(PyCapsule_GetPointer(capsule, name));
  managed->deleter(managed);
}

template <class Tensor>
PyObject* give(const array& value) {
  auto given = std::make_unique<Given<Tensor>>(Given<Tensor>{{}, value, {}, {}});
  const View& view = evaluated(value, given->owner);
  given->shape = view.shape;
  given->strides = view.strides;
  Tensor& managed = given->managed;
  managed.tensor = {
      view.data(),           {kCpu, 0}, int32_t(view.shape.size()), type_of(view.dtype), given->shape.data(),
      given->strides.data(), 0};
  managed.context = given.get();
  managed.deleter = delete_given<Tensor>;
  if constexpr (std::is_same_v<Tensor, Versioned>) {
    managed.major = 1;
    managed.minor = 0;
    if (!view.buffer->writable()) managed.flags = kReadOnly;
    for (size_t i = 0; i < view.shape.size(); i++) {
      if (view.strides[i] == 0 && view.shape[i] > 1) managed.flags = kReadOnly;
    }
  }
  const char* name = std::is_same_v<Tensor, Versioned> ? kVersionedName : kName;
  PyObject* capsule = checked(PyCapsule_New(&managed, name, delete_capsule<Tensor>));
  view.buffer->pin();
  given.release();
  return capsule;
}

// ---- taking ----

template <class Tensor>
void release_taken(void* object) {
  auto* managed = static_cast<Tensor*>(object);
  if (managed->deleter) managed->deleter(managed);
}

template <class Tensor>
array take(PyObject* capsule, const char* name, const char* used_name, std::optional<bool> copy) {
  auto* managed = static_cast<Tensor*>(PyCapsule_GetPointer(capsule, name));
  if (!managed) throw_python_error();
  const DLTensor& tensor = managed->tensor;
  if (tensor.device.type != kCpu && tensor.device.type != kCudaHost) {
    fail(Code::type, "from_dlpack", "only memory of the CPU can be taken, not of DLPack device type ",
         tensor.device.type);
  }
  std::optional<Dtype> dtype = dtype_of(tensor.dtype);
  // float64 and complex128 are told apart here: complex128 is taken as complex64, with a copy.
  const bool wide_complex = tensor.dtype.code == kComplex && tensor.dtype.bits == 128;
  if (wide_complex) dtype = complex64;
  if (!dtype) {
    fail(Code::type, "from_dlpack", "there is no dtype for DLPack type code ", int(tensor.dtype.code), " of ",
         int(tensor.dtype.bits), " bits");
  }
  if (tensor.ndim < 0 || tensor.ndim > kMaxDims)
    fail(Code::value, "from_dlpack", "at most ", kMaxDims, " dimensions are possible");
  StridedSource source{static_cast<char*>(tensor.data) + tensor.byte_offset, {}, {}, *dtype, wide_complex};
  source.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  Strides strides =
      tensor.strides ? Strides(tensor.strides, tensor.strides + tensor.ndim) : row_major(source.shape);
  const int64_t bytes = wide_complex ? 16 : int64_t(size_of(*dtype));
  int64_t last = 0;
  bool forward = true;
  for (size_t i = 0; i < strides.size(); i++) {
    source.byte_strides.push_back(strides[i] * bytes);
    forward = forward && strides[i] >= 0;
    last += source.shape[i] > 0 ? strides[i] * (source.shape[i] - 1) : 0;
  }
  const bool aligned = reinterpret_cast<uintptr_t>(source.data) % size_t(bytes) == 0;
  const bool possible = !wide_complex && forward && aligned;
  if (copy == false && !possible)
    fail(Code::value, "from_dlpack", "this memory cannot be used without a copy");
  // float64 becomes float32, as everywhere where values come from outside, unless no copy may be made.
  const bool narrow = *dtype == float64 && copy != false;
  // (After a copy the capsule frees the tensor itself.)
  if (copy == true || !possible || narrow) return array(copied(source, narrow ? float32 : *dtype));
  bool writable = true;
  if constexpr (std::is_same_v<Tensor, Versioned>) writable = !(managed->flags & kReadOnly);
  View view{source.shape, strides, nullptr, 0, *dtype};
  void* data = const_cast<void*>(source.data);
  if (PyCapsule_SetName(capsule, used_name) != 0) throw_python_error();
  view.buffer = foreign_buffer(data, size_t((last + 1) * bytes), writable, release_taken<Tensor>, managed);
  return array(std::move(view));
}

nb::object capsule_of(nb::object method) {
  // Exporters older than DLPack 1 do not know the argument.
  nb::object none = nb::steal(PyTuple_New(0));
  nb::object keywords = steal(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
  nb::object capsule = nb::steal(PyObject_Call(method.ptr(), none.ptr(), keywords.ptr()));
  if (capsule.is_valid()) return capsule;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw_python_error();
  PyErr_Clear();
  return steal(PyObject_CallNoArgs(method.ptr()));
}

}  // namespace

std::optional<array> array_from_dlpack(PyObject* object, std::optional<bool> copy) {
  nb::object capsule;
  if (PyCapsule_CheckExact(object)) {
    capsule = nb::borrow(object);
  } else {
    nb::object method = nb::steal(PyObject_GetAttrString(object, "__dlpack__"));
    if (!method.is_valid()) {
      PyErr_Clear();
      return std::nullopt;
    }
    capsule = capsule_of(std::move(method));
  }
  if (PyCapsule_IsValid(capsule.ptr(), kVersionedName)) {
    return take<Versioned>(capsule.ptr(), kVersionedName, "used_dltensor_versioned", copy);
  }
  if (PyCapsule_IsValid(capsule.ptr(), kName))
    return take<Unversioned>(capsule.ptr(), kName, "used_dltensor", copy);
  fail(Code::type, "from_dlpack", "the object is no DLPack capsule, or one that was used before");
}

PyObject* to_dlpack(const array& value, bool version_1) {
  return version_1 ? give<Versioned>(value) : give<Unversioned>(value);
}

}  // namespace melix::python
