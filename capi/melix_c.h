// melix_c.h: the C interface of melix. Arrays, transforms, streams and memory are here; the operations are in
// melix_c_ops.h, which this file includes and which tools/bindgen_c.py makes from their C++ declarations.
//
// Every function that can fail returns a melix_status; what went wrong is melix_error_text(), per thread. Results come
// first, through pointers, and are NULL (or empty) after a failure. A handle that a function gives belongs to the
// caller, who frees it; handles given to a function stay the caller's. Any thread may call any function; the same
// handle may be read by several threads, and freed once. Structures and numbers below change with MELIX_C_ABI only.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MELIX_C_ABI 1
#define MELIX_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

// ---- errors ----

typedef enum {
  MELIX_OK = 0,
  MELIX_VALUE_ERROR = 1,    // a shape, an axis, a number out of range
  MELIX_TYPE_ERROR = 2,     // a kind of argument that is not taken
  MELIX_INDEX_ERROR = 3,    // an index out of range
  MELIX_MEMORY_ERROR = 4,   // an allocation failed; the next call works
  MELIX_IO_ERROR = 5,       // a file
  MELIX_RUNTIME_ERROR = 6,  // everything that is nobody's argument
} melix_status;

/// Text of this thread's last failure, "[softmax] axis 3 is out of range for shape (2, 4)", until its next one.
MELIX_C_API const char* melix_error_text(void);
/// Name of the operation that failed.
MELIX_C_API const char* melix_error_op(void);
/// For callbacks that are about to return `status`: what melix_error_text() will say to who called the transform.
MELIX_C_API void melix_set_error(melix_status status, const char* op, const char* text);

/// The version of the library, "1.2.3", and the MELIX_C_ABI it was built with.
MELIX_C_API const char* melix_version(void);
MELIX_C_API int melix_c_abi(void);

// ---- kinds of values ----

typedef enum {
  MELIX_BOOL = 0,
  MELIX_UINT8 = 1,
  MELIX_UINT16 = 2,
  MELIX_UINT32 = 3,
  MELIX_UINT64 = 4,
  MELIX_INT8 = 5,
  MELIX_INT16 = 6,
  MELIX_INT32 = 7,
  MELIX_INT64 = 8,
  MELIX_FLOAT16 = 9,
  MELIX_BFLOAT16 = 10,
  MELIX_FLOAT32 = 11,
  MELIX_FLOAT64 = 12,
  MELIX_COMPLEX64 = 13,
} melix_dtype;

/// Bytes of an element, and the name ("float32"); 0 and NULL for a number that is no dtype.
MELIX_C_API size_t melix_dtype_size(melix_dtype dtype);
MELIX_C_API const char* melix_dtype_name(melix_dtype dtype);

/// A whole or a fractional number: which of them it is decides about default dtypes.
typedef struct {
  bool is_integer;
  int64_t integer;
  double real;
} melix_number;

typedef enum { MELIX_DEFAULT_DEVICE = -1, MELIX_DEVICE_CPU = 0, MELIX_DEVICE_GPU = 1 } melix_device_type;

/// Where an operation runs. index -1: the default stream of the device.
typedef struct {
  int32_t index;
  int32_t device_type;  // melix_device_type
  int32_t device_index;
} melix_stream;

#define MELIX_STREAM_OF(type) ((melix_stream){-1, (type), 0})
#define MELIX_DEFAULT MELIX_STREAM_OF(MELIX_DEFAULT_DEVICE)
#define MELIX_CPU MELIX_STREAM_OF(MELIX_DEVICE_CPU)
#define MELIX_GPU MELIX_STREAM_OF(MELIX_DEVICE_GPU)

// ---- arrays ----

/// A handle of a lazy array; NULL is none. Sharing one costs a small allocation, never a copy of values.
typedef struct melix_array_s* melix_array;

/// Arrays that a function gave, each with a handle of its own. Starts as {NULL, 0}.
typedef struct {
  melix_array* data;
  size_t size;
} melix_arrays;

