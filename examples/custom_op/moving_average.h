// An operation that melix does not have: the mean of each element of the last axis and those before it, `window` in
// all.
#pragma once

#include <melix/melix.h>

/// To be called once, before anything else.
extern "C" void register_moving_average();

/// Elements before the first one count as 0. Of a floating dtype; integers become float32.
melix::array moving_average(const melix::array& x, int64_t window, melix::StreamOrDevice s = {});
