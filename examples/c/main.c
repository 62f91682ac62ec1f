// Fits a line in C: a loss in a callback, its gradient, one compiled step; and what an error looks like.
#include <melix_c.h>
#include <stdio.h>
#include <stdlib.h>

static void check(melix_status status) {
  if (status == MELIX_OK) return;
  fprintf(stderr, "%s\n", melix_error_text());
  exit(1);
}

typedef struct {
  melix_array x, y;       // the points
  melix_function loss;    // of slope and offset
  melix_array step_size;  // of the descent
} problem;

// mean((slope * x + offset - y)^2)
static melix_status loss(void* context, const melix_array* p, size_t n, melix_arrays* out) {
  (void)n;
  const problem* fit = context;
  melix_array product = NULL, line = NULL, error = NULL, squares = NULL, mean = NULL;
  melix_status status = melix_multiply(&product, p[0], fit->x, MELIX_DEFAULT);
  if (!status) status = melix_add(&line, product, p[1], MELIX_DEFAULT);
  if (!status) status = melix_subtract(&error, line, fit->y, MELIX_DEFAULT);
  if (!status) status = melix_square(&squares, error, MELIX_DEFAULT);
  if (!status) status = melix_mean(&mean, squares, NULL, 0, false, MELIX_DEFAULT);
  if (!status) status = melix_arrays_append(out, mean);
  melix_array all[] = {product, line, error, squares, mean};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) melix_array_free(all[i]);
  return status;
}

// (slope, offset) -> (slope, offset, loss) after one step of gradient descent
static melix_status step(void* context, const melix_array* p, size_t n, melix_arrays* out) {
  const problem* fit = context;
  const int both[] = {0, 1};
  melix_arrays values = {NULL, 0}, gradients = {NULL, 0};
  melix_status status = melix_value_and_grad(&values, &gradients, fit->loss, p, n, both, 2);
  for (size_t i = 0; i < n && !status; i++) {
    melix_array change = NULL, next = NULL;
    status = melix_multiply(&change, gradients.data[i], fit->step_size, MELIX_DEFAULT);
    if (!status) status = melix_subtract(&next, p[i], change, MELIX_DEFAULT);
    if (!status) status = melix_arrays_append(out, next);
    melix_array_free(change);
    melix_array_free(next);
  }
  if (!status) status = melix_arrays_append(out, values.data[0]);
  melix_arrays_free(&values);
  melix_arrays_free(&gradients);
  return status;
}

int main(void) {
  problem fit = {NULL, NULL, NULL, NULL};
  float x[64], y[64];
  for (int i = 0; i < 64; i++) {
    x[i] = (float)i / 32 - 1;
    y[i] = 3 * x[i] - 1;
  }
  const int64_t shape[] = {64};
  check(melix_array_new(&fit.x, x, shape, 1, MELIX_FLOAT32));
  check(melix_array_new(&fit.y, y, shape, 1, MELIX_FLOAT32));
  check(melix_array_from_double(&fit.step_size, 0.3, MELIX_FLOAT32));
  check(melix_function_new(&fit.loss, loss, &fit, NULL));

  melix_function plain = NULL, compiled = NULL;
  check(melix_function_new(&plain, step, &fit, NULL));
  check(melix_compile(&compiled, plain));

  melix_arrays state = {NULL, 0};
  melix_array zero = NULL;
  check(melix_array_from_double(&zero, 0, MELIX_FLOAT32));
  check(melix_arrays_append(&state, zero));
  check(melix_arrays_append(&state, zero));
  double last = 0;
  for (int i = 0; i < 100; i++) {
    melix_arrays next = {NULL, 0};
    check(melix_function_call(&next, compiled, state.data, 2));
    check(melix_eval(next.data, next.size));
    check(melix_array_item_double(&last, next.data[2]));
    melix_arrays_free(&state);
    state = next;
  }
  double slope, offset;
  check(melix_array_item_double(&slope, state.data[0]));
  check(melix_array_item_double(&offset, state.data[1]));
  printf("melix %s in C: y = %.3f x + %.3f, loss %.1e\n", melix_version(), slope, offset, last);

  melix_array wrong = NULL;
  const int64_t odd[] = {3, 5};
  if (melix_reshape(&wrong, fit.x, odd, 2, MELIX_CPU) == MELIX_VALUE_ERROR)
    printf("errors are codes and texts: %s\n", melix_error_text());

  melix_arrays_free(&state);
  melix_array_free(zero);
  melix_array_free(fit.x);
  melix_array_free(fit.y);
  melix_array_free(fit.step_size);
  melix_function_free(compiled);
  melix_function_free(plain);
  melix_function_free(fit.loss);
  return 0;
}