/// An array of row-major values, which are copied. The shape may be NULL where ndim is 0.
MELIX_C_API melix_status melix_array_new(melix_array* out, const void* data, const int64_t* shape,
                                         size_t ndim, melix_dtype dtype);
/// The same without a copy: the memory is read until release(owner) is called, once, on any thread. After a failure it
/// stays the caller's, and release is not called. `release` may be NULL.
MELIX_C_API melix_status melix_array_wrap(melix_array* out, const void* data, const int64_t* shape,
                                          size_t ndim, melix_dtype dtype, void (*release)(void* owner),
                                          void* owner);
/// Scalars.
MELIX_C_API melix_status melix_array_from_bool(melix_array* out, bool value);
MELIX_C_API melix_status melix_array_from_int(melix_array* out, int64_t value, melix_dtype dtype);
MELIX_C_API melix_status melix_array_from_double(melix_array* out, double value, melix_dtype dtype);
MELIX_C_API melix_status melix_array_from_complex(melix_array* out, float real, float imaginary);
/// Another handle of the same array.
MELIX_C_API melix_status melix_array_share(melix_array* out, melix_array a);
/// NULL is ignored.
MELIX_C_API void melix_array_free(melix_array a);

/// What is known without evaluating; 0 of no array. The shape holds as long as the handle.
MELIX_C_API melix_dtype melix_array_dtype(melix_array a);
MELIX_C_API size_t melix_array_ndim(melix_array a);
MELIX_C_API const int64_t* melix_array_shape(melix_array a);
MELIX_C_API int64_t melix_array_size(melix_array a);
MELIX_C_API size_t melix_array_nbytes(melix_array a);

/// The values, evaluated: address of the first, and distance in elements along each axis (`strides` may be NULL). They
/// hold as long as the handle.
MELIX_C_API melix_status melix_array_view(melix_array a, const void** data, const int64_t** strides);
/// The values in row-major order, evaluated, copied to `to`, which has room for `nbytes`: exactly melix_array_nbytes.
MELIX_C_API melix_status melix_array_read(melix_array a, void* to, size_t nbytes);
/// The value of an array of one element.
MELIX_C_API melix_status melix_array_item_bool(bool* out, melix_array a);
MELIX_C_API melix_status melix_array_item_int(int64_t* out, melix_array a);
MELIX_C_API melix_status melix_array_item_double(double* out, melix_array a);

/// Adds a handle of `a` to the arrays; frees all of them and leaves {NULL, 0}.
MELIX_C_API melix_status melix_arrays_append(melix_arrays* arrays, melix_array a);
MELIX_C_API void melix_arrays_free(melix_arrays* arrays);

/// Computes the arrays now; or starts to, on their stream's thread.
MELIX_C_API melix_status melix_eval(const melix_array* arrays, size_t size);
MELIX_C_API melix_status melix_async_eval(const melix_array* arrays, size_t size);

// ---- indexing, as in a[2, 1:5, None, ..., rows] ----

typedef enum {
  MELIX_INDEX_INTEGER = 0,   // start
  MELIX_INDEX_SLICE = 1,     // start, stop, step, each of which may be MELIX_MISSING
  MELIX_INDEX_NEW_AXIS = 2,  //
  MELIX_INDEX_ELLIPSIS = 3,  //
  MELIX_INDEX_ARRAY = 4,     // integers, or a mask of bool
} melix_index_kind;

#define MELIX_MISSING INT64_MIN

typedef struct {
  melix_index_kind kind;
  int64_t start, stop, step;
  melix_array array;
} melix_index_entry;

/// How an update meets the value that is there.
typedef enum {
  MELIX_UPDATE_SET = 0,
  MELIX_UPDATE_ADD = 1,
  MELIX_UPDATE_MULTIPLY = 2,
  MELIX_UPDATE_MAXIMUM = 3,
  MELIX_UPDATE_MINIMUM = 4,
  MELIX_UPDATE_DIVIDE = 5,
} melix_update;

/// The elements that the index names.
MELIX_C_API melix_status melix_index(melix_array* out, melix_array a, const melix_index_entry* entries,
                                     size_t size, melix_stream stream);
