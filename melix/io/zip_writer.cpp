// Writing zip archives: see zip.h.
#include <zlib.h>

#include <algorithm>

#include "melix/io/zip.h"

namespace melix::io {
namespace {

constexpr uint64_t kLarge = 0xFFFFFFFF;  // from here on a number stands in an extra field, in 64 bits
constexpr uint64_t kPiece = uint64_t(1) << 20;

// Little-endian numbers one after the other.
class Record {
 public:
  Record& u16(uint64_t v) { return put(v, 2); }
  Record& u32(uint64_t v) { return put(v, 4); }
  Record& u64(uint64_t v) { return put(v, 8); }
  const std::string& bytes() const { return bytes_; }

 private:
  Record& put(uint64_t v, int n) {
    for (int i = 0; i < n; i++) bytes_ += char(v >> (8 * i));
    return *this;
  }
  std::string bytes_;
};

// Names are UTF-8 (bit 11); with bit 3 sizes and checksum stand behind the data, as they are not known before.
uint16_t flags(const ZipMember& m) { return uint16_t(0x0800 | (m.deflated ? 8 : 0)); }
uint16_t method(const ZipMember& m) { return m.deflated ? 8 : 0; }
constexpr uint16_t kVersion = 45, kTime = 0,
                   kDate = 0x21;  // 1 January 1980: the same arrays give the same bytes

uint32_t crc_of(uint32_t crc, std::span<const std::byte> bytes) {
  if (bytes.empty()) return crc;  // of a null pointer zlib says the checksum of nothing
  return uint32_t(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

void ZipWriter::put(std::string_view bytes) {
  sink_.write(bytes);
  at_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> head, std::span<const std::byte> body,
                    bool deflated) {
  if (name.size() > 65535)
    fail(Code::value, "savez", "the name ", quoted(name), " has more than 65535 bytes");
  ZipMember m{name, deflated, 0, 0, head.size() + body.size(), at_, 0};
  m.crc = crc_of(crc_of(0, head), body);
  m.packed = m.size;
  // Deflating random bytes makes them a little longer: well below 1 in 1000.
  const bool large = m.size + m.size / 1000 + 1024 >= kLarge;
  Record local;
  local.u32(0x04034b50).u16(kVersion).u16(flags(m)).u16(method(m)).u16(kTime).u16(kDate);
  const uint64_t known = deflated ? 0 : m.size;
  local.u32(deflated ? 0 : m.crc).u32(large ? kLarge : known).u32(large ? kLarge : known);
  local.u16(name.size()).u16(large ? 20 : 0);
  Record extra;
  if (large) extra.u16(1).u16(16).u64(known).u64(known);
  put(local.bytes());
  put(name);
  put(extra.bytes());
  if (deflated) {
    m.packed = deflate(head, body);
    Record behind;
    behind.u32(0x08074b50).u32(m.crc);
    if (large)
      behind.u64(m.packed).u64(m.size);
    else
      behind.u32(m.packed).u32(m.size);
    put(behind.bytes());
  } else {
    sink_.write(head);
    sink_.write(body);
    at_ += m.size;
  }
  members_.push_back(std::move(m));
}

uint64_t ZipWriter::deflate(std::span<const std::byte> head, std::span<const std::byte> body) {
  struct Stream {
    z_stream z{};
    Stream() {
      if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
      }
    }
    ~Stream() { deflateEnd(&z); }
  } stream;
  std::vector<char> out(kPiece);
  const uint64_t start = at_;
  auto feed = [&](std::span<const std::byte> bytes, int flush) {
    stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
    stream.z.avail_in = uInt(bytes.size());
    do {
      stream.z.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.z.avail_out = uInt(out.size());
      ::deflate(&stream.z, flush);
      put(std::string_view(out.data(), out.size() - stream.z.avail_out));
    } while (stream.z.avail_out == 0);
  };
  for (std::span<const std::byte> bytes : {head, body}) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min<size_t>(bytes.size(), kPiece))) {
      feed(bytes.first(std::min<size_t>(bytes.size(), kPiece)), Z_NO_FLUSH);
    }
  }
  feed({}, Z_FINISH);
  return at_ - start;
}

void ZipWriter::finish() {
  const uint64_t directory = at_;
  for (const ZipMember& m : members_) {
    Record extra;
    auto field = [&](uint64_t value) {
      if (value >= kLarge) extra.u64(value);
      return std::min(value, kLarge);
    };
    const uint64_t size = field(m.size), packed = field(m.packed), header = field(m.header);
    Record row;
    row.u32(0x02014b50).u16(kVersion).u16(kVersion).u16(flags(m)).u16(method(m)).u16(kTime).u16(kDate);
    row.u32(m.crc).u32(packed).u32(size).u16(m.name.size());
    row.u16(extra.bytes().empty() ? 0 : extra.bytes().size() + 4).u16(0).u16(0).u16(0).u32(0).u32(header);
    put(row.bytes());
    put(m.name);
    if (!extra.bytes().empty()) {
      put(Record().u16(1).u16(extra.bytes().size()).bytes());
      put(extra.bytes());
    }
  }
  const uint64_t bytes = at_ - directory, end = at_, n = members_.size();
  if (directory >= kLarge || bytes >= kLarge || n >= 0xFFFF) {
    Record large;
    large.u32(0x06064b50)
        .u64(44)
        .u16(kVersion)
        .u16(kVersion)
        .u32(0)
        .u32(0)
        .u64(n)
        .u64(n)
        .u64(bytes)
        .u64(directory);
    large.u32(0x07064b50).u32(0).u64(end).u32(1);
    put(large.bytes());
  }
  Record last;
  last.u32(0x06054b50).u16(0).u16(0).u16(std::min<uint64_t>(n, 0xFFFF)).u16(std::min<uint64_t>(n, 0xFFFF));
  last.u32(std::min(bytes, kLarge)).u32(std::min(directory, kLarge)).u16(0);
  put(last.bytes());
}

}  // namespace melix::io
