/// Operators that pool over regions of images: RoiAlign, MaxRoiPool.
///
/// Both call a routine, because the regions, which are data, decide how far its loops run.
#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr std::int64_t mostSamples = 1 << 16;

/// Images (batch, channels, height, width) and regions (number, columns).
void requireShapes(Operator& op, const Tensor& images, const Tensor& regions, std::int64_t columns) {
  requireFloat(op, images);
  requireOneType(op, {images, regions});
  if (images.rank() != 4 || regions.rank() != 2)
    throw ShapeError("images must have the shape (batch, channels, height, width) and regions (number, " +
                     std::to_string(columns) + "), but have the shapes " + text(images.shape()) + " and " +
                     text(regions.shape()));
  op.agree(regions.dim(1), columns, "the columns of the regions");
}

/// The images pooled to (region, channel, height, width) by a routine.
Tensor pooled(Operator& op, const char* routine, const Tensor& images, const Tensor& regions,
              const Tensor& batches, const Dim& height, const Dim& width, std::vector<Dim> options) {
  const Tensor result = op.temporary(images.type, {regions.dim(0), images.dim(1), height, width});
  for (const std::size_t axis : {2U, 3U}) requireElements(op, images.dim(axis), batches.shape());
  options.insert(options.begin(), {images.dim(1), images.dim(2), images.dim(3), height, width});
  op.call({"regions.hxx",
           routine,
           regions.dim(0) * images.dim(1),
           {op.dense(images), regions, batches},
           {result},
           options});
  return result;
}

void roiAlign(Operator& op, bool halfPixel) {
  const Tensor images = op.input(0), regions = op.input(1), batches = op.input(2);
  requireShapes(op, images, regions, 4);
  if (batches.rank() != 1)
    throw ShapeError("the batch indices must be a vector, but have the shape " + text(batches.shape()));
  op.agree(regions.dim(0), batches.dim(0), "the number of regions and of batch indices");
  const std::string mode = op.string("mode", "avg");
  if (mode != "avg" && mode != "max") op.invalid("mode '" + mode + "' is neither avg nor max");
  const std::int64_t height = op.integer("output_height", 1), width = op.integer("output_width", 1);
  const std::int64_t samples = op.integer("sampling_ratio", 0);
  if (height < 1 || width < 1) op.invalid("the size of its output must be positive");
  if (samples < 0 || samples > mostSamples)
    op.invalid("the attribute 'sampling_ratio' must lie between 0 and " + std::to_string(mostSamples));
  const Expr scale = number(images.type, op.real("spatial_scale", 1));
  const Expr shift = number(images.type, halfPixel ? 0.5 : 0);
  const Tensor corners = op.map(regions.shape(), element(regions) * scale - shift);
  requireElements(op, images.dim(0), batches.shape());
  const Tensor places = op.map(batches.shape(), checkedIndex(element(batches), images.dim(0)));
  op.output(0, pooled(op, "roi_align", images, corners, places, height, width,
                      {samples, mode == "max" ? 1 : 0, halfPixel ? 0 : 1}));
}

void roiAlign_10(Operator& op) { roiAlign(op, false); }

void roiAlign_16(Operator& op) {
  const std::string mode = op.string("coordinate_transformation_mode", "half_pixel");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    op.invalid("coordinate_transformation_mode '" + mode + "' is neither half_pixel nor output_half_pixel");
  roiAlign(op, mode == "half_pixel");
}

/// Regions are (batch index, left, top, right, bottom).
void maxRoiPool_1(Operator& op) {
  const Tensor images = op.input(0), regions = op.input(1);
  requireShapes(op, images, regions, 5);
  const auto size = op.attribute<std::vector<std::int64_t>>("pooled_shape");
  if (size.size() != 2 || size[0] < 1 || size[1] < 1)
    op.invalid("the attribute 'pooled_shape' must hold two positive numbers");
  const Expr scale = number(images.type, op.real("spatial_scale", 1));
  const Dim& count = regions.dim(0);
  const Tensor corners = op.map({count, 4}, load(regions, {index(0), index(1) + extent(1)}) * scale);
  const Expr batch = cast(DType::Int64, load(regions, {index(0), extent(0)}));
  requireElements(op, images.dim(0), {count});
  const Tensor places = op.map({count}, checkedIndex(batch, images.dim(0)));
  op.output(0, pooled(op, "max_roi_pool", images, corners, places, size[0], size[1], {}));
}

}  // namespace

SOFIE_OPERATOR("RoiAlign", 10, roiAlign_10);
SOFIE_OPERATOR("RoiAlign", 16, roiAlign_16);
SOFIE_OPERATOR("MaxRoiPool", 1, maxRoiPool_1);

}  // namespace sofie
