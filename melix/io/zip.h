// Zip archives, as far as .npz files are: members that are stored or deflated. No encryption, no parts on several
// disks, nothing in front of the first member.
//
//   local header, name, data    of each member
//   central directory           a row for each member: where it is, its sizes and its checksum
//   end record                  where the directory is (and, from 4 GiB or 65535 members on, the same in 64 bits)
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "melix/io/atomic_file.h"
#include "melix/io/source.h"

namespace melix::io {

struct ZipMember {
  std::string name;
  bool deflated;
  uint32_t crc;
  uint64_t packed, size;  // bytes in the archive, and unpacked
  uint64_t header;        // offset of the local header
  uint64_t data;          // offset of the packed bytes
};

/// Reads the directory and the local headers: all members lie in the file, none over another, no name comes twice, and
/// no size is larger than the packed bytes can become. Throws FileError.
std::vector<ZipMember> parse_zip(const Source& source);

/// Unpacks a member from its start on, a piece at a time.
class ZipReader {
 public:
  ZipReader(const Source& source, const ZipMember& member);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  /// The next bytes. Throws FileError where there are not so many.
  void read(std::span<std::byte> to);
  /// Checks that all was read, and that the checksum is right.
  void finish();

 private:
  struct Inflate;
  bool feed();
  void check(std::span<const std::byte> bytes);

  const Source& source_;
  const ZipMember& member_;
  uint64_t at_ = 0;  // bytes given out
  uint32_t crc_ = 0;
  std::unique_ptr<Inflate> inflate_;
};

/// Writes an archive to a sink, which needs no going back.
class ZipWriter {
 public:
  explicit ZipWriter(Sink& sink) : sink_(sink) {}
  /// A member of two pieces.
  void add(const std::string& name, std::span<const std::byte> head, std::span<const std::byte> body,
           bool deflated);
  void finish();

 private:
  void put(std::string_view bytes);
  uint64_t deflate(std::span<const std::byte> head, std::span<const std::byte> body);

  Sink& sink_;
  uint64_t at_ = 0;
  std::vector<ZipMember> members_;
};

}  // namespace melix::io
