// The operations of melix in C, made by tools/bindgen_c.py from the headers of melix. Include melix_c.h.
// What is optional may be NULL; a list is an address and its number of elements.
#pragma once

#include <melix_c.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- argreduce ----

/// Place (uint32) of the largest element along an axis; in the flattened array, without one. The first one, if there
/// are several. NaN counts as larger than all numbers.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_argmax(melix_array* out, melix_array a, const int* axis, bool keepdims,
                                      melix_stream stream);

/// Place (uint32) of the smallest element along an axis; in the flattened array, without one. The first one, if there
/// are several. NaN counts as smaller than all numbers.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_argmin(melix_array* out, melix_array a, const int* axis, bool keepdims,
                                      melix_stream stream);

/// The smallest and the largest element along axes (all by default): min(a) and max(a).
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_minmax(melix_arrays* out, melix_array a, const int* axis, size_t axis_size,
                                      bool keepdims, melix_stream stream);

// ---- arrange ----

/// The arrays one behind the other along an axis; without one, they are flattened first. Their shapes must be equal but
/// for that axis, dtypes are promoted.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_concatenate(melix_array* out, const melix_array* arrays, size_t arrays_size,
                                           const int* axis, melix_stream stream);

/// The arrays, which have one shape, along a new axis of the result.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_stack(melix_array* out, const melix_array* arrays, size_t arrays_size,
                                     const int* axis, melix_stream stream);

/// The array in parts along an axis: so many equal ones, or cut before each of the given indices. The parts are windows
/// on the same memory.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_split(melix_arrays* out, melix_array a, int64_t indices_or_sections, int axis,
                                     melix_stream stream);

/// The array in parts along an axis: so many equal ones, or cut before each of the given indices. The parts are windows
/// on the same memory.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_split_list(melix_arrays* out, melix_array a,
                                          const int64_t* indices_or_sections, size_t indices_or_sections_size,
                                          int axis, melix_stream stream);

/// The arrays of which this one is the stack along an axis.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_unstack(melix_arrays* out, melix_array x, int axis, melix_stream stream);

/// The array with elements added at both ends of its axes. `mode` says which: "constant" `constant_values`, one number;
/// "edge" the outermost element; "reflect" and "symmetric" the array mirrored at its ends, without or with the
/// outermost element, as often as needed.
/// Default in C++: mode = "constant", constant_values = 0.
MELIX_C_API melix_status melix_pad(melix_array* out, melix_array a, const int64_t (*pad_width)[2],
                                   size_t pad_width_size, const char* mode, melix_array constant_values,
                                   melix_stream stream);

/// The array repeated as a whole `reps` times along each axis, the last number for the last axis.
MELIX_C_API melix_status melix_tile(melix_array* out, melix_array a, const int64_t* reps, size_t reps_size,
                                    melix_stream stream);

/// Every element repeated `repeats` times along an axis; without one, of the flattened array.
MELIX_C_API melix_status melix_repeat(melix_array* out, melix_array array, int64_t repeats, const int* axis,
                                      melix_stream stream);

/// The array with the order of the elements reversed along axes (all by default). A window on the same memory.
MELIX_C_API melix_status melix_flip(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                    melix_stream stream);

/// The elements moved along axes by `shift` places; those that leave one end come in at the other. Without an axis, the
/// flattened array is rolled by the sum of the shifts. One shift serves several axes.
MELIX_C_API melix_status melix_roll(melix_array* out, melix_array a, const int64_t* shift, size_t shift_size,
                                    const int* axis, size_t axis_size, melix_stream stream);

/// Axes permuted (see transpose).
MELIX_C_API melix_status melix_permute_dims(melix_array* out, melix_array a, const int* axes,
                                            size_t axes_size, melix_stream stream);

/// The last two axes exchanged.
MELIX_C_API melix_status melix_matrix_transpose(melix_array* out, melix_array a, melix_stream stream);

/// Differences of neighbours along an axis, taken `n` times. Booleans differ where they are not equal.
/// Default in C++: n = 1, axis = -1.
MELIX_C_API melix_status melix_diff(melix_array* out, melix_array a, int64_t n, int axis,
                                    melix_stream stream);

// ---- attention ----

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
/// Default in C++: force_fused = false.
MELIX_C_API melix_status melix_fast_scaled_dot_product_attention(melix_array* out, melix_array q,
                                                                 melix_array k, melix_array v, double scale,
                                                                 melix_array mask, melix_array sinks,
                                                                 bool force_fused, const int64_t* window,
                                                                 melix_stream stream);

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
MELIX_C_API melix_status melix_fast_paged_attention(melix_array* out, melix_array q, melix_array key_pages,
                                                    melix_array value_pages, melix_array page_table,
                                                    melix_array lengths, double scale, melix_array sinks,
                                                    const int64_t* window, melix_stream stream);

// ---- conv ----

/// Convolution of an input (N, spatial..., C_in) with a weight (C_out, spatial..., C_in / groups) over one to three
/// spatial axes.
///
/// `stride` is the distance between results. `padding` adds zeros around the input: a number, one for each axis, or a
/// pair of lists, before and behind; negative ones leave elements out. `kernel_dilation` is the distance between the
/// elements of the weight, `input_dilation` that between the elements of the input, with zeros between them. With
/// `groups`, each of so many parts of the results' channels is made from its part of the input's. The weight is not
/// turned round unless `flip` says so. Dtypes are promoted; integers are refused.
/// Default in C++: stride = {1}, padding = 0, kernel_dilation = {1}, input_dilation = {1}, groups = 1, flip =
/// false.
MELIX_C_API melix_status melix_conv_general(melix_array* out, melix_array input, melix_array weight,
                                            const int64_t* stride, size_t stride_size, int64_t padding,
                                            const int64_t* kernel_dilation, size_t kernel_dilation_size,
                                            const int64_t* input_dilation, size_t input_dilation_size,
                                            int64_t groups, bool flip, melix_stream stream);

/// Convolution of an input (N, spatial..., C_in) with a weight (C_out, spatial..., C_in / groups) over one to three
/// spatial axes.
///
/// `stride` is the distance between results. `padding` adds zeros around the input: a number, one for each axis, or a
/// pair of lists, before and behind; negative ones leave elements out. `kernel_dilation` is the distance between the
/// elements of the weight, `input_dilation` that between the elements of the input, with zeros between them. With
/// `groups`, each of so many parts of the results' channels is made from its part of the input's. The weight is not
/// turned round unless `flip` says so. Dtypes are promoted; integers are refused.
/// Default in C++: stride = {1}, padding = 0, kernel_dilation = {1}, input_dilation = {1}, groups = 1, flip =
/// false.
MELIX_C_API melix_status melix_conv_general_list(melix_array* out, melix_array input, melix_array weight,
                                                 const int64_t* stride, size_t stride_size,
                                                 const int64_t* const* padding, const size_t* padding_sizes,
                                                 size_t padding_size, const int64_t* kernel_dilation,
                                                 size_t kernel_dilation_size, const int64_t* input_dilation,
                                                 size_t input_dilation_size, int64_t groups, bool flip,
                                                 melix_stream stream);

/// Convolution of an input (N, L, C_in) with a weight (C_out, K, C_in / groups), with the same padding at both ends;
/// see conv_general.
/// Default in C++: stride = 1, padding = 0, dilation = 1, groups = 1.
MELIX_C_API melix_status melix_conv1d(melix_array* out, melix_array input, melix_array weight, int64_t stride,
                                      int64_t padding, int64_t dilation, int64_t groups, melix_stream stream);

/// Convolution of an input (N, H, W, C_in) with a weight (C_out, KH, KW, C_in / groups); see conv_general. One number
/// counts for both axes.
/// Default in C++: stride = {1, 1}, padding = {0, 0}, dilation = {1, 1}, groups = 1.
MELIX_C_API melix_status melix_conv2d(melix_array* out, melix_array input, melix_array weight,
                                      const int64_t* stride, const int64_t* padding, const int64_t* dilation,
                                      int64_t groups, melix_stream stream);

/// Convolution of an input (N, D, H, W, C_in) with a weight (C_out, KD, KH, KW, C_in / groups); see conv_general. One
/// number counts for all three axes.
/// Default in C++: stride = {1, 1, 1}, padding = {0, 0, 0}, dilation = {1, 1, 1}, groups = 1.
MELIX_C_API melix_status melix_conv3d(melix_array* out, melix_array input, melix_array weight,
                                      const int64_t* stride, const int64_t* padding, const int64_t* dilation,
                                      int64_t groups, melix_stream stream);

/// Transposed convolution of an input (N, L, C_in) with a weight (C_out, K, C_in / groups): each element of the input
/// adds its multiple of the weight to the result, `stride` elements further than the one before it. Of the result,
/// `padding` elements are left out at both ends, and `output_padding` more are computed at the far one: its length is
/// (L - 1) * stride + (K - 1) * dilation + 1 - 2 * padding + output_padding.
/// Default in C++: stride = 1, padding = 0, dilation = 1, output_padding = 0, groups = 1.
MELIX_C_API melix_status melix_conv_transpose1d(melix_array* out, melix_array input, melix_array weight,
                                                int64_t stride, int64_t padding, int64_t dilation,
                                                int64_t output_padding, int64_t groups, melix_stream stream);

/// Transposed convolution of an input (N, H, W, C_in) with a weight (C_out, KH, KW, C_in / groups); see
/// conv_transpose1d. One number counts for both axes.
/// Default in C++: stride = {1, 1}, padding = {0, 0}, dilation = {1, 1}, output_padding = {0, 0}, groups = 1.
MELIX_C_API melix_status melix_conv_transpose2d(melix_array* out, melix_array input, melix_array weight,
                                                const int64_t* stride, const int64_t* padding,
                                                const int64_t* dilation, const int64_t* output_padding,
                                                int64_t groups, melix_stream stream);

/// Transposed convolution of an input (N, D, H, W, C_in) with a weight (C_out, KD, KH, KW, C_in / groups); see
/// conv_transpose1d. One number counts for all three axes.
/// Default in C++: stride = {1, 1, 1}, padding = {0, 0, 0}, dilation = {1, 1, 1}, output_padding = {0, 0, 0},
/// groups = 1.
MELIX_C_API melix_status melix_conv_transpose3d(melix_array* out, melix_array input, melix_array weight,
                                                const int64_t* stride, const int64_t* padding,
                                                const int64_t* dilation, const int64_t* output_padding,
                                                int64_t groups, melix_stream stream);

/// Discrete convolution of two arrays of one axis, in the sense of signal processing: the shorter one is turned round.
/// Of the n + k - 1 results, `mode` "full" gives all, "same" the n in the middle, n being the length of the longer
/// array, and "valid" those for which the arrays overlap completely.
/// Default in C++: mode = "full".
MELIX_C_API melix_status melix_convolve(melix_array* out, melix_array a, melix_array v, const char* mode,
                                        melix_stream stream);

// ---- creation ----

/// An array of the given shape filled with `vals`, which broadcast to it, as `dtype` (by default that of `vals`).
MELIX_C_API melix_status melix_full(melix_array* out, const int64_t* shape, size_t shape_size,
                                    melix_array vals, const melix_dtype* dtype, melix_stream stream);

/// An array of zeros.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_zeros(melix_array* out, const int64_t* shape, size_t shape_size,
                                     melix_dtype dtype, melix_stream stream);

/// An array of ones.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_ones(melix_array* out, const int64_t* shape, size_t shape_size,
                                    melix_dtype dtype, melix_stream stream);

