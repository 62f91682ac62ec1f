// array: a shared handle to one result of a node of the lazy graph. Copying an array copies the handle.
// Nothing is computed until eval, item, data or conversion asks for values.
#pragma once

#include <initializer_list>
#include <vector>

#include "melix/core/buffer.h"
#include "melix/core/dtype.h"
#include "melix/core/error.h"
#include "melix/core/half.h"
#include "melix/core/shape.h"
#include "melix/core/stream.h"

namespace melix {

struct Node;

/// Where the elements of an evaluated array are: a window on a buffer.
struct View {
  using Relocatable = void;  // moving the bytes moves the view (small_vector.h)

  Shape shape;
  Strides strides;  // in elements
  Ref<Buffer> buffer;
  int64_t offset = 0;  // of the first element, in elements
  Dtype dtype = float32;

  /// Address of the first element.
  void* data() const { return static_cast<char*>(buffer->data()) + offset * int64_t(size_of(dtype)); }
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }
  int64_t size() const { return elements(shape); }
  size_t nbytes() const { return size_t(size()) * size_of(dtype); }
  bool row_major() const { return is_row_major(shape, strides); }
};

/// A new row-major window on memory of its own, uninitialised.
View allocate_view(Shape shape, Dtype dtype);

class array {
 public:
  using Relocatable = void;

  /// A scalar of the type that belongs to T; the second form converts.
  array(bool value);
  array(int value);
  array(int64_t value);
  array(float value);
  array(double value);  // float32, as literals are; array(v, float64) keeps the precision
  array(complex64_t value);
  array(double value, Dtype dtype);
  array(int64_t value, Dtype dtype);
  array(complex64_t value, Dtype dtype);

  /// Copies row-major data of the given shape.
  template <class T>
  array(const T* data, Shape shape, Dtype dtype);
  array(std::initializer_list<float> values);
  array(std::initializer_list<int> values);

  /// An evaluated array over memory that exists.
  explicit array(View view);
  explicit array(Ref<Node> node, uint32_t index = 0);
  /// No array at all; only assigning to it is allowed.
  static array none();

  array(const array&);
  array(array&&) noexcept;
  array& operator=(const array&);
  array& operator=(array&&) noexcept;
  ~array();

  const Shape& shape() const;
  int64_t shape(int axis) const;
  Dtype dtype() const;
  size_t ndim() const { return shape().size(); }
  int64_t size() const { return elements(shape()); }
  size_t itemsize() const { return size_of(dtype()); }
  size_t nbytes() const { return size_t(size()) * itemsize(); }

  /// Computes this array, and all it needs, now. Any thread may call it.
  void eval() const;
  /// Whether the values are there.
  bool ready() const;
  /// The values' place, evaluating first. Holds while this array lives.
  const View& view() const;
  /// The one value of an array of one element, converted to T. Throws Code::value for any other size.
  template <class T>
  T item() const;
  /// Address of the first element, evaluated; `view()` tells strides.
  template <class T>
  T* data() const {
    return view().template as<T>();
  }

  Node& node() const { return *node_; }
  const Ref<Node>& ref() const { return node_; }
  uint32_t index() const { return index_; }
  explicit operator bool() const { return bool(node_); }
  /// Whether both handles mean the same result (not whether the values are equal).
  bool same(const array& other) const { return node_ == other.node_ && index_ == other.index_; }

 private:
  array() = default;
  Ref<Node> node_;
  uint32_t index_ = 0;
};

}  // namespace melix
