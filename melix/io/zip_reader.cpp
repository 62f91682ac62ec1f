// Reading zip archives: see zip.h.
#include <zlib.h>

#include <algorithm>
#include <unordered_set>

#include "melix/io/cursor.h"
#include "melix/io/zip.h"

namespace melix::io {
namespace {

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint32_t kDirectory = 0x02014b50, kLocal = 0x04034b50;
constexpr uint64_t kEndBytes = 22, kLocator64Bytes = 20, kRowBytes = 46, kLocalBytes = 30;
constexpr uint64_t kLongestComment = 65535;
constexpr uint16_t kZip64 = 1;
// How hard it was deflated, sizes behind the data, names in UTF-8. The others mean encryption and patches.
constexpr uint16_t kKnownFlags = 0x080E;
constexpr uint16_t kStored = 0, kDeflated = 8;
constexpr uint16_t kNewest = 63;        // 6.3, the version of the format that is read
constexpr uint64_t kMostGrowth = 1032;  // deflate makes at most so many bytes of one

struct Directory {
  uint64_t begin, bytes, members;
};

class Parser {
 public:
  explicit Parser(const Source& source) : source_(source) {}

  std::vector<ZipMember> run() {
    const Directory directory = find();
    Cursor in(source_, directory.begin, directory.begin + directory.bytes);
    if (Size(directory.members) * Size(kRowBytes) > Size(directory.bytes)) {
      source_.reject(directory.begin, "number of members", directory.members, " cannot be in a directory of ",
                     directory.bytes, " bytes");
    }
    for (uint64_t i = 0; i < directory.members; i++) row(in, i);
    if (in.left() > 0) source_.reject(in.offset(), "central directory", "has ", in.left(), " bytes too many");
    for (ZipMember& member : members_) locate(member, directory.begin);
    check_overlap();
    return std::move(members_);
  }

 private:
  // The end record is the last thing in the file but for a comment, whose length it says.
  Directory find() {
    if (source_.size() < kEndBytes) source_.reject(0, "end record", "is missing: the file is no zip archive");
    const uint64_t n = std::min(source_.size(), kEndBytes + kLongestComment);
    std::string tail(size_t(n), '\0');
    source_.read(source_.size() - n, std::as_writable_bytes(std::span(tail)));
    for (size_t at = tail.size() - kEndBytes + 1; at-- > 0;) {
      if (tail.compare(at, 4, "PK\5\6") != 0) continue;
      const size_t comment = uint8_t(tail[at + 20]) | size_t(uint8_t(tail[at + 21])) << 8;
      if (at + kEndBytes + comment == tail.size()) return end_record(source_.size() - n + at);
    }
    source_.reject(source_.size(), "end record", "is missing: the file is no zip archive, or was cut");
  }

  Directory end_record(uint64_t end) {
    Cursor in(source_, end, source_.size());
    in.read<uint32_t>("signature");
    const uint32_t disk = in.read<uint16_t>("disk"), directory_disk = in.read<uint16_t>("disk");
    const uint16_t here = in.read<uint16_t>("members"), members = in.read<uint16_t>("members");
    const uint32_t bytes = in.read<uint32_t>("bytes of the directory");
    const uint32_t begin = in.read<uint32_t>("offset of the directory");
    const bool large = members == 0xFFFF || bytes == 0xFFFFFFFF || begin == 0xFFFFFFFF;
    if (large && end >= kLocator64Bytes) {
      Cursor locator(source_, end - kLocator64Bytes, end);
      if (locator.read<uint32_t>("signature") == kLocator64) {
        locator.read<uint32_t>("disk");
        return end_record64(locator.read<uint64_t>("offset of the end record"), end - kLocator64Bytes);
      }
    }
    if (disk != 0 || directory_disk != 0 || here != members) {
      source_.reject(end, "end record", "the archive is a part of several");
    }
    return checked({begin, bytes, members}, end);
  }

