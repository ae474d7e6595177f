/// Preparation of features, and labels: the classical operators of ai.onnx.ml over numbers.
#include <algorithm>
#include <cmath>

#include "common.hxx"
#include "movement.hxx"
#include "padding.hxx"
#include "scores.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "ai.onnx.ml";

/// The type that integers are computed in with real parameters.
DType realType(DType type) { return isFloat(type) ? type : DType::Float32; }

/// Parameters of the features, the last axis of x: one for each, or one for all.
Tensor featureParameters(Operator& op, const Tensor& x, DType type, const std::string& name,
                         const std::vector<double>& values) {
  if (x.rank() == 0) throw ShapeError("the input must have an axis of features, but is a scalar");
  const auto count = static_cast<std::int64_t>(values.size());
  if (count != 1)
    op.agree(x.shape().back(), count, "the number of features and the length of '" + name + "'");
  return realConstant(op, type, {count}, values);
}

/// The elements at given places of the last axis; of a vector a matrix with one row.
void arrayFeatureExtractor_1(Operator& op) {
  Tensor x = op.input(0);
  const Tensor places = op.input(1);
  if (x.rank() == 0) throw ShapeError("the input must have an axis of features, but is a scalar");
  if (x.rank() == 1) x = op.unsqueeze(x, 0);
  const Dim count = product(places.shape());
  const Expr place = load(op.reshape(places, {count}), {index(static_cast<int>(x.rank()) - 1)});
  Shape shape = x.shape();
  std::vector<Expr> where = indices(x.rank());
  where.back() = checkedIndex(place, shape.back());
  shape.back() = count;
  op.output(0, op.map(shape, load(x, where)));
}

void binarizer_1(Operator& op) {
  const Tensor x = op.input(0);
  const double threshold = op.real("threshold", 0);
  op.output(0, op.elementwise({x}, [&](const std::vector<Expr>& v) {
    const DType type = isFloat(x.type) ? x.type : DType::Float64;
    return cast(x.type, binary(Op::Gt, cast(type, v[0]), number(type, threshold)));
  }));
}

void scaler_1(Operator& op) {
  const Tensor x = op.input(0);
  const DType type = realType(x.type);
  const auto offset = realsOf(op, "offset"), scale = realsOf(op, "scale");
  std::vector<Tensor> terms{x};
  if (!offset.empty()) terms.push_back(featureParameters(op, x, type, "offset", offset));
  if (!scale.empty()) terms.push_back(featureParameters(op, x, type, "scale", scale));
  op.output(0, op.elementwise(terms, [&](const std::vector<Expr>& v) {
    const Expr centred = offset.empty() ? cast(type, v[0]) : cast(type, v[0]) - v[1];
    return cast(DType::Float32, scale.empty() ? centred : centred * v.back());
  }));
}

/// Each row divided by its greatest element, sum of magnitudes or length; where that is zero the row stays.
void normalizer_1(Operator& op) {
  const Tensor x = op.cast(op.input(0), realType(op.input(0).type));
  if (x.rank() == 0) throw ShapeError("the input must have an axis of features, but is a scalar");
  const std::string kind = op.string("norm", "MAX");
  if (kind != "MAX" && kind != "L1" && kind != "L2") op.invalid("norm is '" + kind + "', not MAX, L1 or L2");
  const auto term = [&](const Expr& v) {
    if (kind == "MAX") return v;
    return kind == "L2" ? v * v : unary(Op::Abs, v);
  };
  const auto root = [&](const Expr& sum) { return kind == "L2" ? unary(Op::Sqrt, sum) : sum; };
  const Combiner combiner = kind == "MAX" ? Combiner::Maximum : Combiner::Sum;
  const Tensor norm = op.reduce(x, {x.rank() - 1}, true, combiner, term, root);
  op.output(0, op.elementwise({x, norm}, [](const std::vector<Expr>& v) {
    const Expr nothing = binary(Op::Eq, v[1], number(v[1].type(), 0));
    return cast(DType::Float32, select(nothing, v[0], v[0] / v[1]));
  }));
}

std::vector<double> realNumbers(const std::vector<std::int64_t>& values) {
  return {values.begin(), values.end()};
}

/// What stands for a missing value is replaced; that may be NaN.
void imputer_1(Operator& op) {
  const Tensor x = op.input(0);
  const bool real = isFloat(x.type);
  const double missing =
      real ? op.real("replaced_value_float", 0) : static_cast<double>(op.integer("replaced_value_int64", 0));
  const std::string name = real ? "imputed_value_floats" : "imputed_value_int64s";
  const auto values = real ? realsOf(op, name) : realNumbers(op.integers(name));
  if (values.empty()) op.invalid("the attribute '" + name + "' is missing");
  const Tensor replacement = featureParameters(op, x, x.type, name, values);
  op.output(0, op.elementwise({x, replacement}, [&](const std::vector<Expr>& v) {
    const Expr absent = std::isnan(missing) ? unary(Op::IsNan, v[0])
                        : real ? binary(Op::Eq, v[0], number(x.type, missing))
                               : binary(Op::Eq, v[0], integer(x.type, static_cast<std::int64_t>(missing)));
    return select(absent, v[1], v[0]);
  }));
}

/// Inputs side by side, each cut or filled with zeros to its width.
void featureVectorizer_1(Operator& op) {
  const auto widths = op.integers("inputdimensions");
  if (op.inputCount() == 0 || widths.size() != op.inputCount())
    op.invalid("'inputdimensions' must hold one number for each input");
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    Tensor x = op.input(i);
    if (x.rank() == 1) x = op.unsqueeze(x, 1);
    if (x.rank() != 2)
      throw ShapeError("input " + std::to_string(i) + " must be a matrix, but has the shape " +
                       text(x.shape()));
    const Tensor part = padConstant(op, x, {0, 0}, {0, widths[i] - x.dim(1)}, integer(x.type, 0));
    parts.push_back(op.cast(part, DType::Float32));
  }
  op.output(0, concatenate(op, parts, 1));
}

