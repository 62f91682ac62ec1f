// Parsing of subscripts, and the search for an order of contraction.
#include "melix/ops/einsum_path.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "melix/core/error.h"

namespace melix {
namespace {

constexpr size_t kExhaustive = 8;  // operands up to which all orders are tried: 3^8 pairs of subsets
constexpr const char* kOp = "einsum";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "ab...c" as its letters; `dots` is the place of the ellipsis among them, or -1.
struct Term {
  std::string letters;
  int dots = -1;
};

Term parse_term(const std::string& text) {
  Term out;
  for (size_t i = 0; i < text.size(); i++) {
    if (is_letter(text[i])) {
      out.letters += text[i];
    } else if (text.compare(i, 3, "...") == 0) {
      if (out.dots >= 0) fail(Code::value, kOp, "more than one ellipsis in '", text, "'");
      out.dots = int(out.letters.size());
      i += 2;
    } else {
      fail(Code::value, kOp, "subscripts are letters, got '", std::string(1, text[i]), "' in '", text, "'");
    }
  }
  return out;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out(1);
  for (char c : text) {
    if (c == at) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// Labels of letters ('A' 0 ...) and of axes of the ellipsis, counted from the last one. They are numbered in the
// order in which they are met.
class Numbering {
 public:
  int of(int name) {
    auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return int(found - names_.begin());
    if (names_.size() == LabelSet().size())
      fail(Code::value, kOp, "more than ", names_.size(), " different axes");
    names_.push_back(name);
    return int(names_.size()) - 1;
  }
  int letter(char c) { return of(c); }
  int ellipsis(int from_last) { return of(256 + from_last); }
  bool has(char c) const { return std::find(names_.begin(), names_.end(), int(c)) != names_.end(); }

 private:
  std::vector<int> names_;
};

Labels labels_of(const Term& term, int ellipsis_axes, Numbering& numbering) {
  Labels out;
  for (int i = 0; i <= int(term.letters.size()); i++) {
    if (i == term.dots) {
      for (int e = ellipsis_axes; e-- > 0;) out.push_back(numbering.ellipsis(e));
    }
    if (i < int(term.letters.size())) out.push_back(numbering.letter(term.letters[size_t(i)]));
  }
  return out;
}

// Axes of 1 repeat along a label, but for a label twice in one operand.
void measure(const Labels& labels, const Shape& shape, size_t operand, std::vector<int64_t>& sizes) {
  for (size_t i = 0; i < labels.size(); i++) {
    size_t label = size_t(labels[i]);
    if (sizes.size() <= label) sizes.resize(label + 1, 1);
    for (size_t k = 0; k < i; k++) {
      if (labels[k] == labels[i] && shape[k] != shape[i]) {
        fail(Code::value, kOp, "a subscript repeated in operand ", operand, " has lengths ", shape[k],
             " and ", shape[i]);
      }
    }
    if (shape[i] == 1 || sizes[label] == shape[i]) continue;
    if (sizes[label] != 1) {
      fail(Code::value, kOp, "axis ", i, " of operand ", operand, " with shape ", shape,
           " cannot be broadcast to ", sizes[label]);
    }
    sizes[label] = shape[i];
  }
}

std::string implicit_output(const std::vector<Term>& terms) {
  std::string all, out;
  bool dots = false;
  for (const Term& term : terms) {
    all += term.letters;
    dots |= term.dots >= 0;
  }
  std::sort(all.begin(), all.end());
  for (char c : all) {
    if (std::count(all.begin(), all.end(), c) == 1) out += c;
  }
  return (dots ? "..." : "") + out;
}

}  // namespace

LabelSet Equation::set(const Labels& labels) const {
  LabelSet out;
  for (int label : labels) out.set(size_t(label));
  return out;
}

double Equation::size(const LabelSet& labels) const {
  double out = 1;
  for (size_t i = 0; i < sizes.size(); i++) {
    if (labels[i]) out *= double(sizes[i]);
  }
  return out;
}

Equation parse_equation(const std::string& subscripts, const std::vector<Shape>& shapes) {
  std::string text;
  for (char c : subscripts) {
    if (c != ' ') text += c;
  }
  size_t arrow = text.find("->");
  std::vector<std::string> parts = split(text.substr(0, arrow), ',');
  if (shapes.empty()) fail(Code::value, kOp, "at least one operand is needed");
  if (parts.size() != shapes.size()) {
    fail(Code::value, kOp, "'", subscripts, "' has subscripts for ", parts.size(), " operands, got ",
         shapes.size());
  }
  Equation out;
  Numbering numbering;
  std::vector<Term> terms;
  int longest = 0;
  for (size_t i = 0; i < parts.size(); i++) {
    const Term& term = terms.emplace_back(parse_term(parts[i]));
    int axes = int(shapes[i].size()) - int(term.letters.size());
    if (axes < 0 || (term.dots < 0 && axes > 0)) {
      fail(Code::value, kOp, "'", parts[i], "' does not fit operand ", i, " with shape ", shapes[i]);
    }
    longest = std::max(longest, axes);
    out.inputs.push_back(labels_of(term, axes, numbering));
    measure(out.inputs.back(), shapes[i], i, out.sizes);
  }
  Term result = parse_term(arrow == std::string::npos ? implicit_output(terms) : text.substr(arrow + 2));
  for (size_t i = 0; i < result.letters.size(); i++) {
    char c = result.letters[i];
    if (!numbering.has(c)) fail(Code::value, kOp, "'", std::string(1, c), "' of the output is in no operand");
    if (result.letters.find(c) != i)
      fail(Code::value, kOp, "'", std::string(1, c), "' is twice in the output");
  }
  out.output = labels_of(result, longest, numbering);
  out.text = text.substr(0, arrow) + "->" +
             (arrow == std::string::npos ? implicit_output(terms) : text.substr(arrow + 2));
  return out;
}

// ---- the order ----

namespace {

// Operands that are sets of labels. After two meet, labels that nobody else needs are summed over.
struct Search {
  const Equation& equation;
  std::vector<LabelSet> operands;
  LabelSet output;

  // Multiplications and additions of one loop over `all`, of which `left` stay.
  double flops(const LabelSet& all, const LabelSet& left, size_t terms) const {
    double each = double(std::max<size_t>(1, terms - 1)) + (left != all ? 1 : 0);
    return equation.size(all) * each;
  }

  LabelSet needed_outside(uint32_t subset) const {
    LabelSet out = output;
    for (size_t i = 0; i < operands.size(); i++) {
      if (!(subset >> i & 1)) out |= operands[i];
    }
    return out;
  }

  // Best ways to contract every subset of the operands; the two halves of each.
  Contraction exhaustive() const {
    uint32_t all = (1u << operands.size()) - 1;
    std::vector<double> cost(all + 1, std::numeric_limits<double>::infinity());
    std::vector<uint32_t> half(all + 1, 0);
    std::vector<LabelSet> labels(all + 1);
    for (uint32_t subset = 1; subset <= all; subset++) {
      if ((subset & (subset - 1)) == 0) {
        cost[subset] = 0;
        labels[subset] = operands[size_t(__builtin_ctz(subset))];
        continue;
      }
      for (uint32_t a = (subset - 1) & subset; a > subset - a; a = (a - 1) & subset) {
        LabelSet both = labels[a] | labels[subset - a];
        double total = cost[a] + cost[subset - a] + flops(both, both & needed_outside(subset), 2);
        if (half[subset] != 0 && !(total < cost[subset])) continue;
        cost[subset] = total;
        half[subset] = a;
      }
      labels[subset] = (labels[half[subset]] | labels[subset - half[subset]]) & needed_outside(subset);
    }
    Contraction out;
    std::vector<uint32_t> left;
    for (size_t i = 0; i < operands.size(); i++) left.push_back(1u << i);
    take(all, half, labels, left, out);
    return out;
  }

  // Writes the steps that make `subset`, halves first. The depth is that of the number of operands.
  void take(uint32_t subset, const std::vector<uint32_t>& half, const std::vector<LabelSet>& labels,
            std::vector<uint32_t>& left, Contraction& out) const {
    if (half[subset] == 0) return;
    uint32_t a = half[subset], b = subset - a;
    take(a, half, labels, left, out);
    take(b, half, labels, left, out);
    int i = int(std::find(left.begin(), left.end(), a) - left.begin());
    int j = int(std::find(left.begin(), left.end(), b) - left.begin());
    step(std::min(i, j), std::max(i, j), labels[a] | labels[b], labels[subset], out);
    left.erase(left.begin() + std::max(i, j));
    left.erase(left.begin() + std::min(i, j));
    left.push_back(subset);
  }

  void step(int i, int j, const LabelSet& both, const LabelSet& kept, Contraction& out) const {
    out.steps.push_back({i, j});
    out.flops += flops(both, both & kept, 2);
    out.scaling = std::max(out.scaling, int(both.count()));
  }

  Contraction greedy() const {
    Contraction out;
    std::vector<LabelSet> left = operands;
    while (left.size() > 1) {
      size_t best_i = 0, best_j = 1;
      double best_growth = 0, best_cost = 0;
      LabelSet best_kept;
      for (size_t i = 0; i < left.size(); i++) {
        for (size_t j = i + 1; j < left.size(); j++) {
          LabelSet others = output, both = left[i] | left[j];
          for (size_t k = 0; k < left.size(); k++) {
            if (k != i && k != j) others |= left[k];
          }
          LabelSet kept = both & others;
          double growth = equation.size(kept) - equation.size(left[i]) - equation.size(left[j]);
          double cost = flops(both, kept, 2);
          bool first = i == 0 && j == 1;
          if (!first && !(growth < best_growth || (growth == best_growth && cost < best_cost))) continue;
          best_i = i, best_j = j, best_growth = growth, best_cost = cost, best_kept = kept;
        }
      }
      step(int(best_i), int(best_j), left[best_i] | left[best_j], best_kept, out);
      left.erase(left.begin() + std::ptrdiff_t(best_j));
      left.erase(left.begin() + std::ptrdiff_t(best_i));
      left.push_back(best_kept);
    }
    return out;
  }
};

}  // namespace

Contraction contraction_of(const Equation& equation) {
  Search search{equation, {}, equation.set(equation.output)};
  LabelSet all;
  for (const Labels& labels : equation.inputs) {
    search.operands.push_back(equation.set(labels));
    all |= search.operands.back();
  }
  size_t n = equation.inputs.size();
  Contraction out = n <= kExhaustive ? search.exhaustive() : search.greedy();
  out.naive_scaling = int(all.count());
  out.naive_flops = search.flops(all, search.output & all, n);
  if (n == 1) {
    out.steps = {{0}};
    out.scaling = out.naive_scaling;
    out.flops = out.naive_flops;
  }
  return out;
}

}  // namespace melix
