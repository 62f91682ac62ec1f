// Layers: structs whose call takes an array. Parameters have the names, shapes and first values of Python's layers.
#pragma once

#include <array>
#include <functional>

#include "melix/nn/activations.h"
#include "melix/nn/module.h"

namespace melix::nn {

/// x @ weight.T + bias, with a weight of shape (outputs, inputs).
struct Linear {
  array weight;
  std::optional<array> bias;
  Linear(int64_t inputs, int64_t outputs, bool with_bias = true);
  array operator()(const array& x) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
    visit("bias", bias);
  }
};

/// x1 @ weight[i] @ x2 + bias[i] for each output i, with a weight of shape (outputs, inputs of x2, inputs of x1).
struct Bilinear {
  array weight;
  std::optional<array> bias;
  Bilinear(int64_t inputs1, int64_t inputs2, int64_t outputs, bool with_bias = true);
  array operator()(const array& x1, const array& x2) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
    visit("bias", bias);
  }
};

/// A row of the weight, (count, dims), for each integer.
struct Embedding {
  array weight;
  Embedding(int64_t count, int64_t dims);
  array operator()(const array& x) const;
  /// x @ weight.T: the embedding as the last layer of a language model.
  array as_linear(const array& x) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
  }
};

/// Mean 0 and variance 1 over the last axis, then scaled and shifted.
struct LayerNorm {
  std::optional<array> weight, bias;
  double eps;
  explicit LayerNorm(int64_t dims, double eps = 1e-5, bool affine = true, bool with_bias = true);
  array operator()(const array& x) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
    visit("bias", bias);
  }
};

/// x over the root of the mean of its squares, along the last axis, scaled.
struct RMSNorm {
  array weight;
  double eps;
  explicit RMSNorm(int64_t dims, double eps = 1e-5);
  array operator()(const array& x) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
  }
};

/// Options of a convolution along N axes; one number stands for all.
template <size_t N>
struct Window {
  std::array<int64_t, N> stride = filled(1), padding = filled(0), dilation = filled(1);
  int64_t groups = 1;
  static constexpr std::array<int64_t, N> filled(int64_t value) {
    std::array<int64_t, N> out{};
    for (int64_t& v : out) v = value;
    return out;
  }
};

/// A convolution along the N axes of (batch, ..., channels), with a weight (outputs, kernel..., inputs / groups).
template <size_t N>
struct Conv {
  array weight;
  std::optional<array> bias;
  Window<N> window;
  Conv(int64_t inputs, int64_t outputs, std::array<int64_t, N> kernel, Window<N> window = {},
       bool with_bias = true);
  array operator()(const array& x) const;
  template <class Visitor>
  void fields(Visitor&& visit) {
    visit("weight", weight);
    visit("bias", bias);
  }
};
using Conv1d = Conv<1>;
using Conv2d = Conv<2>;
using Conv3d = Conv<3>;

/// Elements that are 0 with probability p while training; the others are scaled so that means stay.
struct Dropout {
  double p;
  bool training = true;
  explicit Dropout(double p = 0.5);
  array operator()(const array& x) const;
  template <class Visitor>
  void fields(Visitor&&) {}
};

}  // namespace melix::nn