// --- labels ------------------------------------------------------------------------------------------------

/// Keys or values of a label encoder, in whichever attribute they are.
Constant labelList(const Operator& op, const std::string& kind) {
  if (op.hasAttribute(kind + "_tensor")) return op.attribute<Constant>(kind + "_tensor");
  if (op.hasAttribute(kind + "_int64s")) {
    const auto values = op.integers(kind + "_int64s");
    return Constant::of(DType::Int64, {static_cast<std::int64_t>(values.size())}, values);
  }
  if (op.hasAttribute(kind + "_floats")) {
    const auto values = realsOf(op, kind + "_floats");
    return Constant::of(DType::Float32, {static_cast<std::int64_t>(values.size())}, values);
  }
  op.unsupported("its " + kind + " are strings; encode them outside of the model");
}

Expr defaultLabel(const Operator& op, DType type) {
  if (op.hasAttribute("default_tensor")) return literal(op, op.attribute<Constant>("default_tensor"));
  if (isFloat(type)) return number(type, op.real("default_float", -0.0));
  return integer(type, op.integer("default_int64", -1));
}

/// True where the element is the key; keys that are NaN are found too.
Expr isKey(const Expr& element, const Expr& key) {
  const Expr equal = binary(Op::Eq, element, key);
  if (!isFloat(element.type())) return equal;
  return binary(Op::LogicalOr, equal,
                binary(Op::LogicalAnd, unary(Op::IsNan, element), unary(Op::IsNan, key)));
}

/// The first position of each element of x in a list; the length of the list where it is not in it.
Tensor positionsIn(Operator& op, const Tensor& x, const Tensor& list) {
  const Expr position = index(static_cast<int>(x.rank()));
  const Expr found = isKey(element(x), load(list, {position}));
  return op.reduce(x.shape(), list.shape(), Combiner::Minimum, select(found, position, extent(list.dim(0))));
}

void labelEncoder_1(Operator& op) { op.unsupported("it encodes strings; encode them outside of the model"); }

void labelEncoder_2(Operator& op) {
  const Constant keys = labelList(op, "keys"), values = labelList(op, "values");
  if (keys.size() != values.size() || keys.size() == 0)
    op.invalid("it has " + std::to_string(keys.size()) + " keys and " + std::to_string(values.size()) +
               " values");
  const Tensor x = op.input(0);
  const Tensor list = op.reshape(op.cast(op.constant(keys), x.type), {keys.size()});
  const Tensor labels = op.reshape(op.constant(values), {values.size()});
  const Tensor positions = positionsIn(op, x, list);
  const Expr place = element(positions);
  const Expr known = binary(Op::Lt, place, integer(DType::Int64, keys.size()));
  op.output(0, op.map(x.shape(), select(known, load(labels, {place}), defaultLabel(op, labels.type))));
}

/// A new last axis with a one at the element's category; without `zeros` every element must have one.
void oneHotEncoder_1(Operator& op) {
  const auto categories = op.integers("cats_int64s");
  if (categories.empty()) op.unsupported("its categories are strings; encode them outside of the model");
  const auto count = static_cast<std::int64_t>(categories.size());
  const Tensor x = op.cast(op.input(0), isFloat(op.input(0).type) ? DType::Float64 : DType::Int64);
  const Tensor list = op.cast(op.constant(Constant::of(DType::Int64, {count}, categories)), x.type);
  Shape shape = x.shape();
  shape.push_back(count);
  const Expr category = index(static_cast<int>(x.rank()));
  Expr hit = binary(Op::Eq, load(x, indices(x.rank())), load(list, {category}));
  if (op.integer("zeros", 1) == 0) {
    const Tensor positions = positionsIn(op, x, list);
    hit = binary(Op::Eq, checkedIndex(load(positions, indices(x.rank())), count), category);
  }
  op.output(0, op.map(shape, cast(DType::Float32, hit)));
}

/// As an array the map from labels to scores is the scores.
void zipMap_1(Operator& op) { op.output(0, op.input(0)); }

void categoryMapper_1(Operator& op) {
  op.unsupported("it maps between strings and integers; do so outside of the model");
}

SOFIE_OPERATOR_OF(domain, "ArrayFeatureExtractor", 1, arrayFeatureExtractor_1);
SOFIE_OPERATOR_OF(domain, "Binarizer", 1, binarizer_1);
SOFIE_OPERATOR_OF(domain, "Scaler", 1, scaler_1);
SOFIE_OPERATOR_OF(domain, "Normalizer", 1, normalizer_1);
SOFIE_OPERATOR_OF(domain, "Imputer", 1, imputer_1);
SOFIE_OPERATOR_OF(domain, "FeatureVectorizer", 1, featureVectorizer_1);
SOFIE_OPERATOR_OF(domain, "LabelEncoder", 1, labelEncoder_1);
SOFIE_OPERATOR_OF(domain, "LabelEncoder", 2, labelEncoder_2);
SOFIE_OPERATOR_OF(domain, "OneHotEncoder", 1, oneHotEncoder_1);
SOFIE_OPERATOR_OF(domain, "ZipMap", 1, zipMap_1);
SOFIE_OPERATOR_OF(domain, "CategoryMapper", 1, categoryMapper_1);

}  // namespace
}  // namespace sofie
