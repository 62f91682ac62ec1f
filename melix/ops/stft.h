// Spectra of pieces of a signal that overlap, and the signal from them. Compositions of other operations.
#pragma once

#include <optional>
#include <string>

#include "melix/graph/array.h"

namespace melix {
namespace fft {

/// The short-time Fourier transform of the last axis: frames of `n_fft` samples, `hop_length` (by default n_fft // 4)
/// apart, each multiplied by a window and transformed. The result is complex64, of shape (..., frequencies, frames).
///
/// `window` has one axis of at most n_fft points, and is filled up with zeros on both sides; without it all
/// `win_length` (by default n_fft) samples in the middle of a frame count the same. With `center`, n_fft // 2 samples
/// are added at both ends as pad does in `pad_mode` ("reflect", "edge", "constant"), so that frame k is about sample
/// k * hop_length. `onesided` (by default, of real signals) keeps frequencies 0 to n_fft // 2. `norm` is that of fft.
/// @python keyword=none
array stft(const array& x, int64_t n_fft = 2048, std::optional<int64_t> hop_length = std::nullopt,
           std::optional<int64_t> win_length = std::nullopt,
           const std::optional<array>& window = std::nullopt, bool center = true,
           const std::string& pad_mode = "reflect", const std::string& norm = "backward",
           std::optional<bool> onesided = std::nullopt, StreamOrDevice stream = {});

/// The signal of which `stft_matrix` is the short-time Fourier transform: the frames are transformed back, multiplied
/// by the window, added up where they overlap and divided by the sum of the squares of the windows there (by 1e-8 where
/// that is less). The result is real.
///
/// The other arguments are those of stft. `n_fft` follows from the number of frequencies, taken as even where
/// `onesided` (the default) leaves a choice. `length` cuts the signal or fills it up with zeros.
/// @python keyword=none
array istft(const array& stft_matrix, std::optional<int64_t> n_fft = std::nullopt,
            std::optional<int64_t> hop_length = std::nullopt,
            std::optional<int64_t> win_length = std::nullopt,
            const std::optional<array>& window = std::nullopt, bool center = true,
            const std::string& norm = "backward", std::optional<bool> onesided = std::nullopt,
            std::optional<int64_t> length = std::nullopt, StreamOrDevice stream = {});

}  // namespace fft
}  // namespace melix
