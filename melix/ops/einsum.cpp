// Contraction of einsum's operands, two at a time, by views and matrix products.
#include "melix/ops/einsum.h"

#include <algorithm>

#include "melix/ops/diagonal.h"
#include "melix/ops/einsum_path.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/matmul.h"
#include "melix/ops/reduce.h"
#include "melix/ops/shape.h"

namespace melix {
namespace {

// An array whose axes have labels, each once.
struct Labelled {
  array value;
  Labels labels;

  int axis(int label) const { return int(std::find(labels.begin(), labels.end(), label) - labels.begin()); }
  bool has(int label) const { return axis(label) < int(labels.size()); }
};

std::vector<Shape> shapes_of(const std::vector<array>& operands) {
  std::vector<Shape> out;
  for (const array& operand : operands) out.push_back(operand.shape());
  return out;
}

// Diagonals of repeated labels; axes of 1 that stand for longer ones go, as they broadcast anyway.
Labelled prepared(const array& value, const Labels& labels, const Equation& equation) {
  Labelled out{value, labels};
  auto& have = out.labels;
  for (size_t i = 0; i < have.size();) {
    auto again = std::find(have.begin() + std::ptrdiff_t(i) + 1, have.end(), have[i]);
    if (again == have.end()) {
      i++;
      continue;
    }
    int label = have[i];
    out.value = diagonal(out.value, 0, int(i), int(again - have.begin()));
    have.erase(again);
    have.erase(have.begin() + std::ptrdiff_t(i));
    have.push_back(label);  // and a third occurrence is met again from here
    i = 0;
  }
  std::vector<int> ones;
  Labels kept;
  for (size_t i = 0; i < out.labels.size(); i++) {
    bool repeats = out.value.shape()[i] == 1 && equation.sizes[size_t(out.labels[i])] != 1;
    repeats ? ones.push_back(int(i)) : kept.push_back(out.labels[i]);
  }
  if (!ones.empty()) out = {squeeze(out.value, ones), kept};
  return out;
}

// Sums over the labels that are not `needed`.
Labelled summed(const Labelled& x, const LabelSet& needed, std::optional<Dtype> dtype) {
  std::vector<int> axes;
  Labels kept;
  for (size_t i = 0; i < x.labels.size(); i++) {
    needed[size_t(x.labels[i])] ? kept.push_back(x.labels[i]) : axes.push_back(int(i));
  }
  if (axes.empty()) return x;
  array out = sum(x.value, axes);
  return {dtype ? astype(out, *dtype) : out, kept};
}

// The axes in this order, with axes of 1 for labels that the array has not.
array arranged(const Labelled& x, const Labels& order) {
  std::vector<int> axes, missing;
  for (size_t i = 0; i < order.size(); i++) {
    x.has(order[i]) ? axes.push_back(x.axis(order[i])) : missing.push_back(int(i));
  }
  array out = transpose(x.value, axes);
  return missing.empty() ? out : expand_dims(out, missing);
}

Labels operator+(Labels a, const Labels& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A factor of a batched matrix product: (batch ..., rows, columns), where rows and columns join their labels' axes.
array as_matrix(const Labelled& x, const Labels& batch, const Labels& rows, const Labels& columns) {
  array moved = arranged(x, batch + rows + columns);
  Shape shape(moved.shape().begin(), moved.shape().begin() + std::ptrdiff_t(batch.size()));
  auto join = [&](size_t first, size_t count) {
    int64_t n = 1;
    for (size_t i = first; i < first + count; i++) n *= moved.shape()[i];
    shape.push_back(n);
  };
  join(batch.size(), rows.size());
  join(batch.size() + rows.size(), columns.size());
  return reshape(moved, shape);
}

// The product of two, summed over the labels of both that nobody needs.
Labelled contract(Labelled a, Labelled b, const LabelSet& needed, const Equation& equation) {
  Dtype dtype = a.value.dtype();
  a = summed(a, needed | equation.set(b.labels), dtype);
  b = summed(b, needed | equation.set(a.labels), dtype);
  // Labels of both are taken in the order of the larger operand, which may then stay where it is.
  const Labelled &first = a.value.size() >= b.value.size() ? a : b, &second = &first == &a ? b : a;
  Labels batch, inner, left, right;
  for (int label : first.labels) {
    if (second.has(label)) (needed[size_t(label)] ? batch : inner).push_back(label);
  }
  for (int label : a.labels) {
    if (!b.has(label)) left.push_back(label);
  }
  for (int label : b.labels) {
    if (!a.has(label)) right.push_back(label);
  }
  Labels out = batch + left + right;
  if (inner.empty()) return {arranged(a, out) * arranged(b, out), out};
  if (left.empty() && right.empty()) {  // one pass over both, summed in float32 for 16-bit floats
    Dtype wide = carrier_of(dtype);
    Labelled products{astype(arranged(a, batch + inner), wide) * astype(arranged(b, batch + inner), wide),
                      batch + inner};
    return summed(products, needed, dtype);
  }
  array product = matmul(as_matrix(a, batch, left, inner), as_matrix(b, batch, inner, right));
  Shape shape;
  for (int label : out) shape.push_back(equation.sizes[size_t(label)]);
  return {reshape(product, shape), out};
}

}  // namespace

array einsum(const std::string& subscripts, const std::vector<array>& operands, StreamOrDevice s) {
  StreamScope scope(s);
  Equation equation = parse_equation(subscripts, shapes_of(operands));
  std::vector<Labelled> left;
  Dtype dtype = operands[0].dtype();
  for (const array& operand : operands) dtype = promote(dtype, operand.dtype());
  for (size_t i = 0; i < operands.size(); i++) {
    left.push_back(prepared(astype(operands[i], dtype), equation.inputs[i], equation));
  }
  for (const std::vector<int>& step : contraction_of(equation).steps) {
    if (step.size() < 2) break;
    Labelled a = left[size_t(step[0])], b = left[size_t(step[1])];
    left.erase(left.begin() + step[1]);
    left.erase(left.begin() + step[0]);
    LabelSet needed = equation.set(equation.output);
    for (const Labelled& other : left) needed |= equation.set(other.labels);
    left.push_back(contract(a, b, needed, equation));
  }
  // One operand alone is summed as `sum` does, with its dtype.
  std::optional<Dtype> kept = operands.size() > 1 ? std::optional(dtype) : std::nullopt;
  return arranged(summed(left[0], equation.set(equation.output), kept), equation.output);
}

std::pair<std::vector<std::vector<int>>, std::string> einsum_path(const std::string& subscripts,
                                                                  const std::vector<array>& operands) {
  Equation equation = parse_equation(subscripts, shapes_of(operands));
  Contraction order = contraction_of(equation);
  auto count = [](double flops) {
    char text[64];
    std::snprintf(text, sizeof(text), flops < 1e15 ? "%.0f" : "%.6e", flops);
    return std::string(text);
  };
  std::string report = concat("  Complete contraction:  ", equation.text, "\n",             //
                              "         Naive scaling:  ", order.naive_scaling, "\n",       //
                              "     Optimized scaling:  ", order.scaling, "\n",             //
                              "      Naive FLOP count:  ", count(order.naive_flops), "\n",  //
                              "  Optimized FLOP count:  ", count(order.flops), "\n");
  return {order.steps, report};
}

}  // namespace melix
