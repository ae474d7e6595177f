/// @file
/// The weights file of a compiled model, and its only copy in a process.
///
/// Layout, little-endian: 8 bytes of magic, format version (uint32), reserved (uint32), bytes of payload
/// (uint64), checksum of the payload (uint64), layout of the code that reads it (uint64), 24 bytes of zeros,
/// payload.
#ifndef SOFIE_RUNTIME_WEIGHTS_HXX
#define SOFIE_RUNTIME_WEIGHTS_HXX

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace sofie_runtime {

struct WeightsHeader {
  char magic[8] = {'p', 'y', 's', 'o', 'f', 'i', 'e', 'W'};
  std::uint32_t version = 2;
  std::uint32_t reserved = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
  std::uint64_t layout = 0;
  unsigned char padding[24] = {};
};
static_assert(sizeof(WeightsHeader) == 64, "the payload begins at a multiple of 64 bytes");

/// The weights that code was generated with.
struct WeightsIdentity {
  std::uint64_t bytes;
  std::uint64_t layout;  ///< of the code's text, without the weights: what agrees has the same constants at
                         ///< the same places
  std::uint64_t checksum;
};

/// 64-bit FNV-1a over 8-byte words and the bytes that remain.
inline std::uint64_t weights_checksum(const unsigned char* data, std::size_t size) {
  constexpr std::uint64_t prime = 1099511628211u;
  std::uint64_t hash = 14695981039346656037u;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data + i, 8);
    hash = (hash ^ word) * prime;
    hash ^= hash >> 32;
  }
  for (; i < size; ++i) hash = (hash ^ data[i]) * prime;
  return hash;
}

/// Memory aligned to 64 bytes.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size)
      : data_(static_cast<unsigned char*>(::operator new(size ? size : 1, std::align_val_t(64)))),
        size_(size) {}
  unsigned char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(unsigned char* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<unsigned char, Free> data_;
  std::size_t size_ = 0;
};

/// A weights file that has been opened.
class WeightsFile {
 public:
  /// \throws std::runtime_error when it is missing or no weights file
  explicit WeightsFile(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "rb")) {
    if (!file_) throw std::runtime_error("cannot open the weights file '" + path + "'");
    const WeightsHeader expected;
    if (std::fread(&header_, sizeof header_, 1, file_.get()) != 1 ||
        std::memcmp(header_.magic, expected.magic, sizeof expected.magic) != 0)
      throw std::runtime_error("'" + path + "' is not a weights file of pysofie");
    if (header_.version != expected.version)
      throw std::runtime_error("the weights file '" + path + "' has format " +
                               std::to_string(header_.version) + ", this code reads format " +
                               std::to_string(expected.version));
  }

  /// \throws std::runtime_error unless these are the weights that the code was generated with
  void require_same(const WeightsIdentity& identity) const {
    if (header_.bytes != identity.bytes || header_.checksum != identity.checksum)
      throw std::runtime_error("the weights file '" + path_ + "' belongs to another model than this code");
  }

  /// \throws std::runtime_error unless these are weights for this code
  void require_alike(const WeightsIdentity& identity) const {
    if (header_.bytes != identity.bytes || header_.layout != identity.layout)
      throw std::runtime_error("the weights file '" + path_ + "' is for other code than this");
  }

  std::uint64_t bytes() const { return header_.bytes; }
  std::uint64_t checksum() const { return header_.checksum; }

  /// Reads the payload into so many bytes. \throws std::runtime_error when it is truncated or damaged
  void read(unsigned char* target) const {
    const auto size = static_cast<std::size_t>(header_.bytes);
    if (std::fread(target, 1, size, file_.get()) != size)
      throw std::runtime_error("the weights file '" + path_ + "' is truncated");
    if (weights_checksum(target, size) != header_.checksum)
      throw std::runtime_error("the weights file '" + path_ + "' is damaged: its checksum is wrong");
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  WeightsHeader header_;
};

/// The weights of this checksum at `path`, shared by all sessions of the process: the first of them has
/// `open()` give the file.
template <class Open>
std::shared_ptr<const AlignedBytes> shared_weights(const std::string& path, std::uint64_t checksum,
                                                   const Open& open) {
  struct Loaded {
    std::string path;
    std::uint64_t checksum;
    std::weak_ptr<const AlignedBytes> weights;
  };
  static std::mutex mutex;
  static std::vector<Loaded> loaded;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto isGone = [](const Loaded& entry) { return entry.weights.expired(); };
  loaded.erase(std::remove_if(loaded.begin(), loaded.end(), isGone), loaded.end());
  for (const Loaded& entry : loaded)
    if (entry.path == path && entry.checksum == checksum)
      if (auto weights = entry.weights.lock()) return weights;
  const WeightsFile& file = open();
  const auto weights = std::make_shared<AlignedBytes>(static_cast<std::size_t>(file.bytes()));
  file.read(weights->data());
  loaded.push_back({path, checksum, weights});
  return weights;
}

/// The weights that code was generated with.
/// \throws std::runtime_error when the file is missing, damaged or of another model
inline std::shared_ptr<const AlignedBytes> own_weights(const std::string& path,
                                                       const WeightsIdentity& identity) {
  std::unique_ptr<const WeightsFile> file;
  return shared_weights(path, identity.checksum, [&]() -> const WeightsFile& {
    file = std::make_unique<const WeightsFile>(path);
    file->require_same(identity);
    return *file;
  });
}

/// Other weights for the same code.
/// \throws std::runtime_error when the file is missing, damaged or for other code
inline std::shared_ptr<const AlignedBytes> other_weights(const std::string& path,
                                                         const WeightsIdentity& identity) {
  const WeightsFile file(path);
  file.require_alike(identity);
  return shared_weights(path, file.checksum(), [&]() -> const WeightsFile& { return file; });
}

}  // namespace sofie_runtime

#endif
