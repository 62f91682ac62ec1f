// See stft.h. Frames are windows on one signal's memory (as_strided); the way back adds them up at the same places.
#include "melix/ops/stft.h"

#include <algorithm>

#include "melix/ops/arrange.h"
#include "melix/ops/creation.h"
#include "melix/ops/elementwise.h"
#include "melix/ops/fft.h"
#include "melix/ops/scatter.h"
#include "melix/ops/shape.h"
#include "melix/ops/slice.h"

namespace melix::fft {
namespace {

// The last axis from `start` on, `size` elements of it.
array part(const array& a, int64_t start, int64_t size) {
  Shape from(uint32_t(a.ndim()), 0), to = a.shape();
  from.back() = start;
  to.back() = start + size;
  return slice(a, from, to);
}

array padded(const array& a, int64_t before, int64_t after, const std::string& mode = "constant") {
  std::vector<std::pair<int64_t, int64_t>> widths(a.ndim());
  widths.back() = {before, after};
  return pad(a, widths, mode, array(int64_t(0), a.dtype()));
}

struct Frames {
  int64_t size, hop;
  array window;  // of `size` points
};

Frames frames_of(const char* name, int64_t n_fft, std::optional<int64_t> hop_length,
                 std::optional<int64_t> win_length, const std::optional<array>& window) {
  if (n_fft <= 0) fail(Code::value, name, "n_fft is ", n_fft, ", and must be positive");
  const int64_t hop = hop_length.value_or(n_fft / 4);
  if (hop <= 0) fail(Code::value, name, "hop_length is ", hop, ", and must be positive");
  if (window && window->ndim() != 1)
    fail(Code::value, name, "the window has shape ", window->shape(), ", not one axis");
  const int64_t points = window ? window->shape(0) : win_length.value_or(n_fft);
  if (points < 0 || points > n_fft)
    fail(Code::value, name, "a window of ", points, " points for n_fft of ", n_fft);
  array values = window ? astype(*window, inexact_of(window->dtype())) : ones({points}, float32);
  const int64_t before = (n_fft - points) / 2;
  return {n_fft, hop, points == n_fft ? values : padded(values, before, n_fft - points - before)};
}

// The frames (..., frames, size) of signals (..., samples) in row-major order, as windows on their memory.
array cut(const array& signals, int64_t frames, const Frames& f) {
  Shape shape(signals.shape().begin(), signals.shape().end() - 1);
  shape.push_back(frames);
  shape.push_back(f.size);
  Strides strides = row_major(signals.shape());
  strides.back() = f.hop;
  strides.push_back(1);
  return as_strided(signals, shape, Shape(strides.begin(), strides.end()));
}

// Frames (..., frames, size) added up where they overlap, in signals of that shape.
array added_up(const array& frames, const Frames& f, const Shape& signals) {
  array flat = zeros({elements("istft", signals)}, frames.dtype());
  array samples = arange(Number(int64_t(0)), Number(flat.size()), std::nullopt, int64);
  array at = reshape(cut(reshape(samples, signals), frames.shape(-2), f), {-1});
  return reshape(scatter_add_flat(flat, at, reshape(frames, {-1})), signals);
}

}  // namespace

array stft(const array& x, int64_t n_fft, std::optional<int64_t> hop_length,
           std::optional<int64_t> win_length, const std::optional<array>& window, bool center,
           const std::string& pad_mode, const std::string& norm, std::optional<bool> onesided,
           StreamOrDevice stream) {
  StreamScope scope(stream);
  if (x.ndim() == 0) fail(Code::value, "stft", "a scalar has no samples");
  const Frames f = frames_of("stft", n_fft, hop_length, win_length, window);
  array signal = center ? padded(x, n_fft / 2, n_fft / 2, pad_mode) : x;
  if (signal.shape(-1) < n_fft)
    fail(Code::value, "stft", "a signal of shape ", x.shape(), " is too short for n_fft of ", n_fft);
  const bool half = onesided.value_or(!is_complex(x.dtype()));
  array frames = cut(signal, (signal.shape(-1) - n_fft) / f.hop + 1, f) * f.window;
  return swapaxes(half ? rfft(frames, std::nullopt, -1, norm) : fft(frames, std::nullopt, -1, norm), -1, -2);
}

array istft(const array& stft_matrix, std::optional<int64_t> n_fft, std::optional<int64_t> hop_length,
            std::optional<int64_t> win_length, const std::optional<array>& window, bool center,
            const std::string& norm, std::optional<bool> onesided, std::optional<int64_t> length,
            StreamOrDevice stream) {
  StreamScope scope(stream);
  const array& spectra = stft_matrix;
  if (spectra.ndim() < 2)
    fail(Code::value, "istft", "a matrix of shape ", spectra.shape(), " has no frequencies and frames");
  const bool half = onesided.value_or(true);
  const int64_t frequencies = spectra.shape(-2), count = spectra.shape(-1);
  const Frames f = frames_of("istft", n_fft.value_or(half ? 2 * (frequencies - 1) : frequencies), hop_length,
                             win_length, window);
  if (is_complex(f.window.dtype())) fail(Code::value, "istft", "the window is complex");
  if (count == 0) fail(Code::value, "istft", "a matrix of shape ", spectra.shape(), " has no frames");
  array turned = swapaxes(spectra, -1, -2);
  array frames = half ? irfft(turned, f.size, -1, norm) : real(ifft(turned, f.size, -1, norm));
  int64_t samples;
  if (__builtin_mul_overflow(count - 1, f.hop, &samples) || __builtin_add_overflow(samples, f.size, &samples))
    fail(Code::value, "istft", "the signal is too long");
  Shape signals(spectra.shape().begin(), spectra.shape().end() - 2);
  signals.push_back(samples);
  array squares = broadcast_to(square(f.window), {count, f.size});
  array envelope = maximum(added_up(squares, f, {samples}), array(1e-8, squares.dtype()));
  array signal = added_up(frames * f.window, f, signals) / envelope;
  const int64_t edge = center ? f.size / 2 : 0;
  signal = part(signal, edge, std::max<int64_t>(samples - 2 * edge, 0));
  if (!length) return signal;
  const int64_t there = signal.shape(-1), wanted = std::max<int64_t>(*length, 0);
  return wanted <= there ? part(signal, 0, wanted) : padded(signal, 0, wanted - there);
}

}  // namespace melix::fft