/// An array whose values do not matter. They are zeros.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_empty(melix_array* out, const int64_t* shape, size_t shape_size,
                                     melix_dtype dtype, melix_stream stream);

/// An array of the shape of `a` (and its dtype, unless one is given) filled with `vals`, which broadcast to it.
MELIX_C_API melix_status melix_full_like(melix_array* out, melix_array a, melix_array vals,
                                         const melix_dtype* dtype, melix_stream stream);

/// Zeros of the shape of `a` (and its dtype, unless one is given).
MELIX_C_API melix_status melix_zeros_like(melix_array* out, melix_array a, const melix_dtype* dtype,
                                          melix_stream stream);

/// Ones of the shape of `a` (and its dtype, unless one is given).
MELIX_C_API melix_status melix_ones_like(melix_array* out, melix_array a, const melix_dtype* dtype,
                                         melix_stream stream);

/// An array of the shape of `a` (and its dtype, unless one is given) whose values do not matter. They are zeros.
MELIX_C_API melix_status melix_empty_like(melix_array* out, melix_array a, const melix_dtype* dtype,
                                          melix_stream stream);

/// The numbers start, start + step, ... before stop. With one number, it is the stop and the range begins at 0.
///
/// The dtype is float32 if one of the numbers is a float, else int32, or int64 where int32 cannot hold one of them. For
/// an integer dtype the step is the difference of the first two elements after conversion. Element i is
/// start + i * step, rounded once: errors do not add up.
MELIX_C_API melix_status melix_arange(melix_array* out, const melix_number* start, const melix_number* stop,
                                      const melix_number* step, const melix_dtype* dtype,
                                      melix_stream stream);

/// `num` numbers at equal distances from `start` to `stop`, which is the last of them unless `endpoint` is false.
/// Default in C++: num = 50, endpoint = true, dtype = float32.
MELIX_C_API melix_status melix_linspace(melix_array* out, double start, double stop, int64_t num,
                                        bool endpoint, melix_dtype dtype, melix_stream stream);

/// The (n, m) matrix with ones on diagonal `k` (0: the main one, above it for positive numbers) and zeros elsewhere.
/// Without `m` it is square.
/// Default in C++: k = 0, dtype = float32.
MELIX_C_API melix_status melix_eye(melix_array* out, int64_t n, const int64_t* m, int64_t k,
                                   melix_dtype dtype, melix_stream stream);

/// The identity matrix of n rows.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_identity(melix_array* out, int64_t n, melix_dtype dtype, melix_stream stream);

/// The (n, m) matrix with ones on and below diagonal `k` and zeros above. Without `m` it is square.
/// Default in C++: k = 0, dtype = float32.
MELIX_C_API melix_status melix_tri(melix_array* out, int64_t n, const int64_t* m, int64_t k,
                                   melix_dtype dtype, melix_stream stream);

/// Coordinates on a grid: result i varies along its own axis as argument i (flattened) does, and not along the others.
/// Indexing "xy" gives the first two axes in the order of a picture (rows of the second argument), "ij" in the order of
/// the arguments. Sparse results have length 1 along all axes but their own.
/// Default in C++: sparse = false, indexing = "xy".
MELIX_C_API melix_status melix_meshgrid(melix_arrays* out, const melix_array* arrays, size_t arrays_size,
                                        bool sparse, const char* indexing, melix_stream stream);

// ---- cross_entropy ----

/// logsumexp(logits) - logits[target] over the last axis, for each target: an array of integers with the shape of the
/// logits less their last axis. Negative targets count from the end. The losses are float32 (float64 for float64
/// logits), computed without rounding anything to 16 bits; no array of the size of the logits is made.
///
///     >>> mx.fast.cross_entropy(mx.array([[2.0, 1.0], [0.0, 3.0]]), mx.array([0, 1]))
///     array([0.313262, 0.0485873], dtype=float32)
MELIX_C_API melix_status melix_fast_cross_entropy(melix_array* out, melix_array logits, melix_array targets,
                                                  melix_stream stream);

// ---- depends ----

/// The arrays unchanged (the same memory), but evaluated only after all `dependencies` are. No gradient flows to these.
MELIX_C_API melix_status melix_depends(melix_arrays* out, const melix_array* inputs, size_t inputs_size,
                                       const melix_array* dependencies, size_t dependencies_size);

// ---- diagonal ----

/// The diagonals of the matrices along two axes, which are removed; the diagonal is the last axis of the result.
/// `offset` counts from the main diagonal, to the right for positive numbers. The result is a window on the same
/// memory.
/// Default in C++: offset = 0, axis1 = 0, axis2 = 1.
MELIX_C_API melix_status melix_diagonal(melix_array* out, melix_array a, int64_t offset, int axis1, int axis2,
                                        melix_stream stream);

/// Diagonal `k` of a matrix, or for an array of one dimension the square matrix with that diagonal and zeros elsewhere.
/// Default in C++: k = 0.
MELIX_C_API melix_status melix_diag(melix_array* out, melix_array a, int64_t k, melix_stream stream);

/// Sums along diagonals (see diagonal), of the elements as `dtype` if one is given.
/// Default in C++: offset = 0, axis1 = 0, axis2 = 1.
MELIX_C_API melix_status melix_trace(melix_array* out, melix_array a, int64_t offset, int axis1, int axis2,
                                     const melix_dtype* dtype, melix_stream stream);

/// The matrices along the last two axes with zeros above diagonal `k`.
/// Default in C++: k = 0.
MELIX_C_API melix_status melix_tril(melix_array* out, melix_array x, int64_t k, melix_stream stream);

/// The matrices along the last two axes with zeros below diagonal `k`.
/// Default in C++: k = 0.
MELIX_C_API melix_status melix_triu(melix_array* out, melix_array x, int64_t k, melix_stream stream);

// ---- einsum ----

/// Sums of products over labelled axes: "ij,jk->ik" is a matrix product. Each operand has a letter for each axis;
/// letters that are not in the output are summed over, and a letter twice in one operand takes the diagonal. "..."
/// stands for all axes without a letter, which broadcast. Without "->" the output is the ellipsis and the letters
/// that occur once, in alphabetical order. Axes of length 1 broadcast. Operands meet two at a time, in the order of
/// einsum_path.
MELIX_C_API melix_status melix_einsum(melix_array* out, const char* subscripts, const melix_array* operands,
                                      size_t operands_size, melix_stream stream);

// ---- elementwise ----

/// Absolute value; the modulus of complex numbers.
MELIX_C_API melix_status melix_abs(melix_array* out, melix_array a, melix_stream stream);

/// The opposite number. Not defined for booleans.
MELIX_C_API melix_status melix_negative(melix_array* out, melix_array a, melix_stream stream);

/// -1, 0 or 1 (z / abs(z) for complex numbers).
MELIX_C_API melix_status melix_sign(melix_array* out, melix_array a, melix_stream stream);

/// The square.
MELIX_C_API melix_status melix_square(melix_array* out, melix_array a, melix_stream stream);

/// Square root.
MELIX_C_API melix_status melix_sqrt(melix_array* out, melix_array a, melix_stream stream);

/// One over the square root.
MELIX_C_API melix_status melix_rsqrt(melix_array* out, melix_array a, melix_stream stream);

/// One over the argument.
MELIX_C_API melix_status melix_reciprocal(melix_array* out, melix_array a, melix_stream stream);

/// Smallest whole number not below. Integers are returned as they are.
MELIX_C_API melix_status melix_ceil(melix_array* out, melix_array a, melix_stream stream);

/// Largest whole number not above. Integers are returned as they are.
MELIX_C_API melix_status melix_floor(melix_array* out, melix_array a, melix_stream stream);

/// The whole part, rounded towards zero. Integers are returned as they are.
MELIX_C_API melix_status melix_trunc(melix_array* out, melix_array a, melix_stream stream);

