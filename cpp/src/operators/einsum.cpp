/// Einsum: any sum of products over named axes.
#include <algorithm>
#include <cctype>
#include <map>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// An axis of an equation: a letter, or minus the distance from the right of one that an ellipsis covers.
using Label = int;
using Labels = std::vector<Label>;

bool contains(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

std::size_t positionOf(const Labels& labels, Label label) {
  return static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin());
}

/// A tensor whose axes have different labels.
struct Operand {
  Tensor tensor;
  Labels labels;
};

/// The operands, and the labels of the result, of an equation like "...ij,...jk->...ik".
class Equation {
 public:
  explicit Equation(Operator& op) : op_(op) {
    std::string text = op.attribute<std::string>("equation");
    text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
    const std::size_t arrow = text.find("->");
    readOperands(text.substr(0, arrow));
    result = arrow == std::string::npos ? implicitResult() : labelsOf(text.substr(arrow + 2), ellipsisRank_);
    for (std::size_t i = 0; i < result.size(); ++i)
      if (positionOf(result, result[i]) != i || counts_.count(result[i]) == 0)
        op.invalid("its equation names an axis of the result twice, or one that no input has");
    unifySizes();
  }

  std::vector<Operand> operands;
  Labels result;

 private:
  Operator& op_;
  std::size_t ellipsisRank_ = 0;
  std::map<Label, int> counts_;  ///< how often each label stands in the operands

  /// The labels of one term whose ellipsis stands for `covered` axes.
  Labels labelsOf(const std::string& term, std::size_t covered) const {
    Labels labels;
    for (std::size_t i = 0; i < term.size(); ++i) {
      if (std::isalpha(static_cast<unsigned char>(term[i])) != 0) {
        labels.push_back(term[i]);
      } else if (term.compare(i, 3, "...") == 0) {
        for (std::size_t axis = covered; axis > 0; --axis) labels.push_back(-static_cast<Label>(axis));
        i += 2;
      } else {
        op_.invalid("its equation has the term '" + term + "'; terms are made of letters and one '...'");
      }
    }
    return labels;
  }

  void readOperands(const std::string& terms) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < op_.inputCount(); ++i) {
      if (at > terms.size()) op_.invalid("its equation has fewer terms than there are inputs");
      const std::size_t end = std::min(terms.find(',', at), terms.size());
      addOperand(op_.input(i), terms.substr(at, end - at));
      at = end + 1;
    }
    if (at <= terms.size()) op_.invalid("its equation has more terms than there are inputs");
  }

  void addOperand(const Tensor& tensor, const std::string& term) {
    const std::size_t letters = labelsOf(term, 0).size();
    const bool ellipsis = term.find('.') != std::string::npos;
    if (tensor.rank() < letters || (!ellipsis && tensor.rank() > letters))
      throw ShapeError("the term '" + term + "' of the equation does not fit an input of shape " +
                       text(tensor.shape()));
    ellipsisRank_ = std::max(ellipsisRank_, tensor.rank() - letters);
    const Labels labels = labelsOf(term, tensor.rank() - letters);
    for (const Label label : labels) ++counts_[label];
    operands.push_back(diagonal(tensor, labels));
  }

  /// Axes of the same label become one that walks along their diagonal.
  Operand diagonal(const Tensor& tensor, const Labels& labels) const {
    Operand result{{tensor.type, {tensor.view.buffer, tensor.view.offset, {}, {}}}, {}};
    View& view = result.tensor.view;
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      const std::size_t position = positionOf(result.labels, labels[axis]);
      if (position == result.labels.size()) {
        result.labels.push_back(labels[axis]);
        view.shape.push_back(tensor.dim(axis));
        view.strides.push_back(tensor.view.strides[axis]);
      } else {
        view.shape[position] = op_.agree(view.shape[position], tensor.dim(axis), "the axes of a diagonal");
        view.strides[position] = view.strides[position] + tensor.view.strides[axis];
      }
    }
    return result;
  }

  /// Without an arrow: the ellipsis, then the letters that stand once, in the order of the alphabet.
  Labels implicitResult() const {
    Labels labels;
    for (const auto& [label, count] : counts_)
      if (label < 0 || count == 1) labels.push_back(label);
    return labels;
  }

  /// Every axis of a label gets the same size; those of size one are repeated.
  void unifySizes() {
    std::map<Label, Dim> sizes;
    for (const Operand& operand : operands)
      for (std::size_t axis = 0; axis < operand.labels.size(); ++axis) {
        Dim& size = sizes.try_emplace(operand.labels[axis], 1).first->second;
        size = broadcastShapes({{size}, {operand.tensor.dim(axis)}})[0];
      }
    for (Operand& operand : operands) {
      Shape shape;
      for (const Label label : operand.labels) shape.push_back(sizes.at(label));
      operand.tensor = op_.broadcast(operand.tensor, shape);
    }
  }
};

