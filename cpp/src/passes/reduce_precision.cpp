#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "passes/evaluation.hxx"
#include "sofie/builder.hxx"
#include "sofie/error.hxx"
#include "sofie/precision.hxx"

namespace sofie {
namespace {

/// Weights of fewer columns or rows are not worth the conversion.
constexpr std::int64_t fewestColumns = 8, fewestRows = 2;

bool isWeight(const Program& program, const Expr& operand) {
  return operand->op == Op::Load && operand.type() == DType::Float32 &&
         program.buffers[static_cast<std::size_t>(operand->view.buffer)].kind == BufferKind::Constant;
}

/// The operand of a product whose weights are to be rounded; nullopt when they are not.
std::optional<std::size_t> weightSide(const Program& program, const Nest& nest) {
  if (nest.kind != Nest::Kind::Contraction || nest.element.type() != DType::Float32) return std::nullopt;
  for (std::size_t side = 2; side-- > 0;) {
    const Expr &weights = nest.element->args[side], &other = nest.element->args[1 - side];
    if (!isWeight(program, weights) || isWeight(program, other) || other->op != Op::Load) continue;
    const auto own = address(weights->view, weights->args, nest.variables());
    const auto others = address(other->view, other->args, nest.variables());
    if (!own || !others) continue;
    Dim columns = 1;
    for (std::size_t v = 0; v < nest.axes.size(); ++v)
      if (!own->strides[v].is(0) && others->strides[v].is(0)) columns = columns * nest.axes[v];
    const auto rows = product(nest.reduction).value();
    if (columns.value().value_or(0) >= fewestColumns && rows.value_or(0) >= fewestRows) return side;
  }
  return std::nullopt;
}

std::vector<double> numbersOf(const Constant& constant) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < constant.size(); ++i) numbers.push_back(constant.at<double>(i));
  return numbers;
}

/// Weights and what their sums are to be multiplied by, if anything.
struct Rounded {
  Expr weights, scale;
};

class PrecisionReduction {
 public:
  PrecisionReduction(Program& program, Precision precision) : program_(program), precision_(precision) {}

  void run() {
    forEachNest(program_.kernels, [&](Nest& nest) {
      const auto side = weightSide(program_, nest);
      if (!side) return;
      const Expr weights = nest.element->args[*side], other = nest.element->args[1 - *side];
      const auto rounded = precision_ == Precision::Int8Weights      ? toBytes(nest, weights)
                           : precision_ == Precision::Float16Weights ? toHalf(weights, DType::Float16)
                                                                     : toHalf(weights, DType::BFloat16);
      if (!rounded) return;
      nest.element = other * cast(DType::Float32, rounded->weights);
      if (rounded->scale)
        nest.epilogue = rewrite(nest.epilogue, [&](const Expr& node) -> Expr {
          return node->op == Op::Accumulator ? node * rounded->scale : Expr();
        });
    });
    if (precision_ == Precision::BFloat16) roundActivations();
  }

 private:
  Program& program_;
  Precision precision_;
  std::map<int, std::optional<Tensor>> halves_;  ///< by the buffer that they round

  Buffer& buffer(int id) { return program_.buffers[static_cast<std::size_t>(id)]; }

  std::optional<Rounded> toHalf(const Expr& weights, DType type) {
    const int id = weights->view.buffer;
    const auto [entry, isNew] = halves_.emplace(id, std::nullopt);
    if (isNew) {
      const std::vector<double> numbers = numbersOf(*buffer(id).constant);
      const double highest = rangeOf(type).highest;
      const bool fits =
          std::all_of(numbers.begin(), numbers.end(), [&](double x) { return std::fabs(x) <= highest; });
      if (fits)
        entry->second = Builder(program_).constant(Constant::of(type, buffer(id).constant->shape, numbers));
    }
    if (!entry->second) return std::nullopt;
    Tensor tensor{type, weights->view};
    tensor.view.buffer = entry->second->view.buffer;
    return Rounded{load(tensor, weights->args), {}};
  }

