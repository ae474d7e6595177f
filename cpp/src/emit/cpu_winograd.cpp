#include <algorithm>
#include <cmath>

#include "../../runtime/winograd_weights.hxx"
#include "emit/cpu_kernel.hxx"

namespace sofie {
namespace {

namespace winograd = sofie_runtime::winograd;

/// Fewer channels than this leave more work in the transforms than the products save.
constexpr std::int64_t fewestChannels = 12;
/// More channels than this do not fit the first cache levels when they are transformed.
constexpr std::int64_t mostChannels = 256;
/// Fewer tiles than this do not pay for reading four times as many weights.
constexpr std::int64_t fewestTiles = 4;

/// A loop over rows and the loop of the window that moves in the same steps.
struct Sliding {
  int row, window;
};

/// Loops of a convolution whose window of 3 x 3 moves by single elements; its channels are contiguous.
struct Loops {
  std::vector<Sliding> sliding;  ///< y and x
  int channel = -1;
};

std::optional<Loops> loopsOf(const Nest& nest, const CpuProduct& product) {
  Loops loops;
  for (const int v : product.depth) {
    const Dim& step = product.left.stride(v);
    const auto row = std::find_if(product.rows.begin(), product.rows.end(),
                                  [&](int r) { return product.left.stride(r) == step; });
    if (row != product.rows.end() && extentOf(nest, v).is(winograd::window))
      loops.sliding.push_back({*row, v});
    else if (loops.channel < 0 && step.is(1))
      loops.channel = v;
    else
      return std::nullopt;
  }
  const bool isPlane = loops.sliding.size() == 2 && loops.sliding[0].row != loops.sliding[1].row;
  return isPlane && loops.channel >= 0 ? std::optional(loops) : std::nullopt;
}

/// Tiles of an image, nullopt when its size is known only at run time.
std::optional<std::int64_t> tileCount(const Nest& nest, const Loops& loops) {
  std::int64_t tiles = 1;
  for (const Sliding& axis : loops.sliding) {
    const auto extent = extentOf(nest, axis.row).value();
    if (!extent) return std::nullopt;
    tiles *= (*extent + winograd::results - 1) / winograd::results;
  }
  return tiles;
}

/// True when the tiles do not reach far behind the image.
bool fills(const Nest& nest, const Loops& loops) {
  return std::all_of(loops.sliding.begin(), loops.sliding.end(), [&](const Sliding& axis) {
    const auto extent = extentOf(nest, axis.row).value();
    return !extent || *extent % winograd::results == 0 || *extent > 3 * winograd::results;
  });
}

bool isFinite(const Constant& weights) {
  for (std::int64_t i = 0; i < weights.size(); ++i)
    if (!std::isfinite(weights.at<double>(i))) return false;
  return true;
}

}  // namespace

std::optional<CpuProduct> winogradProduct(const Program& program, const Nest& nest,
                                          const CpuProduct& product) {
  if (!product.batch.empty() || product.depth.size() != 3) return std::nullopt;
  const auto loops = loopsOf(nest, product);
  if (!loops) return std::nullopt;
  const std::int64_t channels = extentOf(nest, loops->channel).constant();
  const std::int64_t columns = extentOf(nest, product.column).constant();
  const auto tiles = tileCount(nest, *loops);
  if (std::min(channels, columns) < fewestChannels || channels > mostChannels) return std::nullopt;
  if (tiles.value_or(fewestTiles) < fewestTiles || !fills(nest, *loops)) return std::nullopt;
  if (!isFinite(*program.buffers[static_cast<std::size_t>(product.rightBuffer)].constant))
    return std::nullopt;
  CpuProduct result = product;
  result.rows.clear();
  for (const int v : product.rows) {
    const bool slides = std::any_of(loops->sliding.begin(), loops->sliding.end(),
                                    [&](const Sliding& axis) { return axis.row == v; });
    if (!slides) result.batch.push_back(v);
  }
  result.depth.clear();
  for (const Sliding& axis : loops->sliding) {
    result.rows.push_back(axis.row);
    result.depth.push_back(axis.window);
  }
  result.depth.push_back(loops->channel);
  result.tiles = channels <= 64 && tiles && *tiles % 8 == 0 ? 8 : 4;
  return result;
}

std::vector<std::byte> winogradWeights(const Nest& nest, const CpuProduct& product, const Constant& weights) {
  const OperandReader reader(nest, product, weights);
  const std::int64_t channels = extentOf(nest, product.depth.back()).constant();
  const std::int64_t columns = extentOf(nest, product.column).constant();
  const auto width = sizeOf(weights.type);
  std::vector<std::byte> bytes(static_cast<std::size_t>(winograd::packed_weights(channels, columns, width)) *
                               width);
  dispatch(weights.type, [&](auto zero) {
    using T = decltype(zero);
    winograd::pack_weights(
        reinterpret_cast<T*>(bytes.data()), channels, columns,
        [&](std::int64_t y, std::int64_t x, std::int64_t channel, std::int64_t column) {
          const std::int64_t tap = (y * winograd::window + x) * channels + channel;
          return reader.at(reader.offset(product.depth, tap) + reader.offset({product.column}, column));
        });
  });
  return bytes;
}

}  // namespace sofie
