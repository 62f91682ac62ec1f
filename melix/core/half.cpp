// See half.h.
#include "melix/core/half.h"

#include "melix/scalar/math.h"

namespace melix {

float16_t::float16_t(float value) : bits(fn::f32_to_f16(value)) {}
float16_t::operator float() const { return fn::f16_to_f32(bits); }
bfloat16_t::bfloat16_t(float value) : bits(fn::f32_to_bf16(value)) {}
bfloat16_t::operator float() const { return fn::bf16_to_f32(bits); }

}  // namespace melix
