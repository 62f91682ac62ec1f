// The array handle: arrays born with their values, and reading values back.
#include "melix/graph/array.h"

#include <cstring>

#include "melix/core/element.h"
#include "melix/graph/op.h"

namespace melix {
namespace {

Ref<Node> ready_node(View view) {
  Ref<Node> node = make_ref<Node>();
  node->results.push_back(std::move(view));
  node->state.store(State::ready, std::memory_order_release);
  return node;
}

// A scalar of any dtype from one of the three widest types.
template <class T>
View scalar_view(T value, Dtype dtype) {
  View view = allocate_view({}, dtype);
  with_type(dtype, [&](auto type) {
    auto element = convert_element<decltype(type)>(value);
    std::memcpy(view.data(), &element, sizeof element);
  });
  return view;
}

}  // namespace

View allocate_view(Shape shape, Dtype dtype) {
  View view;
  view.strides = melix::row_major(shape);
  view.buffer = Buffer::allocate(size_t(elements(shape)) * size_of(dtype));
  view.shape = std::move(shape);
  view.dtype = dtype;
  return view;
}

array::array(View view) : node_(ready_node(std::move(view))) {}
array::array(Ref<Node> node, uint32_t index) : node_(std::move(node)), index_(index) {}
array array::none() { return array(); }

array::array(bool value) : array(scalar_view(int64_t(value), bool_)) {}
array::array(int value) : array(scalar_view(int64_t(value), int32)) {}
array::array(int64_t value) : array(scalar_view(value, int64)) {}
array::array(float value) : array(scalar_view(double(value), float32)) {}
array::array(double value) : array(scalar_view(value, float32)) {}
array::array(complex64_t value) : array(scalar_view(value, complex64)) {}
array::array(double value, Dtype dtype) : array(scalar_view(value, dtype)) {}
array::array(int64_t value, Dtype dtype) : array(scalar_view(value, dtype)) {}
array::array(complex64_t value, Dtype dtype) : array(scalar_view(value, dtype)) {}

template <class T>
array::array(const T* data, Shape shape, Dtype dtype) {
  int64_t n = elements("array", shape);
  View view = allocate_view(std::move(shape), dtype);
  with_type(dtype, [&](auto type) {
    using To = decltype(type);
    To* to = view.as<To>();
    for (int64_t i = 0; i < n; i++) to[i] = convert_element<To>(data[i]);
  });
  node_ = ready_node(std::move(view));
}

template <class T>
T array::item() const {
  if (size() != 1) fail(Code::value, "item", "needs an array of one element, this one has shape ", shape());
  const View& v = view();
  return with_type(v.dtype, [&](auto type) { return convert_element<T>(*v.as<decltype(type)>()); });
}

#define MELIX_DTYPE(name, kind, bytes, stored, ...)   \
  template array::array(const stored*, Shape, Dtype); \
  template stored array::item<stored>() const;
#include "melix/core/dtype.inc"
#undef MELIX_DTYPE

array::array(std::initializer_list<float> values)
    : array(values.begin(), Shape{int64_t(values.size())}, float32) {}
array::array(std::initializer_list<int> values)
    : array(values.begin(), Shape{int64_t(values.size())}, int32) {}

int64_t array::shape(int axis) const { return shape()[uint32_t(normal_axis("shape", axis, shape()))]; }

void array::eval() const {
  if (!node_->ready()) upward.evaluate(std::span<const array>(this, 1));
}

const View& array::view() const {
  eval();
  return node_->results[index_];
}

}  // namespace melix
