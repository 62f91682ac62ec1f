// Discrete Fourier transforms of one, two and more axes, of complex arrays and of real ones, whose spectra are
// symmetric and kept by half. All are one operation. Lengths may be any, primes too.
#pragma once

#include <string>

#include "melix/graph/op.h"

namespace melix {

namespace op {
extern const Op fft;
}

/// result[..., k, ...] = scale * sum over j of a[..., j, ...] * exp(-+ 2 pi i j k / n) along each axis, minus unless
/// `inverse`. `real`: along the last of the axes one side is real with n elements and the other a spectrum, of which
/// elements 0 to n / 2 are there: the result, or with `inverse` the argument.
struct FftAttrs : Attributes<FftAttrs> {
  Axes axes;  // distinct, counted from the front; the last one is the one that `real` is about
  int64_t n;  // real elements along that axis
  bool inverse, real;
  double scale;
  static constexpr auto fields() {
    return std::tuple{field("axes", &FftAttrs::axes), field("n", &FftAttrs::n),
                      field("inverse", &FftAttrs::inverse), field("real", &FftAttrs::real),
                      field("scale", &FftAttrs::scale)};
  }
};

namespace fft {

/// Axes of a transform; absent: all of the array.
using FftAxes = std::optional<std::vector<int>>;

/// The discrete Fourier transform along an axis.
///
/// With `n`, the axis is cut or filled up with zeros to that length first. `norm` says which way is divided: "backward"
/// the inverse by n, "forward" this one by n, "ortho" both by the square root of n. Any length is fast, primes too.
/// The result is complex64; arguments of other dtypes are converted to it first, float64 too.
///
///     >>> mx.fft.fft(mx.array([1.0, 2.0, 3.0, 4.0])).tolist()
///     [(10+0j), (-2+2j), (-2+0j), (-2-2j)]
/// @python keyword=none
array fft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
          const std::string& norm = "backward", StreamOrDevice stream = {});

/// The inverse of fft.
/// @python keyword=none
array ifft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
           const std::string& norm = "backward", StreamOrDevice stream = {});

/// The Fourier transform of real numbers along an axis: elements 0 to n // 2 of the spectrum, as the others are their
/// conjugates. Arguments are converted to float32 first (complex ones lose their imaginary part).
/// @python keyword=none
array rfft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
           const std::string& norm = "backward", StreamOrDevice stream = {});

/// The inverse of rfft: `n` real numbers, by default 2 * (length - 1), from elements 0 to n // 2 of their spectrum. The
/// imaginary part of the first one, and for even n of the last one, does not count. The result is float32.
/// @python keyword=none
array irfft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
            const std::string& norm = "backward", StreamOrDevice stream = {});

/// The Fourier transform of a signal of which elements 0 to n // 2 are there, the others being their conjugates: `n`
/// real numbers, by default 2 * (length - 1). It is irfft of the conjugates, with the other factor.
/// @python keyword=none
array hfft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
           const std::string& norm = "backward", StreamOrDevice stream = {});

/// The inverse of hfft: elements 0 to n // 2 of the signal that has this real spectrum.
/// @python keyword=none
array ihfft(const array& a, std::optional<int64_t> n = std::nullopt, int axis = -1,
            const std::string& norm = "backward", StreamOrDevice stream = {});

/// The Fourier transform along two axes (see fftn).
/// @python keyword=none
array fft2(const array& a, const std::optional<Shape>& s = std::nullopt,
           const FftAxes& axes = std::vector<int>{-2, -1}, const std::string& norm = "backward",
           StreamOrDevice stream = {});

/// The inverse of fft2.
/// @python keyword=none
array ifft2(const array& a, const std::optional<Shape>& s = std::nullopt,
            const FftAxes& axes = std::vector<int>{-2, -1}, const std::string& norm = "backward",
            StreamOrDevice stream = {});

/// The Fourier transform of real numbers along two axes (see rfftn).
/// @python keyword=none
array rfft2(const array& a, const std::optional<Shape>& s = std::nullopt,
            const FftAxes& axes = std::vector<int>{-2, -1}, const std::string& norm = "backward",
            StreamOrDevice stream = {});

/// The inverse of rfft2.
/// @python keyword=none
array irfft2(const array& a, const std::optional<Shape>& s = std::nullopt,
             const FftAxes& axes = std::vector<int>{-2, -1}, const std::string& norm = "backward",
             StreamOrDevice stream = {});

/// The Fourier transform along several axes, all by default. `s` are the lengths to which these axes are cut or filled
/// up with zeros first, and needs `axes`. `norm` is that of fft, with the product of the lengths.
/// @python keyword=none
array fftn(const array& a, const std::optional<Shape>& s = std::nullopt, const FftAxes& axes = std::nullopt,
           const std::string& norm = "backward", StreamOrDevice stream = {});

/// The inverse of fftn.
/// @python keyword=none
array ifftn(const array& a, const std::optional<Shape>& s = std::nullopt, const FftAxes& axes = std::nullopt,
            const std::string& norm = "backward", StreamOrDevice stream = {});

/// The Fourier transform of real numbers along several axes: rfft along the last of them, fft along the others.
/// @python keyword=none
array rfftn(const array& a, const std::optional<Shape>& s = std::nullopt, const FftAxes& axes = std::nullopt,
            const std::string& norm = "backward", StreamOrDevice stream = {});

/// The inverse of rfftn. `s` are the lengths of the result; without it the last axis becomes 2 * (length - 1).
/// @python keyword=none
array irfftn(const array& a, const std::optional<Shape>& s = std::nullopt, const FftAxes& axes = std::nullopt,
             const std::string& norm = "backward", StreamOrDevice stream = {});

/// The frequencies that the elements of fft stand for: 0, 1, ..., -2, -1 over n * d, for samples at distances of `d`.
///
///     >>> mx.fft.fftfreq(4, 0.5).tolist()
///     [0.0, 0.5, -1.0, -0.5]
/// @python keyword=none
array fftfreq(int64_t n, double d = 1.0, StreamOrDevice stream = {});

/// The frequencies that the elements of rfft stand for: 0, 1, ..., n // 2 over n * d.
/// @python keyword=none
array rfftfreq(int64_t n, double d = 1.0, StreamOrDevice stream = {});

/// The array with frequency 0 in the middle of the given axes (all by default): they are rolled by half their length.
/// @python keyword=none
array fftshift(const array& a, const FftAxes& axes = std::nullopt, StreamOrDevice stream = {});

/// The inverse of fftshift.
/// @python keyword=none
array ifftshift(const array& a, const FftAxes& axes = std::nullopt, StreamOrDevice stream = {});

}  // namespace fft
}  // namespace melix