  Directory end_record64(uint64_t begin, uint64_t locator) {
    if (Size(begin) + Size(56) > Size(locator)) source_.reject(locator, "end record", "is at byte ", begin);
    Cursor in(source_, begin, locator);
    if (in.read<uint32_t>("signature") != kEnd64)
      source_.reject(begin, "end record", "has another signature");
    in.skip(8 + 2 + 2, "versions");
    const uint32_t disk = in.read<uint32_t>("disk"), directory_disk = in.read<uint32_t>("disk");
    const uint64_t here = in.read<uint64_t>("members"), members = in.read<uint64_t>("members");
    if (disk != 0 || directory_disk != 0 || here != members) {
      source_.reject(begin, "end record", "the archive is a part of several");
    }
    const uint64_t bytes = in.read<uint64_t>("bytes of the directory");
    return checked({in.read<uint64_t>("offset of the directory"), bytes, members}, begin);
  }

  Directory checked(Directory directory, uint64_t end) {
    if (Size(directory.begin) + Size(directory.bytes) != Size(end)) {
      source_.reject(end, "central directory", directory.bytes, " bytes from byte ", directory.begin,
                     " on do not end at the end record");
    }
    return directory;
  }

  void row(Cursor& in, uint64_t number) {
    in.context(concat("row ", number, " of the directory"));
    const uint64_t start = in.offset();
    if (in.read<uint32_t>("signature") != kDirectory) in.reject(start, "signature", "is another");
    in.skip(2, "version");
    const uint16_t needed = in.read<uint16_t>("version needed");
    if ((needed & 255) > kNewest)
      in.reject(start + 6, "version needed", needed & 255, " is more than ", kNewest);
    const uint16_t flags = in.read<uint16_t>("flags"), method = in.read<uint16_t>("method");
    if (flags & ~kKnownFlags) in.reject(start + 8, "flags", flags, ": the member is encrypted, or a patch");
    if (method != kStored && method != kDeflated)
      in.reject(start + 10, "method", method, " is neither stored nor deflated");
    in.skip(4, "time");
    ZipMember out{};
    out.deflated = method == kDeflated;
    out.crc = in.read<uint32_t>("checksum");
    out.packed = in.read<uint32_t>("packed bytes");
    out.size = in.read<uint32_t>("bytes");
    const uint16_t name = in.read<uint16_t>("length of the name"),
                   extra = in.read<uint16_t>("length of the extra field");
    const uint16_t comment = in.read<uint16_t>("length of the comment");
    in.skip(2 + 2 + 4, "attributes");
    out.header = in.read<uint32_t>("offset");
    out.name = in.bytes(name, "name");
    extra_field(in, in.offset() + extra, out);
    in.skip(comment, "comment");
    in.context("");
    if (!out.deflated && out.packed != out.size)
      in.reject(start, quoted(out.name), "is stored, and yet has two sizes");
    if (out.deflated && Size(out.size) > Size(out.packed) * Size(kMostGrowth)) {
      in.reject(start, quoted(out.name), out.packed, " packed bytes cannot become ", out.size);
    }
    members_.push_back(std::move(out));
  }

  // Numbers that do not fit in 32 bits stand here, in this order.
  void extra_field(Cursor& in, uint64_t end, ZipMember& out) {
    while (in.offset() < end) {
      const uint64_t start = in.offset();
      if (end - start < 4) {  // padding
        in.skip(end - start, "extra field");
        return;
      }
      const uint16_t id = in.read<uint16_t>("extra field"), n = in.read<uint16_t>("extra field");
      if (n > end - in.offset())
        in.reject(start, "extra field", "a part of ", n, " bytes is longer than the field");
      uint64_t left = n;
      for (uint64_t* value : {&out.size, &out.packed, &out.header}) {
        if (id != kZip64 || *value != 0xFFFFFFFF || left < 8) continue;
        *value = in.read<uint64_t>("extra field");
        left -= 8;
      }
      in.skip(left, "extra field");
    }
  }

  // The local header says where the data begins.
  void locate(ZipMember& member, uint64_t directory) {
    auto reject = [&](std::string_view field, const auto&... parts) {
      source_.reject(member.header, concat("member ", quoted(member.name), ", ", field), parts...);
    };
    if (Size(member.header) + Size(kLocalBytes) > Size(directory))
      reject("local header", "is not in the file");
    Cursor in(source_, member.header, directory);
    if (in.read<uint32_t>("signature") != kLocal) reject("local header", "has another signature");
    in.skip(2, "version");
    if (in.read<uint16_t>("flags") & ~kKnownFlags) reject("flags", "the member is encrypted, or a patch");
    if ((in.read<uint16_t>("method") == kDeflated) != member.deflated)
      reject("method", "differs from the directory's");
    in.skip(4 + 4 + 4 + 4, "time, checksum and sizes");
    const uint16_t name = in.read<uint16_t>("length of the name"),
                   extra = in.read<uint16_t>("length of the extra field");
    if (in.bytes(name, "name") != member.name) reject("name", "differs from the directory's");
    in.skip(extra, "extra field");
    member.data = in.offset();
    if (member.packed > in.left()) reject("packed bytes", member.packed, " do not fit before the directory");
  }