  /// Every column of weights becomes bytes in units of a 127th of its largest weight.
  std::optional<Rounded> toBytes(const Nest& nest, const Expr& weights) {
    const auto table = evaluated(program_, nest, weights);
    if (!table) return std::nullopt;
    const Constant& constant = *buffer((*table)->view.buffer).constant;
    const std::vector<double> numbers = numbersOf(constant);
    const std::size_t outer = variablesOf(weights, nest.axes.size()).size();
    const auto split = constant.shape.begin() + static_cast<std::ptrdiff_t>(outer);
    std::size_t rows = 1;
    for (auto size = split; size != constant.shape.end(); ++size) rows *= static_cast<std::size_t>(*size);
    std::vector<double> scales, codes;
    for (std::size_t first = 0; first < numbers.size(); first += rows) {
      double largest = 0;
      for (std::size_t i = first; i < first + rows; ++i) {
        if (!std::isfinite(numbers[i])) return std::nullopt;
        largest = std::max(largest, std::fabs(numbers[i]));
      }
      scales.push_back(largest > 0 ? static_cast<double>(static_cast<float>(largest / 127)) : 1);
      for (std::size_t i = first; i < first + rows; ++i)
        codes.push_back(std::clamp(std::nearbyint(numbers[i] / scales.back()), -127.0, 127.0));
    }
    const std::vector<Expr>& position = (*table)->args;
    Builder builder(program_);
    const Tensor bytes = builder.constant(Constant::of(DType::Int8, constant.shape, codes));
    const Tensor units =
        builder.constant(Constant::of(DType::Float32, {constant.shape.begin(), split}, scales));
    return Rounded{load(bytes, position),
                   load(units, {position.begin(), position.begin() + static_cast<std::ptrdiff_t>(outer)})};
  }

  /// The temporaries that products with rounded weights read, and no other product.
  std::set<int> activations() {
    std::set<int> wanted, unwanted;
    forEachKernel(program_.kernels, [&](const Kernel& kernel) {
      const auto* nest = std::get_if<Nest>(&kernel.body);
      if (!nest) {
        if (!std::holds_alternative<Region>(kernel.body) && !std::holds_alternative<Loop>(kernel.body))
          forEachView(kernel, [&](const View& view, bool) { unwanted.insert(view.buffer); });
        return;
      }
      if (nest->merge) unwanted.insert(nest->target.buffer);
      if (nest->kind != Nest::Kind::Contraction) return;
      const bool isRounded = nest->element->args[1]->op == Op::Cast;
      for (const Expr& operand : nest->element->args)
        (isRounded ? wanted : unwanted).insert(loadOf(operand)->view.buffer);
    });
    std::set<int> result;
    for (const int id : wanted)
      if (!unwanted.count(id) && buffer(id).kind == BufferKind::Temporary &&
          buffer(id).type == DType::Float32)
        result.insert(id);
    return result;
  }

  void roundActivations() {
    const std::set<int> rounded = activations();
    for (const int id : rounded) buffer(id).type = DType::BFloat16;
    forEachNest(program_.kernels, [&](Nest& nest) {
      forEachExpression(nest, [&](Expr& expr) {
        expr = rewrite(expr, [&](const Expr& node) -> Expr {
          if (node->op != Op::Load || !rounded.count(node->view.buffer)) return {};
          return cast(DType::Float32, load({DType::BFloat16, node->view}, node->args));
        });
      });
      if (rounded.count(nest.target.buffer)) nest.stored() = cast(DType::BFloat16, nest.stored());
    });
  }
};

}  // namespace

const std::vector<std::string>& precisionNames() {
  static const std::vector<std::string> names{"float32", "bfloat16", "bfloat16-weights", "float16-weights",
                                              "int8-weights"};
  return names;
}

Precision precisionNamed(const std::string& name) {
  const auto& names = precisionNames();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    std::string all;
    for (const std::string& each : names) all += (all.empty() ? "'" : ", '") + each + "'";
    throw Error("there is no precision '" + name + "'; there are " + all);
  }
  return static_cast<Precision>(found - names.begin());
}

void reducePrecision(Program& program, Precision precision) {
  program.precision = precisionNames()[static_cast<std::size_t>(precision)];
  if (precision != Precision::Float32) PrecisionReduction(program, precision).run();
}

}  // namespace sofie
