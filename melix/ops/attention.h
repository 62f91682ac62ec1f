// Attention of queries to keys and values, in one pass that keeps no matrix of scores in memory. Scores, exponentials
// and sums are those of float32 for 16-bit floats, and results are rounded once. Not here: projections, rotary
// positions, caches.
#pragma once

#include <string>
#include <variant>

#include "melix/graph/op.h"

namespace melix {

struct AttentionAttrs : Attributes<AttentionAttrs> {
  double scale;
  bool causal;
  int64_t window;    // keys that a query sees, itself the last; 0: all. More than 0 only where causal
  bool mask, sinks;  // whether there are such inputs
  bool mask_grad =
      false;  // of the derivative: whether it gives the gradient of the scores, which is as large
  static constexpr auto fields() {
    return std::tuple{
        field("scale", &AttentionAttrs::scale),   field("causal", &AttentionAttrs::causal),
        field("window", &AttentionAttrs::window), field("mask", &AttentionAttrs::mask),
        field("sinks", &AttentionAttrs::sinks),   field("mask_grad", &AttentionAttrs::mask_grad)};
  }
};

struct PagedAttentionAttrs : Attributes<PagedAttentionAttrs> {
  double scale;
  int64_t window;
  bool sinks;
  static constexpr auto fields() {
    return std::tuple{field("scale", &PagedAttentionAttrs::scale),
                      field("window", &PagedAttentionAttrs::window),
                      field("sinks", &PagedAttentionAttrs::sinks)};
  }
};

namespace op {
/// q (B, H, L, D), k (B, Hkv, S, D), v (B, Hkv, S, Dv) of one floating type; mask: bool or of that type, four axes that
/// broadcast to (B, H, L, S); sinks (1 or B, H). Gives (B, H, L, Dv) and the logarithms of the rows' sums of
/// exponentials (B, H, L), which are for the derivative alone and have none.
extern const Op attention;
/// The inputs of attention, its outputs, and the gradient of the first one. Gives the gradients of q, k and v; of the
/// sinks, as (B, H); of the scores behind the mask, as (B, H, L, S).
extern const Op attention_vjp;
/// q, key_pages, value_pages, page_table, lengths, sinks (1, H).
extern const Op paged_attention;
}  // namespace op

namespace fast {

/// Attention: softmax(scale * q @ k.T + mask) @ v for each head, without a matrix of scores in memory.
///
/// q is (B, H, L, D), k is (B, Hkv, S, D) and v is (B, Hkv, S, Dv); H is a multiple of Hkv, and heads h * H / Hkv, ...
/// of q share head h of k and v. D and Dv are any. The result is (B, H, L, Dv) in the common type of q, k and v.
///
/// The mask is "causal" (the last query sees the last key, each one before sees one key less), or an array that
/// broadcasts to (B, H, L, S): boolean (True: the key is seen), or numbers that are added to the scores. `sinks` (H)
/// are scores of one more key for each head, whose value is 0. With `window` a query sees so many keys, the last of
/// which is its own; the attention is causal then, and a mask counts besides.
///
/// A query that sees no key gives 0, whatever hides the keys. Keys that causality or the window hide from all queries
/// are not read. `force_fused` changes nothing: there is one kernel.
///
///     q = mx.random.normal((1, 8, 10, 64))
///     k, v = mx.random.normal((2, 1, 2, 10, 64))
///     out = mx.fast.scaled_dot_product_attention(q, k, v, scale=64**-0.5, mask="causal")
/// @python keyword=scale
array scaled_dot_product_attention(const array& q, const array& k, const array& v, double scale,
                                   const std::optional<std::variant<std::string, array>>& mask = std::nullopt,
                                   const std::optional<array>& sinks = std::nullopt, bool force_fused = false,
                                   const std::optional<int64_t>& window = std::nullopt,
                                   StreamOrDevice s = {});

/// Causal attention to keys and values that lie in pages, as a cache for many sequences keeps them.
///
/// Key j of sequence b is `key_pages[page_table[b, j // page_size], j % page_size]`, for j below `lengths[b]`: its
/// queries are the last L of these positions. key_pages is (pages, page_size, Hkv, D), value_pages (pages, page_size,
/// Hkv, Dv), page_table (B, most pages of a sequence) and lengths (B) are integers, q is (B, H, L, D). Lengths and
/// table are values, not shapes: a compiled step serves every position. Entries behind a sequence's last page are not
/// read. Page numbers are wrapped once where they are negative, and clamped; so are lengths to what the table holds.
///
/// `window` and `sinks` are those of scaled_dot_product_attention; queries in front of position 0 give 0. For training
/// use that function: derivatives of this one gather the pages first.
///
///     pages = mx.random.normal((16, 32, 2, 64))  # 16 pages of 32 positions, 2 heads
///     q = mx.random.normal((2, 8, 1, 64))        # one new position for each of 2 sequences
///     table = mx.array([[3, 1, 0], [7, 0, 0]])
///     out = mx.fast.paged_attention(q, pages, pages, table, mx.array([70, 5]), scale=0.125)
/// @python keyword=scale
array paged_attention(const array& q, const array& key_pages, const array& value_pages,
                      const array& page_table, const array& lengths, double scale,
                      const std::optional<array>& sinks = std::nullopt,
                      const std::optional<int64_t>& window = std::nullopt, StreamOrDevice s = {});

}  // namespace fast
}  // namespace melix