/// The operand summed over the axes that `wanted` does not name.
Operand reduced(Operator& op, const Operand& operand, const Labels& wanted) {
  std::vector<std::size_t> axes;
  Labels kept;
  for (std::size_t axis = 0; axis < operand.labels.size(); ++axis)
    if (contains(wanted, operand.labels[axis]))
      kept.push_back(operand.labels[axis]);
    else
      axes.push_back(axis);
  if (axes.empty()) return operand;
  return {op.reduce(operand.tensor, axes, false, Combiner::Sum), kept};
}

Expr loadAlong(const Operand& operand, const Labels& loops) {
  std::vector<Expr> place;
  for (const Label label : operand.labels) place.push_back(index(static_cast<int>(positionOf(loops, label))));
  return load(operand.tensor, place);
}

/// The product of two operands, summed over the axes that `wanted` does not name; the result's axes come in
/// the order of `wanted`.
Operand contracted(Operator& op, const Operand& left, const Operand& right, const Labels& wanted) {
  Labels kept, loops, summed;
  Shape axes, reduction;
  const auto sizeOf = [&](Label label) {
    const Operand& owner = contains(left.labels, label) ? left : right;
    return owner.tensor.dim(positionOf(owner.labels, label));
  };
  for (const Label label : wanted)
    if (!contains(kept, label) && (contains(left.labels, label) || contains(right.labels, label)))
      kept.push_back(label);
  for (const Label label : left.labels)
    if (!contains(kept, label)) summed.push_back(label);
  for (const Label label : kept) axes.push_back(sizeOf(label));
  for (const Label label : summed) reduction.push_back(sizeOf(label));
  loops = kept;
  loops.insert(loops.end(), summed.begin(), summed.end());
  const Expr x = loadAlong(left, loops), y = loadAlong(right, loops);
  if (summed.empty()) return {op.map(axes, x * y), kept};
  return {op.contraction(axes, reduction, x, y), kept};
}

/// Operands are contracted one after the other. An axis is summed as soon as nothing to come needs it.
void einsum_12(Operator& op) {
  Equation equation(op);
  std::vector<Tensor> tensors;
  for (const Operand& operand : equation.operands) tensors.push_back(operand.tensor);
  requireOneType(op, tensors);
  const auto& operands = equation.operands;
  const auto wantedBehind = [&](std::size_t i) {
    Labels wanted = equation.result;
    for (++i; i < operands.size(); ++i)
      wanted.insert(wanted.end(), operands[i].labels.begin(), operands[i].labels.end());
    return wanted;
  };
  Operand product = reduced(op, operands[0], wantedBehind(0));
  for (std::size_t i = 1; i < operands.size(); ++i) {
    const Labels wanted = wantedBehind(i);
    Labels joint = wanted;
    joint.insert(joint.end(), product.labels.begin(), product.labels.end());
    const Operand next = reduced(op, operands[i], joint);
    product = contracted(op, product, next, wanted);
  }
  std::vector<std::size_t> order;
  for (const Label label : equation.result) order.push_back(positionOf(product.labels, label));
  op.output(0, op.transpose(product.tensor, order));
}

}  // namespace

SOFIE_OPERATOR("Einsum", 12, einsum_12);

}  // namespace sofie