/// Sum.
MELIX_C_API melix_status melix_add(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Difference.
MELIX_C_API melix_status melix_subtract(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Product.
MELIX_C_API melix_status melix_multiply(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Quotient. Integers are divided as float32.
MELIX_C_API melix_status melix_divide(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Quotient rounded down. Integer division by zero gives 0.
MELIX_C_API melix_status melix_floor_divide(melix_array* out, melix_array a, melix_array b,
                                            melix_stream stream);

/// Remainder of the division rounded down: it has the sign of the divisor. Integers by zero give 0.
MELIX_C_API melix_status melix_remainder(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// a to the power of b. An integer to a negative power gives 0, but for 1 and -1.
MELIX_C_API melix_status melix_power(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// The larger of two; NaN if either is NaN. Where both are equal the gradient goes to the second.
MELIX_C_API melix_status melix_maximum(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// The smaller of two; NaN if either is NaN. Where both are equal the gradient goes to the second.
MELIX_C_API melix_status melix_minimum(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// e to the power of the argument.
MELIX_C_API melix_status melix_exp(melix_array* out, melix_array a, melix_stream stream);

/// exp(x) - 1, precise for small x.
MELIX_C_API melix_status melix_expm1(melix_array* out, melix_array a, melix_stream stream);

/// Natural logarithm.
MELIX_C_API melix_status melix_log(melix_array* out, melix_array a, melix_stream stream);

/// log(1 + x), precise for small x.
MELIX_C_API melix_status melix_log1p(melix_array* out, melix_array a, melix_stream stream);

/// Logarithm to base 2.
MELIX_C_API melix_status melix_log2(melix_array* out, melix_array a, melix_stream stream);

/// Logarithm to base 10.
MELIX_C_API melix_status melix_log10(melix_array* out, melix_array a, melix_stream stream);

/// 1 / (1 + exp(-x)).
MELIX_C_API melix_status melix_sigmoid(melix_array* out, melix_array a, melix_stream stream);

/// log(exp(a) + exp(b)) without overflow.
MELIX_C_API melix_status melix_logaddexp(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Sine, of radians.
MELIX_C_API melix_status melix_sin(melix_array* out, melix_array a, melix_stream stream);

/// Cosine, of radians.
MELIX_C_API melix_status melix_cos(melix_array* out, melix_array a, melix_stream stream);

/// Tangent, of radians.
MELIX_C_API melix_status melix_tan(melix_array* out, melix_array a, melix_stream stream);

/// Inverse sine, in radians.
MELIX_C_API melix_status melix_arcsin(melix_array* out, melix_array a, melix_stream stream);

/// Inverse cosine, in radians.
MELIX_C_API melix_status melix_arccos(melix_array* out, melix_array a, melix_stream stream);

/// Inverse tangent, in radians.
MELIX_C_API melix_status melix_arctan(melix_array* out, melix_array a, melix_stream stream);

/// Hyperbolic sine.
MELIX_C_API melix_status melix_sinh(melix_array* out, melix_array a, melix_stream stream);

/// Hyperbolic cosine.
MELIX_C_API melix_status melix_cosh(melix_array* out, melix_array a, melix_stream stream);

/// Hyperbolic tangent.
MELIX_C_API melix_status melix_tanh(melix_array* out, melix_array a, melix_stream stream);

/// Inverse hyperbolic sine.
MELIX_C_API melix_status melix_arcsinh(melix_array* out, melix_array a, melix_stream stream);

/// Inverse hyperbolic cosine.
MELIX_C_API melix_status melix_arccosh(melix_array* out, melix_array a, melix_stream stream);

/// Inverse hyperbolic tangent.
MELIX_C_API melix_status melix_arctanh(melix_array* out, melix_array a, melix_stream stream);

/// Angle of the point (b, a), in radians from -pi to pi.
MELIX_C_API melix_status melix_arctan2(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// The error function.
MELIX_C_API melix_status melix_erf(melix_array* out, melix_array a, melix_stream stream);

/// Inverse of the error function.
MELIX_C_API melix_status melix_erfinv(melix_array* out, melix_array a, melix_stream stream);

/// Complex conjugate.
MELIX_C_API melix_status melix_conjugate(melix_array* out, melix_array a, melix_stream stream);

/// Real part.
MELIX_C_API melix_status melix_real(melix_array* out, melix_array a, melix_stream stream);

/// Imaginary part.
MELIX_C_API melix_status melix_imag(melix_array* out, melix_array a, melix_stream stream);

/// Whether a == b.
MELIX_C_API melix_status melix_equal(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Whether a != b.
MELIX_C_API melix_status melix_not_equal(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Whether a < b.
MELIX_C_API melix_status melix_less(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Whether a <= b.
MELIX_C_API melix_status melix_less_equal(melix_array* out, melix_array a, melix_array b,
                                          melix_stream stream);

/// Whether a > b.
MELIX_C_API melix_status melix_greater(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Whether a >= b.
MELIX_C_API melix_status melix_greater_equal(melix_array* out, melix_array a, melix_array b,
                                             melix_stream stream);

/// Whether the value is not a number.
MELIX_C_API melix_status melix_isnan(melix_array* out, melix_array a, melix_stream stream);

/// Whether the value is infinite.
MELIX_C_API melix_status melix_isinf(melix_array* out, melix_array a, melix_stream stream);

/// Whether the value is neither infinite nor NaN.
MELIX_C_API melix_status melix_isfinite(melix_array* out, melix_array a, melix_stream stream);

/// Whether the value is +infinity.
MELIX_C_API melix_status melix_isposinf(melix_array* out, melix_array a, melix_stream stream);

/// Whether the value is -infinity.
MELIX_C_API melix_status melix_isneginf(melix_array* out, melix_array a, melix_stream stream);

/// Whether the value is zero (false).
MELIX_C_API melix_status melix_logical_not(melix_array* out, melix_array a, melix_stream stream);

/// Whether both are true.
MELIX_C_API melix_status melix_logical_and(melix_array* out, melix_array a, melix_array b,
                                           melix_stream stream);

/// Whether one is true.
MELIX_C_API melix_status melix_logical_or(melix_array* out, melix_array a, melix_array b,
                                          melix_stream stream);

/// Whether exactly one is true.
MELIX_C_API melix_status melix_logical_xor(melix_array* out, melix_array a, melix_array b,
                                           melix_stream stream);

/// Every bit inverted; logical not for booleans.
MELIX_C_API melix_status melix_bitwise_invert(melix_array* out, melix_array a, melix_stream stream);

/// Bits set in both.
MELIX_C_API melix_status melix_bitwise_and(melix_array* out, melix_array a, melix_array b,
                                           melix_stream stream);

/// Bits set in either.
MELIX_C_API melix_status melix_bitwise_or(melix_array* out, melix_array a, melix_array b,
                                          melix_stream stream);

/// Bits set in exactly one.
MELIX_C_API melix_status melix_bitwise_xor(melix_array* out, melix_array a, melix_array b,
                                           melix_stream stream);

/// a shifted left by b bits; 0 when b is the width or more.
MELIX_C_API melix_status melix_left_shift(melix_array* out, melix_array a, melix_array b,
                                          melix_stream stream);

/// a shifted right by b bits; 0 (the sign, for signed types) when b is the width or more.
MELIX_C_API melix_status melix_right_shift(melix_array* out, melix_array a, melix_array b,
                                           melix_stream stream);

/// The array converted to a dtype: floats to integers truncate and saturate (NaN is 0), integers wrap, anything
/// but zero is true, complex numbers lose their imaginary part. An array of that dtype already is returned as it is.
MELIX_C_API melix_status melix_astype(melix_array* out, melix_array a, melix_dtype dtype,
                                      melix_stream stream);

/// Elements of `x` where the condition is true, of `y` elsewhere. All three broadcast together.
MELIX_C_API melix_status melix_where(melix_array* out, melix_array condition, melix_array x, melix_array y,
                                     melix_stream stream);

/// Values limited to [a_min, a_max]; either limit may be missing, not both.
MELIX_C_API melix_status melix_clip(melix_array* out, melix_array a, melix_array a_min, melix_array a_max,
                                    melix_stream stream);

/// Nearest number of so many decimals (of tens, for negative `decimals`); halves to the even one.
/// Default in C++: decimals = 0.
MELIX_C_API melix_status melix_round(melix_array* out, melix_array a, int decimals, melix_stream stream);

/// The argument itself.
MELIX_C_API melix_status melix_positive(melix_array* out, melix_array a, melix_stream stream);

/// Radians as degrees.
MELIX_C_API melix_status melix_degrees(melix_array* out, melix_array a, melix_stream stream);

/// Degrees as radians.
MELIX_C_API melix_status melix_radians(melix_array* out, melix_array a, melix_stream stream);

/// The quotient rounded down and the remainder: floor_divide(a, b) and remainder(a, b).
MELIX_C_API melix_status melix_divmod(melix_arrays* out, melix_array a, melix_array b, melix_stream stream);

/// Whether |a - b| <= atol + rtol * |b| elementwise; infinities of one sign are close. NaNs are close to each other
/// only with `equal_nan`.
/// Default in C++: rtol = 1e-5, atol = 1e-8, equal_nan = false.
MELIX_C_API melix_status melix_isclose(melix_array* out, melix_array a, melix_array b, double rtol,
                                       double atol, bool equal_nan, melix_stream stream);

/// NaN replaced by `nan`, infinities by `posinf` and `neginf` (by default the largest finite values).
/// Default in C++: nan = 0.0.
MELIX_C_API melix_status melix_nan_to_num(melix_array* out, melix_array a, double nan, const double* posinf,
                                          const double* neginf, melix_stream stream);

/// Complex conjugate.
MELIX_C_API melix_status melix_conj(melix_array* out, melix_array a, melix_stream stream);

// ---- fft ----

/// The discrete Fourier transform along an axis.
///
/// With `n`, the axis is cut or filled up with zeros to that length first. `norm` says which way is divided: "backward"
/// the inverse by n, "forward" this one by n, "ortho" both by the square root of n. Any length is fast, primes too.
/// The result is complex64; arguments of other dtypes are converted to it first, float64 too.
///
///     >>> mx.fft.fft(mx.array([1.0, 2.0, 3.0, 4.0])).tolist()
///     [(10+0j), (-2+2j), (-2+0j), (-2-2j)]
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_fft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                       const char* norm, melix_stream stream);

/// The inverse of fft.
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_ifft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                        const char* norm, melix_stream stream);

/// The Fourier transform of real numbers along an axis: elements 0 to n // 2 of the spectrum, as the others are their
/// conjugates. Arguments are converted to float32 first (complex ones lose their imaginary part).
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_rfft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                        const char* norm, melix_stream stream);

/// The inverse of rfft: `n` real numbers, by default 2 * (length - 1), from elements 0 to n // 2 of their spectrum. The
/// imaginary part of the first one, and for even n of the last one, does not count. The result is float32.
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_irfft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                         const char* norm, melix_stream stream);

/// The Fourier transform of a signal of which elements 0 to n // 2 are there, the others being their conjugates: `n`
/// real numbers, by default 2 * (length - 1). It is irfft of the conjugates, with the other factor.
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_hfft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                        const char* norm, melix_stream stream);

/// The inverse of hfft: elements 0 to n // 2 of the signal that has this real spectrum.
/// Default in C++: axis = -1, norm = "backward".
MELIX_C_API melix_status melix_fft_ihfft(melix_array* out, melix_array a, const int64_t* n, int axis,
                                         const char* norm, melix_stream stream);

/// The Fourier transform along two axes (see fftn).
/// Default in C++: axes = std::vector<int>{-2, -1}, norm = "backward".
MELIX_C_API melix_status melix_fft_fft2(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                        const int* axes, size_t axes_size, const char* norm,
                                        melix_stream stream);

/// The inverse of fft2.
/// Default in C++: axes = std::vector<int>{-2, -1}, norm = "backward".
MELIX_C_API melix_status melix_fft_ifft2(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                         const int* axes, size_t axes_size, const char* norm,
                                         melix_stream stream);

/// The Fourier transform of real numbers along two axes (see rfftn).
/// Default in C++: axes = std::vector<int>{-2, -1}, norm = "backward".
MELIX_C_API melix_status melix_fft_rfft2(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                         const int* axes, size_t axes_size, const char* norm,
                                         melix_stream stream);

/// The inverse of rfft2.
/// Default in C++: axes = std::vector<int>{-2, -1}, norm = "backward".
MELIX_C_API melix_status melix_fft_irfft2(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                          const int* axes, size_t axes_size, const char* norm,
                                          melix_stream stream);

/// The Fourier transform along several axes, all by default. `s` are the lengths to which these axes are cut or filled
/// up with zeros first, and needs `axes`. `norm` is that of fft, with the product of the lengths.
/// Default in C++: norm = "backward".
MELIX_C_API melix_status melix_fft_fftn(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                        const int* axes, size_t axes_size, const char* norm,
                                        melix_stream stream);

/// The inverse of fftn.
/// Default in C++: norm = "backward".
MELIX_C_API melix_status melix_fft_ifftn(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                         const int* axes, size_t axes_size, const char* norm,
                                         melix_stream stream);

/// The Fourier transform of real numbers along several axes: rfft along the last of them, fft along the others.
/// Default in C++: norm = "backward".
MELIX_C_API melix_status melix_fft_rfftn(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                         const int* axes, size_t axes_size, const char* norm,
                                         melix_stream stream);

/// The inverse of rfftn. `s` are the lengths of the result; without it the last axis becomes 2 * (length - 1).
/// Default in C++: norm = "backward".
MELIX_C_API melix_status melix_fft_irfftn(melix_array* out, melix_array a, const int64_t* s, size_t s_size,
                                          const int* axes, size_t axes_size, const char* norm,
                                          melix_stream stream);

/// The frequencies that the elements of fft stand for: 0, 1, ..., -2, -1 over n * d, for samples at distances of `d`.
///
///     >>> mx.fft.fftfreq(4, 0.5).tolist()
///     [0.0, 0.5, -1.0, -0.5]
/// Default in C++: d = 1.0.
MELIX_C_API melix_status melix_fft_fftfreq(melix_array* out, int64_t n, double d, melix_stream stream);

/// The frequencies that the elements of rfft stand for: 0, 1, ..., n // 2 over n * d.
/// Default in C++: d = 1.0.
MELIX_C_API melix_status melix_fft_rfftfreq(melix_array* out, int64_t n, double d, melix_stream stream);

/// The array with frequency 0 in the middle of the given axes (all by default): they are rolled by half their length.
MELIX_C_API melix_status melix_fft_fftshift(melix_array* out, melix_array a, const int* axes,
                                            size_t axes_size, melix_stream stream);

/// The inverse of fftshift.
MELIX_C_API melix_status melix_fft_ifftshift(melix_array* out, melix_array a, const int* axes,
                                             size_t axes_size, melix_stream stream);

// ---- floating ----

/// Whether the sign is negative: of -0.0 and of NaNs with the sign bit too. Not defined for complex numbers.
///
///     >>> mx.signbit(mx.array([-0.0, 0.0, -2.0])).tolist()
///     [True, False, True]
MELIX_C_API melix_status melix_signbit(melix_array* out, melix_array a, melix_stream stream);

/// The size of `a` with the sign of `b`. Integers are converted to float32.
MELIX_C_API melix_status melix_copysign(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// The next number of the type from `a` towards `b`; `b` where they are equal. Integers are converted to float32.
MELIX_C_API melix_status melix_nextafter(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// sqrt(a^2 + b^2), without overflow or underflow on the way; infinite if one is, even beside NaN. Integers are
/// converted to float32.
MELIX_C_API melix_status melix_hypot(melix_array* out, melix_array a, melix_array b, melix_stream stream);

// ---- gated_delta ----

/// The gated delta rule over T steps. For each head, with S the state (Dv, Dk), each step t does
///
///     S = gamma_t S
///     S = S + beta_t (v_t - S k_t) k_t^T
///     y_t = S q_t
///
/// Shapes: q and k (B, T, Hk, Dk); v (B, T, Hv, Dv), Hv a multiple of Hk: neighbouring heads of v share one of q and k;
/// gamma (B, T, Hv), or (B, T, Hv, Dk) with a decay for each key; beta (B, T, Hv); initial_state (B, Hv, Dv, Dk), by
/// default zeros; mask (B, T): where it is false, the state stays as it is, and y is 0. Gives y (B, T, Hv, Dv), of the
/// dtype that q, k and v promote to, and the last state, in float32 (float64 if anything is). Everything is computed in
/// that dtype; y is rounded once.
MELIX_C_API melix_status melix_fast_gated_delta_update(melix_arrays* out, melix_array q, melix_array k,
                                                       melix_array v, melix_array gamma, melix_array beta,
                                                       melix_array initial_state, melix_array mask,
                                                       melix_stream stream);

// ---- gather ----

/// The elements, rows, ... that an array of integers names along an axis; of the flattened array, without an axis. The
/// dimensions of `indices` stand in the result where the axis was.
MELIX_C_API melix_status melix_take(melix_array* out, melix_array a, melix_array indices, const int* axis,
                                    melix_stream stream);

/// The element of each row that `indices` names: result[i, j, k] = a[i, indices[i, j, k], k] for axis 1. Both arrays
/// broadcast against each other in the other axes; without an axis, `a` is flattened.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_take_along_axis(melix_array* out, melix_array a, melix_array indices,
                                               const int* axis, melix_stream stream);

// ---- gathered_products ----

/// Products of the matrices that indices pick: a[lhs_indices] @ b[rhs_indices], without copies of them. The axes before
/// the last two are flattened for the indices, which broadcast against each other; where they are missing, they are 0,
/// 1, ... in the shape of these axes. Neighbours with one matrix of b and successive ones of a, as sorted indices give
/// them, are one product; `sorted_indices` changes nothing, they are found anyway. Negative indices are wrapped once,
/// all are clamped.
/// Default in C++: sorted_indices = false.
MELIX_C_API melix_status melix_gather_mm(melix_array* out, melix_array a, melix_array b,
                                         melix_array lhs_indices, melix_array rhs_indices,
                                         bool sorted_indices, melix_stream stream);

/// Matrix product of a (..., M, K) and b (..., K, N) whose blocks of block_size x block_size elements are multiplied by
/// the elements of masks: mask_out has one for each block of the result, mask_lhs for each of a, mask_rhs for each of
/// b; blocks at the ends may be smaller. A boolean mask drops blocks, whatever they hold. Masks broadcast.
/// Default in C++: block_size = 64.
MELIX_C_API melix_status melix_block_masked_mm(melix_array* out, melix_array a, melix_array b, int block_size,
                                               melix_array mask_out, melix_array mask_lhs,
                                               melix_array mask_rhs, melix_stream stream);

/// Products of parts of the summed axis: for each pair (begin, end) of segments (..., 2), a[:, begin:end] @
/// b[begin:end] of a (M, K) and b (K, N). The result is (..., M, N). Pairs are limited to [0, K]; empty ones give 0.
/// The derivative costs a product of the whole for each segment.
MELIX_C_API melix_status melix_segmented_mm(melix_array* out, melix_array a, melix_array b,
                                            melix_array segments, melix_stream stream);

// ---- hadamard ----

/// The product of the last axis with a Hadamard matrix, times `scale` (by default 1 / sqrt(n), which makes it
/// orthogonal).
///
/// The length n of that axis is m * 2^k, m being 1, 12, 20 or 28 and k any number; for m = 1 the matrix is
/// scipy.linalg.hadamard(n), else the Kronecker product of the matrix of order m with that of 2^k. Takes n log n steps.
/// Floating and complex dtypes are kept (16-bit floats are computed in float32 and rounded once), all others become
/// float32. A scalar is a row of one element.
///
///     >>> mx.hadamard_transform(mx.array([1.0, 2.0, 3.0, 4.0]), scale=1.0).tolist()
///     [10.0, -2.0, -4.0, 0.0]
MELIX_C_API melix_status melix_hadamard_transform(melix_array* out, melix_array a, const double* scale,
                                                  melix_stream stream);

// ---- linalg ----

/// Norm of vectors or matrices, as `ord` says:
///
///     ord         of a matrix                       of a vector
///     none        root of the sum of squares        the same
///     "fro", "f"  the same                          -
///     "nuc"       sum of the singular values        -
///     inf         largest sum of a row              largest magnitude
///     -inf        smallest sum of a row             smallest magnitude
///     1, -1       largest, smallest sum of a column sum of magnitudes (1)
///     2, -2       largest, smallest singular value  root of the sum of squares (2)
///     0           -                                 how many are not zero
///     p           -                                 sum(abs(a) ** p) ** (1 / p)
///
/// One axis makes vectors, two make matrices. Without an axis the whole array is one vector (without `ord`), or it must
/// be a vector or a matrix. The result is real; integers give float32. The gradient at zero is 0.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_linalg_norm(melix_array* out, melix_array a, const double* ord,
                                           const int* axis, size_t axis_size, bool keepdims,
                                           melix_stream stream);

/// q with orthonormal columns and r upper triangular, with q @ r = a. For a of shape (..., m, n) and k = min(m, n) they
/// are (..., m, k) and (..., k, n).
MELIX_C_API melix_status melix_linalg_qr(melix_array* out0, melix_array* out1, melix_array a,
                                         melix_stream stream);

/// u, s, vt with a = (u[:, :k] * s) @ vt[:k] and s descending, k = min(m, n). With `compute_uv` false just s.
///
/// u is (m, m) and vt is (n, n); with `full_matrices` false (m, k) and (k, n). Derivatives are those of the first k
/// columns of u and rows of vt, for singular values that differ. A matrix that is not finite gives NaN.
/// Default in C++: compute_uv = true, full_matrices = true.
MELIX_C_API melix_status melix_linalg_svd(melix_arrays* out, melix_array a, bool compute_uv,
                                          bool full_matrices, melix_stream stream);

/// Inverse of square matrices.
MELIX_C_API melix_status melix_linalg_inv(melix_array* out, melix_array a, melix_stream stream);

/// Inverse of the lower (or upper) triangles of square matrices.
/// Default in C++: upper = false.
MELIX_C_API melix_status melix_linalg_tri_inv(melix_array* out, melix_array a, bool upper,
                                              melix_stream stream);

/// Lower triangular l with l @ l^H = a, or with `upper` u with u^H @ u = a, for symmetric (Hermitian) positive definite
/// matrices. Only that triangle of `a` is read; the gradient is symmetric.
/// Default in C++: upper = false.
MELIX_C_API melix_status melix_linalg_cholesky(melix_array* out, melix_array a, bool upper,
                                               melix_stream stream);

/// Inverse of the matrices whose Cholesky factors (as cholesky gives them) these are.
/// Default in C++: upper = false.
MELIX_C_API melix_status melix_linalg_cholesky_inv(melix_array* out, melix_array a, bool upper,
                                                   melix_stream stream);

/// p, l, u with a = l[p] @ u: a permutation (uint32), a lower triangle with ones on the diagonal, an upper triangle.
MELIX_C_API melix_status melix_linalg_lu(melix_array* out0, melix_array* out1, melix_array* out2,
                                         melix_array a, melix_stream stream);

/// The same factors in one matrix, with l below the diagonal, and the pivots (uint32): row i was exchanged with row
/// pivots[i], in that order.
MELIX_C_API melix_status melix_linalg_lu_factor(melix_array* out0, melix_array* out1, melix_array a,
                                                melix_stream stream);

/// x with a @ x = b. b is a vector or a matrix; the axes before the matrices broadcast.
MELIX_C_API melix_status melix_linalg_solve(melix_array* out, melix_array a, melix_array b,
                                            melix_stream stream);

/// x with a @ x = b for the lower (or upper) triangles of a, as solve.
/// Default in C++: upper = false.
MELIX_C_API melix_status melix_linalg_solve_triangular(melix_array* out, melix_array a, melix_array b,
                                                       bool upper, melix_stream stream);

/// Eigenvalues, and eigenvectors of length 1 as columns, of square matrices: complex64 always, in any order. A matrix
/// that is not finite gives NaN.
MELIX_C_API melix_status melix_linalg_eig(melix_array* out0, melix_array* out1, melix_array a,
                                          melix_stream stream);

/// The eigenvalues of eig.
MELIX_C_API melix_status melix_linalg_eigvals(melix_array* out, melix_array a, melix_stream stream);

/// Eigenvalues in ascending order (real), and orthonormal eigenvectors as columns, of symmetric (Hermitian) matrices.
/// Only the triangle that `UPLO` says ("L" or "U") is read; the gradient is symmetric. A matrix that is not finite
/// gives NaN.
/// Default in C++: UPLO = "L".
MELIX_C_API melix_status melix_linalg_eigh(melix_array* out0, melix_array* out1, melix_array a,
                                           const char* UPLO, melix_stream stream);

/// The eigenvalues of eigh.
/// Default in C++: UPLO = "L".
MELIX_C_API melix_status melix_linalg_eigvalsh(melix_array* out, melix_array a, const char* UPLO,
                                               melix_stream stream);

/// Pseudo-inverse. Singular values below 10 max(m, n) eps times the largest one are taken for zero.
MELIX_C_API melix_status melix_linalg_pinv(melix_array* out, melix_array a, melix_stream stream);

/// Cross product of the vectors along an axis, of length 2 or 3 (the missing third element is zero); the other axes
/// broadcast.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_linalg_cross(melix_array* out, melix_array a, melix_array b, int axis,
                                            melix_stream stream);

/// Determinant of square matrices; of any dtype, integers give float32.
MELIX_C_API melix_status melix_linalg_det(melix_array* out, melix_array a, melix_stream stream);

/// Sign of the determinant (of a complex one: a number of magnitude 1) and logarithm of its magnitude: 0 and -inf for a
/// singular matrix.
MELIX_C_API melix_status melix_linalg_slogdet(melix_array* out0, melix_array* out1, melix_array a,
                                              melix_stream stream);

/// Norm of matrices along two axes, by default the last two: see linalg.norm.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_matrix_norm(melix_array* out, melix_array a, const double* ord,
                                           const int* axis, size_t axis_size, bool keepdims,
                                           melix_stream stream);

// ---- linalg_standard ----

/// Norm of vectors along axes; of the whole array as one vector, without axes. `ord` is a number, inf and -inf among
/// them: see linalg.norm.
/// Default in C++: keepdims = false, ord = 2.
MELIX_C_API melix_status melix_linalg_vector_norm(melix_array* out, melix_array a, const int* axis,
                                                  size_t axis_size, bool keepdims, double ord,
                                                  melix_stream stream);

/// Norm of the matrices along the last two axes: see linalg.norm.
/// Default in C++: keepdims = false, ord = "fro".
MELIX_C_API melix_status melix_linalg_matrix_norm(melix_array* out, melix_array a, bool keepdims, double ord,
                                                  melix_stream stream);

/// Square matrices multiplied with themselves, so that `n` of them are multiplied; with n = 0 the identity, with
/// negative n the power of the inverse.
MELIX_C_API melix_status melix_linalg_matrix_power(melix_array* out, melix_array a, int64_t n,
                                                   melix_stream stream);

/// How many singular values (int32) are larger than `rtol` times the largest one, by default max(m, n) eps.
MELIX_C_API melix_status melix_linalg_matrix_rank(melix_array* out, melix_array a, melix_array rtol,
                                                  melix_stream stream);

/// The singular values of linalg.svd, descending.
MELIX_C_API melix_status melix_linalg_svdvals(melix_array* out, melix_array a, melix_stream stream);

/// The diagonals of the matrices along the last two axes: see mx.diagonal.
/// Default in C++: offset = 0.
MELIX_C_API melix_status melix_linalg_diagonal(melix_array* out, melix_array a, int64_t offset,
                                               melix_stream stream);

/// The sums of diagonals of the matrices along the last two axes, of the elements as `dtype` if one is given.
/// Default in C++: offset = 0.
MELIX_C_API melix_status melix_linalg_trace(melix_array* out, melix_array a, int64_t offset,
                                            const melix_dtype* dtype, melix_stream stream);

/// mx.matmul.
MELIX_C_API melix_status melix_linalg_matmul(melix_array* out, melix_array a, melix_array b,
                                             melix_stream stream);

/// mx.matrix_transpose.
MELIX_C_API melix_status melix_linalg_matrix_transpose(melix_array* out, melix_array a, melix_stream stream);

/// mx.outer.
MELIX_C_API melix_status melix_linalg_outer(melix_array* out, melix_array a, melix_array b,
                                            melix_stream stream);

/// mx.tensordot.
/// Default in C++: axes = 2.
MELIX_C_API melix_status melix_linalg_tensordot(melix_array* out, melix_array a, melix_array b, int axes,
                                                melix_stream stream);

/// mx.tensordot.
/// Default in C++: axes = 2.
MELIX_C_API melix_status melix_linalg_tensordot_list(melix_array* out, melix_array a, melix_array b,
                                                     const int* const* axes, const size_t* axes_sizes,
                                                     size_t axes_size, melix_stream stream);

/// mx.vecdot.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_linalg_vecdot(melix_array* out, melix_array a, melix_array b, int axis,
                                             melix_stream stream);

// ---- load ----

/// The array of an .npy file. Its elements are read when they are needed.
MELIX_C_API melix_status melix_load(melix_array* out, const char* file, melix_stream stream);

// ---- matmul ----

/// Matrix product of the last two axes; the axes before them broadcast. A vector (one axis) is a row on the left and a
/// column on the right, and its axis is left out of the result.
MELIX_C_API melix_status melix_matmul(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// alpha * (a @ b) + beta * c, rounded once. c broadcasts to the shape of the product. For integers alpha and beta are
/// whole numbers.
/// Default in C++: alpha = 1.0, beta = 1.0.
MELIX_C_API melix_status melix_addmm(melix_array* out, melix_array c, melix_array a, melix_array b,
                                     double alpha, double beta, melix_stream stream);

/// Inner product of vectors; of more axes, sums of products over the last ones: (..., K) and (---, K) give (..., ---).
/// With a scalar it is the product.
MELIX_C_API melix_status melix_inner(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Products of every element of a with every element of b, both flattened.
MELIX_C_API melix_status melix_outer(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Sums of conj(a) * b along an axis; the other axes broadcast.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_vecdot(melix_array* out, melix_array a, melix_array b, int axis,
                                      melix_stream stream);

/// Kronecker product: every element of a times the whole of b, in blocks.
MELIX_C_API melix_status melix_kron(melix_array* out, melix_array a, melix_array b, melix_stream stream);

/// Sums of products over pairs of axes: the last `axes` axes of a with the first ones of b, or axes[0] of a with
/// axes[1] of b. The other axes follow each other in the result, those of a first.
/// Default in C++: axes = 2.
MELIX_C_API melix_status melix_tensordot(melix_array* out, melix_array a, melix_array b, int axes,
                                         melix_stream stream);

/// Sums of products over pairs of axes: the last `axes` axes of a with the first ones of b, or axes[0] of a with
/// axes[1] of b. The other axes follow each other in the result, those of a first.
/// Default in C++: axes = 2.
MELIX_C_API melix_status melix_tensordot_list(melix_array* out, melix_array a, melix_array b,
                                              const int* const* axes, const size_t* axes_sizes,
                                              size_t axes_size, melix_stream stream);

// ---- normalize ----

/// x / sqrt(mean(x * x) + eps) over the last axis, times `weight` (one element for each of that axis) where it is
/// given. The result has the dtype that x and weight promote to, float32 for integers; 16-bit floats are computed in
/// float32 and rounded once.
///
///     >>> mx.fast.rms_norm(mx.array([3.0, 4.0]), None, 0.0)
///     array([0.848528, 1.13137], dtype=float32)
MELIX_C_API melix_status melix_fast_rms_norm(melix_array* out, melix_array x, melix_array weight, double eps,
                                             melix_stream stream);

/// (x - mean(x)) / sqrt(var(x) + eps) over the last axis, times `weight`, plus `bias`, where they are given (one
/// element for each of that axis). The result has the dtype that all promote to, float32 for integers; 16-bit floats
/// are computed in float32 and rounded once.
MELIX_C_API melix_status melix_fast_layer_norm(melix_array* out, melix_array x, melix_array weight,
                                               melix_array bias, double eps, melix_stream stream);

// ---- pool ----

/// The largest element of each window of an array (N, spatial..., C) with one to three spatial axes. Windows begin
/// `stride` apart (by default as far as they are long); `padding` adds places at both ends of each axis that never are
/// the largest. One number counts for all axes. The gradient is shared evenly by the largest elements of a window.
/// Default in C++: padding = {0}.
MELIX_C_API melix_status melix_fast_max_pool(melix_array* out, melix_array a, const int64_t* kernel_size,
                                             size_t kernel_size_size, const int64_t* stride,
                                             size_t stride_size, const int64_t* padding, size_t padding_size,
                                             melix_stream stream);

/// The mean of each window of an array (N, spatial..., C) with one to three spatial axes. Windows begin `stride` apart
/// (by default as far as they are long); `padding` adds zeros at both ends of each axis, which count. One number counts
/// for all axes.
/// Default in C++: padding = {0}.
MELIX_C_API melix_status melix_fast_avg_pool(melix_array* out, melix_array a, const int64_t* kernel_size,
                                             size_t kernel_size_size, const int64_t* stride,
                                             size_t stride_size, const int64_t* padding, size_t padding_size,
                                             melix_stream stream);

// ---- quantized ----

/// Quantizes the rows of a matrix (its last axis) in groups of `group_size` elements that share a scale: the packed
/// weight, the scales and, for affine, the biases.
///
/// | mode | group_size | bits | scales | value |
/// |---|---|---|---|---|
/// | affine | 32, 64 (default), 128 | 1, 2, 3, 4 (default), 5, 6, 8 | as `w` | scale * code + bias |
/// | mxfp4 | 32 | 4 (E2M1) | uint8 (E8M0) | scale * code |
/// | mxfp8 | 32 | 8 (E4M3) | uint8 (E8M0) | scale * code |
/// | nvfp4 | 16 | 4 (E2M1) | uint8 (E4M3) | scale * code (* global_scale / 2688) |
/// | q4_0, q4_1, q5_0, q5_1, q8_0 | 32 | of the name | in the blocks | GGUF's blocks as uint8: the one result |
///
/// Codes fill uint32 words from the lowest bit on. `global_scale`, a float32 number for nvfp4, is the largest magnitude
/// that scales have to reach.
/// Default in C++: mode = "affine".
MELIX_C_API melix_status melix_quantize(melix_arrays* out, melix_array w, const int* group_size,
                                        const int* bits, const char* mode, melix_array global_scale,
                                        melix_stream stream);

/// The values of a quantized matrix (see quantize), as `dtype`: by default that of scales and biases, bfloat16 where
/// scales are bytes, float32 for blocks of GGUF. Blocks also have the modes q2_k, q3_k, q4_k, q5_k, q6_k and, with `w`
/// an array of bytes and no scales, mxfp4.
/// Default in C++: mode = "affine".
MELIX_C_API melix_status melix_dequantize(melix_array* out, melix_array w, melix_array scales,
                                          melix_array biases, const int* group_size, const int* bits,
                                          const char* mode, melix_array global_scale,
                                          const melix_dtype* dtype, melix_stream stream);

/// x times a quantized matrix: x @ w.T with `transpose`, where w is (..., N, K), else x @ w, where it is (..., K, N).
/// Axes before the last two broadcast. Weights are read as they are packed; sums are made in float32 and rounded once.
/// Default in C++: transpose = true, mode = "affine".
MELIX_C_API melix_status melix_quantized_matmul(melix_array* out, melix_array x, melix_array w,
                                                melix_array scales, melix_array biases, bool transpose,
                                                const int* group_size, const int* bits, const char* mode,
                                                melix_stream stream);

/// quantized_matmul of matrices that indices choose: lhs_indices count the matrices of x, rhs_indices those of w, in
/// row-major order of the axes before the last two; they broadcast together. By default all in order. Rows that meet
/// the same matrix are multiplied together, whether or not the indices are sorted.
/// Default in C++: transpose = true, mode = "affine", sorted_indices = false.
MELIX_C_API melix_status melix_gather_qmm(melix_array* out, melix_array x, melix_array w, melix_array scales,
                                          melix_array biases, melix_array lhs_indices,
                                          melix_array rhs_indices, bool transpose, const int* group_size,
                                          const int* bits, const char* mode, melix_array global_scale,
                                          bool sorted_indices, melix_stream stream);

/// x @ w.T where x is quantized first, and w too unless it comes with its scales. x and an unquantized w have the
/// derivatives of the product of unquantized values of the other.
/// Default in C++: mode = "nvfp4".
MELIX_C_API melix_status melix_qqmm(melix_array* out, melix_array x, melix_array w, melix_array scales,
                                    const int* group_size, const int* bits, const char* mode,
                                    melix_array global_scale_x, melix_array global_scale_w,
                                    melix_stream stream);

/// qqmm of matrices that indices choose (see gather_qmm).
/// Default in C++: mode = "nvfp4", sorted_indices = false.
MELIX_C_API melix_status melix_gather_qqmm(melix_array* out, melix_array x, melix_array w, melix_array scales,
                                           melix_array lhs_indices, melix_array rhs_indices,
                                           const int* group_size, const int* bits, const char* mode,
                                           melix_array global_scale_x, melix_array global_scale_w,
                                           bool sorted_indices, melix_stream stream);

/// The nearest 8-bit floats (E4M3: 448 is the largest, there are no infinities), as uint8.
MELIX_C_API melix_status melix_to_fp8(melix_array* out, melix_array x, melix_stream stream);

/// 8-bit floats (E4M3) in uint8 as a floating type.
/// Default in C++: dtype = bfloat16.
MELIX_C_API melix_status melix_from_fp8(melix_array* out, melix_array x, melix_dtype dtype,
                                        melix_stream stream);

// ---- random ----

/// The key that belongs to a seed.
MELIX_C_API melix_status melix_random_key(melix_array* out, uint64_t seed);

/// Restarts the sequence of keys that functions without a key take.
MELIX_C_API melix_status melix_random_seed(uint64_t seed);

/// `num` keys made from one, as an array (num, 2).
/// Default in C++: num = 2.
MELIX_C_API melix_status melix_random_split(melix_array* out, melix_array key, int64_t num,
                                            melix_stream stream);

/// Random bits: unsigned integers of `width` bytes (1, 2, 4 or 8).
/// Default in C++: width = 4.
MELIX_C_API melix_status melix_random_bits(melix_array* out, const int64_t* shape, size_t shape_size,
                                           int width, melix_array key, melix_stream stream);

/// Numbers of a floating dtype evenly distributed in [low, high), which broadcast to `shape`.
/// Default in C++: low = 0, high = 1, dtype = float32.
MELIX_C_API melix_status melix_random_uniform(melix_array* out, melix_array low, melix_array high,
                                              const int64_t* shape, size_t shape_size, melix_dtype dtype,
                                              melix_array key, melix_stream stream);

/// Normally distributed numbers of a floating dtype or complex64, with mean `loc` (0) and standard deviation `scale`
/// (1). Real and imaginary parts of complex numbers have variance 1/2 each.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_random_normal(melix_array* out, const int64_t* shape, size_t shape_size,
                                             melix_dtype dtype, melix_array loc, melix_array scale,
                                             melix_array key, melix_stream stream);

/// Vectors of normally distributed numbers with means (..., n) and covariance matrices (..., n, n), which must be
/// positive semi-definite (not checked; only their lower triangles are read). `shape` is that of the batch, by default
/// the one that means and matrices broadcast to.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_random_multivariate_normal(melix_array* out, melix_array mean, melix_array cov,
                                                          const int64_t* shape, size_t shape_size,
                                                          melix_dtype dtype, melix_array key,
                                                          melix_stream stream);

/// Integers evenly distributed in [low, high), which broadcast to `shape`. They are drawn in float32: of an interval
/// wider than 2^24 not every integer can come.
/// Default in C++: dtype = int32.
MELIX_C_API melix_status melix_random_randint(melix_array* out, melix_array low, melix_array high,
                                              const int64_t* shape, size_t shape_size, melix_dtype dtype,
                                              melix_array key, melix_stream stream);

/// Booleans that are true with probability `p`, which broadcasts to `shape` (by default its own).
/// Default in C++: p = 0.5.
MELIX_C_API melix_status melix_random_bernoulli(melix_array* out, melix_array p, const int64_t* shape,
                                                size_t shape_size, melix_array key, melix_stream stream);

/// Numbers of the standard normal distribution cut off outside of [lower, upper], which broadcast to `shape`.
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_random_truncated_normal(melix_array* out, melix_array lower, melix_array upper,
                                                       const int64_t* shape, size_t shape_size,
                                                       melix_dtype dtype, melix_array key,
                                                       melix_stream stream);

/// Numbers of the standard Gumbel distribution, -log(-log(u)).
/// Default in C++: dtype = float32.
MELIX_C_API melix_status melix_random_gumbel(melix_array* out, const int64_t* shape, size_t shape_size,
                                             melix_dtype dtype, melix_array key, melix_stream stream);

/// Indices along an axis, each as likely as its element of softmax(logits), as uint32. The result has the shape of
/// `logits` without the axis; or `shape`, to which that broadcasts; or that with `num_samples` as one more axis at the
/// end.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_random_categorical(melix_array* out, melix_array logits, int axis,
                                                  const int64_t* shape, size_t shape_size,
                                                  const int64_t* num_samples, melix_array key,
                                                  melix_stream stream);

/// Numbers of the Laplace distribution around `loc` with scale `scale`.
/// Default in C++: dtype = float32, loc = 0.0, scale = 1.0.
MELIX_C_API melix_status melix_random_laplace(melix_array* out, const int64_t* shape, size_t shape_size,
                                              melix_dtype dtype, double loc, double scale, melix_array key,
                                              melix_stream stream);

/// The numbers below x in random order, as uint32; or the array x with its parts along an axis in random order.
/// Default in C++: axis = 0.
MELIX_C_API melix_status melix_random_permutation(melix_array* out, melix_array x, int axis, melix_array key,
                                                  melix_stream stream);

// ---- reduce ----

/// Sum along axes (all by default). bool and small integers add up in 32 bits, 16-bit floats in float32, rounded once.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_sum(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, melix_stream stream);

/// Product along axes.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_prod(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                    bool keepdims, melix_stream stream);

/// Largest element along axes; NaN if there is one.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_max(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, melix_stream stream);

/// Smallest element along axes; NaN if there is one.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_min(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, melix_stream stream);

/// Whether all elements along axes are true (not zero).
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_all(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, melix_stream stream);

/// Whether any element along axes is true (not zero).
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_any(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, melix_stream stream);

/// Arithmetic mean along axes. Integers and bool give float32; 16-bit floats are summed in float32.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_mean(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                    bool keepdims, melix_stream stream);

/// Variance along axes: the sum of squared distances from the mean over n - ddof.
/// Default in C++: keepdims = false, ddof = 0.
MELIX_C_API melix_status melix_var(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, int ddof, melix_stream stream);

/// Standard deviation along axes: the root of the variance.
/// Default in C++: keepdims = false, ddof = 0.
MELIX_C_API melix_status melix_std(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                   bool keepdims, int ddof, melix_stream stream);

/// log(sum(exp(a))) along axes, without overflow.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_logsumexp(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                         bool keepdims, melix_stream stream);

/// Number of elements that are not zero, along axes, as int32.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_count_nonzero(melix_array* out, melix_array a, const int* axis,
                                             size_t axis_size, bool keepdims, melix_stream stream);

/// Whether all elements are close (see isclose): a boolean scalar.
/// Default in C++: rtol = 1e-5, atol = 1e-8, equal_nan = false.
MELIX_C_API melix_status melix_allclose(melix_array* out, melix_array a, melix_array b, double rtol,
                                        double atol, bool equal_nan, melix_stream stream);

/// Whether both arrays have one shape and equal elements: a boolean scalar. NaNs are equal only with `equal_nan`.
/// Default in C++: equal_nan = false.
MELIX_C_API melix_status melix_array_equal(melix_array* out, melix_array a, melix_array b, bool equal_nan,
                                           melix_stream stream);

// ---- rope ----

/// Rotary position encoding: of `a` (B, ..., T, D), the first `dims` features of each row are turned, pair by pair, in
/// proportion to the row's position; the others are left as they are. Pair i is features i and i + dims / 2, or 2 i and
/// 2 i + 1 where `traditional`. At position p it is turned by p * scale / base^(2 i / dims), or by p * scale / freqs[i]
/// where `freqs` (dims / 2 numbers) are given instead of `base`. Row t is at position offset + t; `offset` is an
/// integer, or an array of one or of B of them. Angles are computed in float64: far positions are encoded as precisely
/// as near ones.
///
///     >>> x = mx.ones((1, 2, 4))
///     >>> mx.fast.rope(x, 2, traditional=False, base=10000.0, scale=1.0, offset=0)
///     array([[[1, 1, 1, 1],
///             [-0.301169, 1.38177, 1, 1]]], dtype=float32)
MELIX_C_API melix_status melix_fast_rope(melix_array* out, melix_array a, int dims, bool traditional,
                                         const double* base, double scale, melix_array offset,
                                         melix_array freqs, melix_stream stream);

// ---- scan ----

/// Cumulative sum along an axis (of the flattened array, without one). `reverse` runs from the end; without `inclusive`
/// element i holds the sum of the elements before it. The array is converted to `dtype` first, if there is one; bool is
/// summed as int32, all other dtypes are kept. 16-bit floats and float32 add up in float64.
/// Default in C++: reverse = false, inclusive = true.
MELIX_C_API melix_status melix_cumsum(melix_array* out, melix_array a, const int* axis, bool reverse,
                                      bool inclusive, const melix_dtype* dtype, melix_stream stream);

/// Cumulative product along an axis (of the flattened array, without one). `reverse` runs from the end; without
/// `inclusive` element i holds the product of the elements before it. The array is converted to `dtype` first, if there
/// is one.
/// Default in C++: reverse = false, inclusive = true.
MELIX_C_API melix_status melix_cumprod(melix_array* out, melix_array a, const int* axis, bool reverse,
                                       bool inclusive, const melix_dtype* dtype, melix_stream stream);

/// Cumulative maximum along an axis (of the flattened array, without one); NaN from the first NaN on. `reverse` runs
/// from the end; without `inclusive` element i holds the maximum of the elements before it, the first one the lowest
/// number.
/// Default in C++: reverse = false, inclusive = true.
MELIX_C_API melix_status melix_cummax(melix_array* out, melix_array a, const int* axis, bool reverse,
                                      bool inclusive, melix_stream stream);

/// Cumulative minimum along an axis (of the flattened array, without one); NaN from the first NaN on. `reverse` runs
/// from the end; without `inclusive` element i holds the minimum of the elements before it, the first one the highest
/// number.
/// Default in C++: reverse = false, inclusive = true.
MELIX_C_API melix_status melix_cummin(melix_array* out, melix_array a, const int* axis, bool reverse,
                                      bool inclusive, melix_stream stream);

/// Logarithm of the cumulative sum of exponentials along an axis (of the flattened array, without one), without
/// overflow. `reverse` runs from the end; without `inclusive` element i holds that of the elements before it, the first
/// one -infinity. Integers and bool give float32.
/// Default in C++: reverse = false, inclusive = true.
MELIX_C_API melix_status melix_logcumsumexp(melix_array* out, melix_array a, const int* axis, bool reverse,
                                            bool inclusive, melix_stream stream);

// ---- scatter ----

/// The array with values put where `indices` names, in each row: for axis 1 result[i, indices[i, j, k], k] =
/// values[i, j, k]. Indices broadcast to the array in the other axes, values to the indices; without an axis, the array
/// is flattened for the writing.
MELIX_C_API melix_status melix_put_along_axis(melix_array* out, melix_array a, melix_array indices,
                                              melix_array values, const int* axis, melix_stream stream);

// ---- shape ----

/// The same elements, in row-major order, in another shape. One dimension may be -1: it follows from the others.
MELIX_C_API melix_status melix_reshape(melix_array* out, melix_array a, const int64_t* shape,
                                       size_t shape_size, melix_stream stream);

/// Axes permuted: result axis i is argument axis `axes[i]`. Without axes, their order is reversed.
MELIX_C_API melix_status melix_transpose(melix_array* out, melix_array a, const int* axes, size_t axes_size,
                                         melix_stream stream);

/// The array repeated, without copying, to a shape that it broadcasts to.
MELIX_C_API melix_status melix_broadcast_to(melix_array* out, melix_array a, const int64_t* shape,
                                            size_t shape_size, melix_stream stream);

/// Every array broadcast to the shape common to all.
MELIX_C_API melix_status melix_broadcast_arrays(melix_arrays* out, const melix_array* arrays,
                                                size_t arrays_size, melix_stream stream);

/// Dimensions `start_axis` to `end_axis` joined into one.
/// Default in C++: start_axis = 0, end_axis = -1.
MELIX_C_API melix_status melix_flatten(melix_array* out, melix_array a, int start_axis, int end_axis,
                                       melix_stream stream);

/// One axis split into the given shape, of which one dimension may be -1.
MELIX_C_API melix_status melix_unflatten(melix_array* out, melix_array a, int axis, const int64_t* shape,
                                         size_t shape_size, melix_stream stream);

/// The array without the given axes, which must have length 1; without axes, without all that have.
MELIX_C_API melix_status melix_squeeze(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                       melix_stream stream);

/// The array with new axes of length 1 at the given places of the result.
MELIX_C_API melix_status melix_expand_dims(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                           melix_stream stream);

/// One axis moved to another place, the others in order.
MELIX_C_API melix_status melix_moveaxis(melix_array* out, melix_array a, int source, int destination,
                                        melix_stream stream);

/// Two axes exchanged.
MELIX_C_API melix_status melix_swapaxes(melix_array* out, melix_array a, int axis1, int axis2,
                                        melix_stream stream);

/// Arrays of at least one, two or three dimensions: axes of length 1 are added as NumPy does.
MELIX_C_API melix_status melix_atleast_1d(melix_array* out, melix_array a, melix_stream stream);

/// Arrays of at least one, two or three dimensions: axes of length 1 are added as NumPy does.
MELIX_C_API melix_status melix_atleast_2d(melix_array* out, melix_array a, melix_stream stream);

/// Arrays of at least one, two or three dimensions: axes of length 1 are added as NumPy does.
MELIX_C_API melix_status melix_atleast_3d(melix_array* out, melix_array a, melix_stream stream);

/// A window with the given shape and strides (in elements) from an offset on, over the elements in row-major order.
/// Windows may overlap; gradients add up where they do. Reaching outside of the array is an error.
/// Default in C++: offset = 0.
MELIX_C_API melix_status melix_as_strided(melix_array* out, melix_array a, const int64_t* shape,
                                          size_t shape_size, const int64_t* strides, size_t strides_size,
                                          int64_t offset, melix_stream stream);

/// The same bytes as another dtype; the last axis grows or shrinks when the sizes differ.
MELIX_C_API melix_status melix_view(melix_array* out, melix_array a, melix_dtype dtype, melix_stream stream);

/// The same values in row-major order without gaps; an array that is so already is shared.
/// Default in C++: allow_col_major = false.
MELIX_C_API melix_status melix_contiguous(melix_array* out, melix_array a, bool allow_col_major,
                                          melix_stream stream);

/// The value as a constant: no gradient flows through it.
MELIX_C_API melix_status melix_stop_gradient(melix_array* out, melix_array a, melix_stream stream);

// ---- slice ----

/// The part of shape `slice_size` that begins at `start_indices` along `axes`, and at 0 along all others. The starts
/// are values of an array: the same graph serves all of them.
MELIX_C_API melix_status melix_slice(melix_array* out, melix_array a, melix_array start_indices,
                                     const int* axes, size_t axes_size, const int64_t* slice_size,
                                     size_t slice_size_size, melix_stream stream);

/// The array with a part of the shape of `update` replaced by it. The part begins at `start_indices` along `axes`, and
/// at 0 along all others; leading axes that the update does not have are filled as a whole.
MELIX_C_API melix_status melix_slice_update(melix_array* out, melix_array a, melix_array update,
                                            melix_array start_indices, const int* axes, size_t axes_size,
                                            melix_stream stream);

// ---- softmax ----

/// exp(a) / sum(exp(a)) along axes (all by default), without overflow. Integers and bool give float32. 16-bit floats
/// are computed in float32 and rounded once, with or without `precise`.
/// Default in C++: precise = false.
MELIX_C_API melix_status melix_softmax(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                       bool precise, melix_stream stream);

// ---- sort ----

/// The elements in ascending order along an axis; of the flattened array, without one. Stable; NaN comes last.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_sort(melix_array* out, melix_array a, const int* axis, melix_stream stream);

/// The places (uint32) of the elements in ascending order along an axis; in the flattened array, without one. Stable:
/// equal elements stand in the order of their places. NaN comes last.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_argsort(melix_array* out, melix_array a, const int* axis, melix_stream stream);

/// The elements around the one that is at place `kth` when sorted (a negative place counts from the end): smaller ones
/// come before it, larger ones behind. Both keep their order.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_partition(melix_array* out, melix_array a, int64_t kth, const int* axis,
                                         melix_stream stream);

/// The places (uint32) of the elements in the order of partition().
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_argpartition(melix_array* out, melix_array a, int64_t kth, const int* axis,
                                            melix_stream stream);

/// The `k` largest elements along an axis (of the flattened array, without one). The smallest of them comes first, the
/// others follow in the order of their places. NaN counts as the largest.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_topk(melix_array* out, melix_array a, int64_t k, const int* axis,
                                    melix_stream stream);

/// Where `values` would stand in the sorted 1-d array, as uint32: with side "left" the number of elements that are
/// less, with "right" of those that are not greater. NaN is greater than all numbers and equal to NaN.
/// Default in C++: side = "left".
MELIX_C_API melix_status melix_searchsorted(melix_array* out, melix_array sorted_sequence, melix_array values,
                                            const char* side, melix_stream stream);

/// The `size` smallest different elements of the flattened array, ascending; NaNs are all different. Where there are
/// fewer, the rest is `fill_value`, by default the smallest element.
///
/// On request followed by: the place (uint32) of each one's first occurrence; for each element of `a` (in its shape)
/// the place of its value among the results, at most size - 1; how often (int32) each occurs, 0 for what was filled up.
/// Default in C++: return_index = false, return_inverse = false, return_counts = false.
MELIX_C_API melix_status melix_unique(melix_arrays* out, melix_array a, int64_t size, bool return_index,
                                      bool return_inverse, bool return_counts, melix_array fill_value,
                                      melix_stream stream);

/// The middle element along axes when sorted (all axes by default); of an even number the mean of the two in the
/// middle. NaN if there is one. Integers and bool give float32.
/// Default in C++: keepdims = false.
MELIX_C_API melix_status melix_median(melix_array* out, melix_array a, const int* axis, size_t axis_size,
                                      bool keepdims, melix_stream stream);

// ---- stft ----

/// The short-time Fourier transform of the last axis: frames of `n_fft` samples, `hop_length` (by default n_fft // 4)
/// apart, each multiplied by a window and transformed. The result is complex64, of shape (..., frequencies, frames).
///
/// `window` has one axis of at most n_fft points, and is filled up with zeros on both sides; without it all
/// `win_length` (by default n_fft) samples in the middle of a frame count the same. With `center`, n_fft // 2 samples
/// are added at both ends as pad does in `pad_mode` ("reflect", "edge", "constant"), so that frame k is about sample
/// k * hop_length. `onesided` (by default, of real signals) keeps frequencies 0 to n_fft // 2. `norm` is that of fft.
/// Default in C++: n_fft = 2048, center = true, pad_mode = "reflect", norm = "backward".
MELIX_C_API melix_status melix_fft_stft(melix_array* out, melix_array x, int64_t n_fft,
                                        const int64_t* hop_length, const int64_t* win_length,
                                        melix_array window, bool center, const char* pad_mode,
                                        const char* norm, const bool* onesided, melix_stream stream);

/// The signal of which `stft_matrix` is the short-time Fourier transform: the frames are transformed back, multiplied
/// by the window, added up where they overlap and divided by the sum of the squares of the windows there (by 1e-8 where
/// that is less). The result is real.
///
/// The other arguments are those of stft. `n_fft` follows from the number of frequencies, taken as even where
/// `onesided` (the default) leaves a choice. `length` cuts the signal or fills it up with zeros.
/// Default in C++: center = true, norm = "backward".
MELIX_C_API melix_status melix_fft_istft(melix_array* out, melix_array stft_matrix, const int64_t* n_fft,
                                         const int64_t* hop_length, const int64_t* win_length,
                                         melix_array window, bool center, const char* norm,
                                         const bool* onesided, const int64_t* length, melix_stream stream);

// ---- window_functions ----

/// The Hann window of M points: 0.5 - 0.5 * cos(2 pi n / (M - 1)).
///
///     >>> mx.hanning(5).tolist()
///     [0.0, 0.5, 1.0, 0.5, 0.0]
MELIX_C_API melix_status melix_hanning(melix_array* out, int64_t M, melix_stream stream);

/// The Hamming window of M points: 0.54 - 0.46 * cos(2 pi n / (M - 1)).
MELIX_C_API melix_status melix_hamming(melix_array* out, int64_t M, melix_stream stream);

/// The Blackman window of M points: 0.42 - 0.5 * cos(2 pi n / (M - 1)) + 0.08 * cos(4 pi n / (M - 1)).
MELIX_C_API melix_status melix_blackman(melix_array* out, int64_t M, melix_stream stream);

/// The Bartlett window of M points, a triangle: 1 - |2 n / (M - 1) - 1|.
MELIX_C_API melix_status melix_bartlett(melix_array* out, int64_t M, melix_stream stream);

// ---- nn_activations ----

/// The larger of x and 0.
MELIX_C_API melix_status melix_nn_relu(melix_array* out, melix_array x, melix_stream stream);

/// The square of relu(x).
MELIX_C_API melix_status melix_nn_relu2(melix_array* out, melix_array x, melix_stream stream);

/// x between 0 and 6.
MELIX_C_API melix_status melix_nn_relu6(melix_array* out, melix_array x, melix_stream stream);

/// x where it is positive, else negative_slope * x.
/// Default in C++: negative_slope = 0.01.
MELIX_C_API melix_status melix_nn_leaky_relu(melix_array* out, melix_array x, double negative_slope,
                                             melix_stream stream);

/// x where it is positive, else alpha * x, with learned `alpha`.
MELIX_C_API melix_status melix_nn_prelu(melix_array* out, melix_array x, melix_array alpha,
                                        melix_stream stream);

/// x where it is positive, else alpha * (exp(x) - 1).
/// Default in C++: alpha = 1.0.
MELIX_C_API melix_status melix_nn_elu(melix_array* out, melix_array x, double alpha, melix_stream stream);

/// x where it is positive, else alpha * (exp(x / alpha) - 1): elu with a continuous derivative.
/// Default in C++: alpha = 1.0.
MELIX_C_API melix_status melix_nn_celu(melix_array* out, melix_array x, double alpha, melix_stream stream);

/// elu with the alpha and the scale that keep mean 0 and variance 1 from layer to layer.
MELIX_C_API melix_status melix_nn_selu(melix_array* out, melix_array x, melix_stream stream);

/// x * P(X <= x) for a standard normal X.
MELIX_C_API melix_status melix_nn_gelu(melix_array* out, melix_array x, melix_stream stream);

/// gelu by a tanh, within 1e-3: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
MELIX_C_API melix_status melix_nn_gelu_approx(melix_array* out, melix_array x, melix_stream stream);

/// gelu by a sigmoid, within 0.02: x * sigmoid(1.702 x).
MELIX_C_API melix_status melix_nn_gelu_fast_approx(melix_array* out, melix_array x, melix_stream stream);

/// x * sigmoid(x), also known as swish.
MELIX_C_API melix_status melix_nn_silu(melix_array* out, melix_array x, melix_stream stream);

/// 1 / (1 + exp(-x)).
MELIX_C_API melix_status melix_nn_sigmoid(melix_array* out, melix_array x, melix_stream stream);

/// log(sigmoid(x)), without overflow.
MELIX_C_API melix_status melix_nn_log_sigmoid(melix_array* out, melix_array x, melix_stream stream);

/// log(1 + exp(x)), without overflow.
MELIX_C_API melix_status melix_nn_softplus(melix_array* out, melix_array x, melix_stream stream);

/// x / (1 + |x|).
MELIX_C_API melix_status melix_nn_softsign(melix_array* out, melix_array x, melix_stream stream);

/// x moved towards 0 by `lambd`, and 0 where it is not farther from it.
/// Default in C++: lambd = 0.5.
MELIX_C_API melix_status melix_nn_softshrink(melix_array* out, melix_array x, double lambd,
                                             melix_stream stream);

/// x, and 0 where it is not farther from 0 than `lambd`.
/// Default in C++: lambd = 0.5.
MELIX_C_API melix_status melix_nn_hard_shrink(melix_array* out, melix_array x, double lambd,
                                              melix_stream stream);

/// x between two bounds.
/// Default in C++: min_val = -1.0, max_val = 1.0.
MELIX_C_API melix_status melix_nn_hard_tanh(melix_array* out, melix_array x, double min_val, double max_val,
                                            melix_stream stream);

/// x * min(max(x + 3, 0), 6) / 6.
MELIX_C_API melix_status melix_nn_hardswish(melix_array* out, melix_array x, melix_stream stream);

/// x * tanh(softplus(x)).
MELIX_C_API melix_status melix_nn_mish(melix_array* out, melix_array x, melix_stream stream);

/// Hyperbolic tangent.
MELIX_C_API melix_status melix_nn_tanh(melix_array* out, melix_array x, melix_stream stream);

/// 1 where x is above the threshold, else 0.
/// Default in C++: threshold = 0.0.
MELIX_C_API melix_status melix_nn_step(melix_array* out, melix_array x, double threshold,
                                       melix_stream stream);

/// The first half of x along an axis times the sigmoid of the second: a gated linear unit.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_nn_glu(melix_array* out, melix_array x, int axis, melix_stream stream);

/// exp(x) / sum(exp(x)) along an axis.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_nn_softmax(melix_array* out, melix_array x, int axis, melix_stream stream);

/// The softmax of -x.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_nn_softmin(melix_array* out, melix_array x, int axis, melix_stream stream);

/// log(softmax(x)), without overflow.
/// Default in C++: axis = -1.
MELIX_C_API melix_status melix_nn_log_softmax(melix_array* out, melix_array x, int axis, melix_stream stream);

// ---- nn_losses ----

/// The cross entropy of `targets` against softmax(logits) along an axis. Targets are numbers of classes (one axis
/// less), or probabilities of classes (the shape of the logits). `label_smoothing` gives that much of the probability
/// to all classes alike. `weights` are one for each target.
/// Default in C++: axis = -1, label_smoothing = 0.0, reduction = "none".
MELIX_C_API melix_status melix_nn_cross_entropy(melix_array* out, melix_array logits, melix_array targets,
                                                melix_array weights, int axis, double label_smoothing,
                                                const char* reduction, melix_stream stream);

/// The cross entropy of targets 0 or 1 (or a probability). `inputs` are log-odds, or without `with_logits`
/// probabilities, whose logarithms are taken as -100 at least.
/// Default in C++: with_logits = true, reduction = "mean".
MELIX_C_API melix_status melix_nn_binary_cross_entropy(melix_array* out, melix_array inputs,
                                                       melix_array targets, melix_array weights,
                                                       bool with_logits, const char* reduction,
                                                       melix_stream stream);

/// The negative log probability of the classes numbered by `targets`; `inputs` are log probabilities.
/// Default in C++: axis = -1, reduction = "none".
MELIX_C_API melix_status melix_nn_nll_loss(melix_array* out, melix_array inputs, melix_array targets,
                                           int axis, const char* reduction, melix_stream stream);

/// The divergence of `inputs` from `targets`, both log probabilities: sum(exp(t) * (t - i)) along an axis.
/// Default in C++: axis = -1, reduction = "none".
MELIX_C_API melix_status melix_nn_kl_div_loss(melix_array* out, melix_array inputs, melix_array targets,
                                              int axis, const char* reduction, melix_stream stream);

/// |predictions - targets|.
/// Default in C++: reduction = "mean".
MELIX_C_API melix_status melix_nn_l1_loss(melix_array* out, melix_array predictions, melix_array targets,
                                          const char* reduction, melix_stream stream);

/// (predictions - targets)^2.
/// Default in C++: reduction = "mean".
MELIX_C_API melix_status melix_nn_mse_loss(melix_array* out, melix_array predictions, melix_array targets,
                                           const char* reduction, melix_stream stream);

/// Half the squared difference over `beta` where it is smaller than that, else the difference less beta / 2.
/// Default in C++: beta = 1.0, reduction = "mean".
MELIX_C_API melix_status melix_nn_smooth_l1_loss(melix_array* out, melix_array predictions,
                                                 melix_array targets, double beta, const char* reduction,
                                                 melix_stream stream);

/// Half the squared difference where it is at most `delta`, else delta * (difference - delta / 2).
/// Default in C++: delta = 1.0, reduction = "none".
MELIX_C_API melix_status melix_nn_huber_loss(melix_array* out, melix_array inputs, melix_array targets,
                                             double delta, const char* reduction, melix_stream stream);

/// log(cosh(inputs - targets)), without overflow.
/// Default in C++: reduction = "none".
MELIX_C_API melix_status melix_nn_log_cosh_loss(melix_array* out, melix_array inputs, melix_array targets,
                                                const char* reduction, melix_stream stream);

/// max(0, 1 - inputs * targets) for targets of -1 and 1.
/// Default in C++: reduction = "none".
MELIX_C_API melix_status melix_nn_hinge_loss(melix_array* out, melix_array inputs, melix_array targets,
                                             const char* reduction, melix_stream stream);

/// The negative log likelihood of `targets` under normal distributions with means `inputs` and variances `vars` (at
/// least `eps`); with `full`, including the constant.
/// Default in C++: full = false, eps = 1e-6, reduction = "mean".
MELIX_C_API melix_status melix_nn_gaussian_nll_loss(melix_array* out, melix_array inputs, melix_array targets,
                                                    melix_array vars, bool full, double eps,
                                                    const char* reduction, melix_stream stream);

/// max(0, d(anchors, positives) - d(anchors, negatives) + margin) with the p-norm of the difference as distance.
/// Default in C++: axis = -1, p = 2, margin = 1.0, eps = 1e-6, reduction = "none".
MELIX_C_API melix_status melix_nn_triplet_loss(melix_array* out, melix_array anchors, melix_array positives,
                                               melix_array negatives, int axis, int p, double margin,
                                               double eps, const char* reduction, melix_stream stream);

/// The cosine of the angle between x1 and x2 along an axis; lengths count as `eps` at least, together.
/// Default in C++: axis = 1, eps = 1e-8, reduction = "none".
MELIX_C_API melix_status melix_nn_cosine_similarity_loss(melix_array* out, melix_array x1, melix_array x2,
                                                         int axis, double eps, const char* reduction,
                                                         melix_stream stream);

/// max(0, margin - targets * (inputs1 - inputs2)): 1 asks for the first to be larger, -1 for the second.
/// Default in C++: margin = 0.0, reduction = "none".
MELIX_C_API melix_status melix_nn_margin_ranking_loss(melix_array* out, melix_array inputs1,
                                                      melix_array inputs2, melix_array targets, double margin,
                                                      const char* reduction, melix_stream stream);

// ---- optim_rules ----

/// Gradient descent with momentum: v = momentum * v + (1 - dampening) * g; the parameter moves along v (with
/// `nesterov`, along g + momentum * v). `weight_decay` adds that much of the parameter to the gradient.
MELIX_C_API melix_status melix_optim_sgd(melix_arrays* out, melix_array parameter, melix_array gradient,
                                         melix_array v, melix_array learning_rate, double momentum,
                                         double weight_decay, double dampening, bool nesterov,
                                         melix_stream stream);

/// v = alpha * v + (1 - alpha) * g^2; the parameter moves by g / (sqrt(v) + eps).
MELIX_C_API melix_status melix_optim_rmsprop(melix_arrays* out, melix_array parameter, melix_array gradient,
                                             melix_array v, melix_array learning_rate, double alpha,
                                             double eps, melix_stream stream);

/// v = v + g^2; the parameter moves by g / (sqrt(v) + eps).
MELIX_C_API melix_status melix_optim_adagrad(melix_arrays* out, melix_array parameter, melix_array gradient,
                                             melix_array v, melix_array learning_rate, double eps,
                                             melix_stream stream);

/// v averages g^2; the parameter moves by d = sqrt(u + eps) / sqrt(v + eps) * g; u averages d^2.
MELIX_C_API melix_status melix_optim_adadelta(melix_arrays* out, melix_array parameter, melix_array gradient,
                                              melix_array v, melix_array u, melix_array learning_rate,
                                              double rho, double eps, melix_stream stream);

/// m averages g, v averages g^2; the parameter moves by m / (sqrt(v) + eps). With `bias_correction` both are divided
/// by how much of the average has come in by now, `step` counting from 1. `weight_decay` makes the parameter smaller
/// by that part of the learning rate (AdamW).
MELIX_C_API melix_status melix_optim_adam(melix_arrays* out, melix_array parameter, melix_array gradient,
                                          melix_array m, melix_array v, melix_array learning_rate,
                                          melix_array step, const double* betas, double eps,
                                          double weight_decay, bool bias_correction, melix_stream stream);

/// Adam with the largest |g|, which fades by betas[1] each step, in place of sqrt(v).
MELIX_C_API melix_status melix_optim_adamax(melix_arrays* out, melix_array parameter, melix_array gradient,
                                            melix_array m, melix_array v, melix_array learning_rate,
                                            const double* betas, double eps, melix_stream stream);

/// The parameter moves by the sign of betas[0] * m + (1 - betas[0]) * g; m averages g by betas[1].
MELIX_C_API melix_status melix_optim_lion(melix_arrays* out, melix_array parameter, melix_array gradient,
                                          melix_array m, melix_array learning_rate, const double* betas,
                                          double weight_decay, melix_stream stream);

/// Adafactor. The averages of g^2 of a matrix (the last two axes) are kept as those of its rows and columns: `second`
/// is {rows, columns}, of anything else {average}. `first` averages the updates by beta_1 where it is given. Without a
/// learning rate, the step makes one. Results: the parameter, `second`, `first`.
MELIX_C_API melix_status melix_optim_adafactor(melix_arrays* out, melix_array parameter, melix_array gradient,
                                               const melix_array* second, size_t second_size,
                                               melix_array first, melix_array learning_rate, melix_array step,
                                               const double* eps, double clip_threshold, double decay_rate,
                                               double beta_1, double weight_decay, bool scale_parameter,
                                               bool warmup_init, melix_stream stream);

/// Momentum whose direction, of a matrix (axes behind the first are one), is made orthogonal by `ns_steps` steps of a
/// Newton-Schulz iteration.
MELIX_C_API melix_status melix_optim_muon(melix_arrays* out, melix_array parameter, melix_array gradient,
                                          melix_array v, melix_array learning_rate, double momentum,
                                          double weight_decay, bool nesterov, int ns_steps,
                                          melix_stream stream);

#ifdef __cplusplus
}
#endif