/// The array with `values`, broadcast to what the index names, put there.
MELIX_C_API melix_status melix_index_update(melix_array* out, melix_array a, const melix_index_entry* entries,
                                            size_t size, melix_array values, melix_update update,
                                            melix_stream stream);

// ---- functions and transforms ----

/// A function of arrays in C: appends its results to `outputs` (melix_arrays_append), which comes empty. Anything but
/// MELIX_OK is a failure of whoever called.
typedef melix_status (*melix_callback)(void* context, const melix_array* inputs, size_t inputs_size,
                                       melix_arrays* outputs);

/// A function of arrays, which transforms take and give. NULL is none.
typedef struct melix_function_s* melix_function;

/// `release(context)` runs once, when the function and all made of it are gone. `release` may be NULL.
MELIX_C_API melix_status melix_function_new(melix_function* out, melix_callback callback, void* context,
                                            void (*release)(void* context));
MELIX_C_API void melix_function_free(melix_function f);
MELIX_C_API melix_status melix_function_call(melix_arrays* out, melix_function f, const melix_array* inputs,
                                             size_t size);

/// Values at the primals, and for each primal the gradient of the sum of cotangent * output over all outputs.
MELIX_C_API melix_status melix_vjp(melix_arrays* values, melix_arrays* gradients, melix_function f,
                                   const melix_array* primals, size_t primals_size,
                                   const melix_array* cotangents, size_t cotangents_size);
/// Values at the primals, and their derivatives in the direction of the tangents, one for each primal.
MELIX_C_API melix_status melix_jvp(melix_arrays* values, melix_arrays* derivatives, melix_function f,
                                   const melix_array* primals, size_t primals_size,
                                   const melix_array* tangents, size_t tangents_size);
/// Values, of which the first is a scalar, and its gradients with respect to the inputs that are numbered.
MELIX_C_API melix_status melix_value_and_grad(melix_arrays* values, melix_arrays* gradients, melix_function f,
                                              const melix_array* inputs, size_t inputs_size,
                                              const int* argnums, size_t argnums_size);

#define MELIX_NO_AXIS INT_MIN
/// The function over batches: the batch axis of each input and of each output, or MELIX_NO_AXIS.
MELIX_C_API melix_status melix_vmap(melix_function* out, melix_function f, const int* in_axes,
                                    size_t in_axes_size, const int* out_axes, size_t out_axes_size);
/// The function traced once per shapes and dtypes, and run as a plan.
MELIX_C_API melix_status melix_compile(melix_function* out, melix_function f);
/// The function whose intermediate values are computed again for the gradient.
MELIX_C_API melix_status melix_checkpoint(melix_function* out, melix_function f);
/// The function with derivatives of its own: `vjp` takes primals, cotangents, outputs, one behind the other, and gives
/// one gradient for each primal; `jvp` takes primals and tangents. Either may be NULL: it follows from `f` then.
MELIX_C_API melix_status melix_custom_function(melix_function* out, melix_function f, melix_function vjp,
                                               melix_function jvp);

// ---- devices, streams, memory ----

MELIX_C_API int melix_device_count(melix_device_type type);
MELIX_C_API melix_status melix_set_default_device(melix_device_type type, int32_t index);
MELIX_C_API melix_status melix_new_stream(melix_stream* out, melix_device_type type, int32_t index);
/// Waits for all work given to the stream.
MELIX_C_API melix_status melix_synchronize(melix_stream stream);

/// Bytes that arrays hold now, held at most since the last reset, and that are kept for later.
MELIX_C_API size_t melix_active_memory(void);
MELIX_C_API size_t melix_peak_memory(void);
MELIX_C_API size_t melix_cache_memory(void);
MELIX_C_API void melix_reset_peak_memory(void);
MELIX_C_API void melix_clear_cache(void);
/// Each gives the limit there was before.
MELIX_C_API size_t melix_set_memory_limit(size_t bytes);
MELIX_C_API size_t melix_set_cache_limit(size_t bytes);

#ifdef __cplusplus
}
#endif

#include <melix_c_ops.h>
