// The file of an exported function: a head, a section that describes the program, and the constants' bytes.
// docs/export.md says what is where.
#pragma once

#include <cstddef>
#include <span>

#include "melix/transforms/export/program.h"

namespace melix::exporting {

/// Writes the file at once or not at all. Throws Code::io naming the file.
void save(const std::string& path, const Program& program);

/// The program in a file, checked against the file alone: every length and number is in range, every operation is
/// known. Whether operations take what they are given is for verify() to say. Throws Code::io and Code::value.
Program load(const std::string& path);

inline constexpr char kMagic[8] = {'m', 'e', 'l', 'i', 'x', 'f', 'n', '\n'};
inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kHead = 32;       // magic, version, CRC-32 and bytes of the section, bytes of data
inline constexpr uint64_t kAlignment = 64;  // of the data, and of each constant in it

constexpr uint64_t aligned(uint64_t offset) { return (offset + kAlignment - 1) / kAlignment * kAlignment; }

/// CRC-32, that of zlib.
uint32_t checksum(std::span<const std::byte> bytes);

/// Kinds of attribute values: places in the variant AttrValue.
enum class ValueKind : uint8_t { boolean, integer, number, text, dtype, integers, numbers };
static_assert(std::variant_size_v<AttrValue> == 7,
              "a new type of attribute needs a kind in the file, and a version");

}  // namespace melix::exporting