  void check_overlap() const {
    std::vector<const ZipMember*> order;
    std::unordered_set<std::string_view> names;
    for (const ZipMember& m : members_) {
      order.push_back(&m);
      if (!names.insert(m.name).second) source_.reject(m.header, quoted(m.name), "comes twice");
    }
    std::sort(order.begin(), order.end(),
              [](const ZipMember* a, const ZipMember* b) { return a->header < b->header; });
    for (size_t i = 1; i < order.size(); i++) {
      if (order[i - 1]->data + order[i - 1]->packed <= order[i]->header) continue;
      source_.reject(order[i]->header, quoted(order[i]->name), "shares bytes with ",
                     quoted(order[i - 1]->name));
    }
  }

  const Source& source_;
  std::vector<ZipMember> members_;
};

}  // namespace

std::vector<ZipMember> parse_zip(const Source& source) { return Parser(source).run(); }

struct ZipReader::Inflate {
  z_stream stream{};
  std::vector<std::byte> packed;
  uint64_t fed = 0;  // packed bytes read

  Inflate() : packed(size_t(1) << 16) {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflate() { inflateEnd(&stream); }
};

ZipReader::ZipReader(const Source& source, const ZipMember& member) : source_(source), member_(member) {
  if (member.deflated) inflate_ = std::make_unique<Inflate>();
}
ZipReader::~ZipReader() = default;

void ZipReader::check(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;  // of a null pointer zlib says the checksum of nothing
  crc_ = uint32_t(crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  at_ += bytes.size();
}

// Gives the inflater more packed bytes; false where there are none.
bool ZipReader::feed() {
  z_stream& z = inflate_->stream;
  const size_t n = size_t(std::min<uint64_t>(inflate_->packed.size(), member_.packed - inflate_->fed));
  if (n == 0) return false;
  source_.read(member_.data + inflate_->fed, std::span(inflate_->packed).first(n));
  inflate_->fed += n;
  z.next_in = reinterpret_cast<Bytef*>(inflate_->packed.data());
  z.avail_in = uInt(n);
  return true;
}

void ZipReader::read(std::span<std::byte> to) {
  if (Size(at_) + Size(to.size()) > Size(member_.size)) {
    source_.reject(member_.data, quoted(member_.name), "has ", member_.size,
                   " bytes, fewer than its array needs");
  }
  // A piece at a time, so that its checksum is taken while it is in the cache.
  constexpr size_t kPiece = size_t(1) << 18;
  while (!to.empty()) {
    const std::span<std::byte> piece = to.first(std::min(to.size(), kPiece));
    if (!inflate_) {
      source_.read(member_.data + at_, piece);
    } else {
      z_stream& z = inflate_->stream;
      z.next_out = reinterpret_cast<Bytef*>(piece.data());
      z.avail_out = uInt(piece.size());
      while (z.avail_out > 0) {
        const bool ended = z.avail_in == 0 && !feed();
        const int status = inflate(&z, Z_NO_FLUSH);
        if (status == Z_MEM_ERROR) throw std::bad_alloc();
        // Without new bytes there may still be a rest of what was packed before; Z_BUF_ERROR says there is none.
        if (status == Z_BUF_ERROR && ended) {
          source_.reject(member_.data, quoted(member_.name), "its packed bytes end too early");
        }
        if ((status == Z_STREAM_END && z.avail_out > 0) || (status != Z_OK && status != Z_STREAM_END)) {
          source_.reject(member_.data, quoted(member_.name), "its packed bytes are damaged");
        }
      }
    }
    check(piece);
    to = to.subspan(piece.size());
  }
}

void ZipReader::finish() {
  if (at_ != member_.size) {
    source_.reject(member_.data, quoted(member_.name), "has ", member_.size,
                   " bytes, more than its array needs");
  }
  if (crc_ != member_.crc)
    source_.reject(member_.data, quoted(member_.name), "does not have the checksum it should");
}

}  // namespace melix::io
