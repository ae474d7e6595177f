/// @file
/// The weights file of a compiled model, and its only copy in a process.
///
/// Layout, little-endian: 8 bytes of magic, format version (uint32), reserved (uint32), bytes of payload
/// (uint64), checksum of the payload (uint64), 32 bytes of zeros, payload.
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
  std::uint32_t version = 1;
  std::uint32_t reserved = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
  unsigned char padding[32] = {};
};
static_assert(sizeof(WeightsHeader) == 64, "the payload begins at a multiple of 64 bytes");

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

/// Reads a weights file. \throws std::runtime_error when it is missing, truncated or of another model.
inline std::shared_ptr<const AlignedBytes> read_weights(const std::string& path, std::uint64_t bytes,
                                                        std::uint64_t checksum) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rb"));
  if (!file) throw std::runtime_error("cannot open the weights file '" + path + "'");
  WeightsHeader header;
  const WeightsHeader expected;
  if (std::fread(&header, sizeof header, 1, file.get()) != 1 ||
      std::memcmp(header.magic, expected.magic, sizeof header.magic) != 0)
    throw std::runtime_error("'" + path + "' is not a weights file of pysofie");
  if (header.version != expected.version)
    throw std::runtime_error("the weights file '" + path + "' has format " + std::to_string(header.version) +
                             ", this code reads format " + std::to_string(expected.version));
  if (header.bytes != bytes || header.checksum != checksum)
    throw std::runtime_error("the weights file '" + path + "' belongs to another model than this code");
  auto weights = std::make_shared<AlignedBytes>(static_cast<std::size_t>(bytes));
  if (std::fread(weights->data(), 1, weights->size(), file.get()) != weights->size())
    throw std::runtime_error("the weights file '" + path + "' is truncated");
  if (weights_checksum(weights->data(), weights->size()) != checksum)
    throw std::runtime_error("the weights file '" + path + "' is damaged: its checksum is wrong");
  return weights;
}

/// The weights at `path`, shared by all sessions of the process.
inline std::shared_ptr<const AlignedBytes> shared_weights(const std::string& path, std::uint64_t bytes,
                                                          std::uint64_t checksum) {
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
  const auto weights = read_weights(path, bytes, checksum);
  loaded.push_back({path, checksum, weights});
  return weights;
}

}  // namespace sofie_runtime

#endif
