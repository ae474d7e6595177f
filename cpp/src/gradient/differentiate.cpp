#include <algorithm>

#include "gradient/expand_loops.hxx"
#include "gradient/reverse.hxx"
#include "gradient/split_epilogues.hxx"
#include "sofie/error.hxx"
#include "sofie/gradient.hxx"

namespace sofie {
namespace {

const Buffer& entry(const Program& program, int buffer) {
  return program.buffers[static_cast<std::size_t>(buffer)];
}

std::string listed(const Program& program, const std::vector<int>& buffers) {
  std::string list;
  for (const int buffer : buffers) {
    const Buffer& each = entry(program, buffer);
    list += (list.empty() ? "'" : ", '") + each.name + "' (" + std::string(dtypeName(each.type)) + ")";
  }
  return list;
}

/// The buffers with these names; without names those of floating types.
std::vector<int> chosen(const Program& program, const std::vector<int>& buffers,
                        const std::vector<std::string>& names, const std::string& what) {
  std::vector<int> result;
  if (names.empty())
    std::copy_if(buffers.begin(), buffers.end(), std::back_inserter(result),
                 [&](int buffer) { return isReal(entry(program, buffer).type); });
  for (const std::string& name : names) {
    const auto found = std::find_if(buffers.begin(), buffers.end(),
                                    [&](int buffer) { return entry(program, buffer).name == name; });
    if (found == buffers.end() || !isReal(entry(program, *found).type))
      throw Error("gradient: there is no floating-point " + what + " '" + name + "'; there are " +
                  listed(program, buffers));
    if (std::count(result.begin(), result.end(), *found) == 0) result.push_back(*found);
  }
  if (result.empty())
    throw Error("gradient: no " + what + " is of a floating type; there are " + listed(program, buffers));
  return result;
}

/// A name that no input or output of the program has.
std::string freeName(const Program& program, std::string name) {
  const auto isTaken = [&] {
    return std::any_of(program.buffers.begin(), program.buffers.end(),
                       [&](const Buffer& buffer) { return buffer.name == name; });
  };
  while (isTaken()) name += "_";
  return name;
}

class Differentiator {
 public:
  Differentiator(Program program, const Differentiation& what) : program_(std::move(program)) {
    requireTensors();
    inputs_ = chosen(program_, program_.inputs, what.inputs, "input");
    outputs_ = chosen(program_, program_.outputs, what.outputs, "output");
    if (what.outputs.empty() && outputs_.size() > 1)
      throw Error("gradient: choose an output; there are " + listed(program_, outputs_));
  }

  Program run() {
    std::vector<std::string> refusals;
    splitEpilogues(program_, Activity(program_, inputs_, outputs_));
    const Expansions expansions = expandLoops(program_, Activity(program_, inputs_, outputs_), refusals);
    const Program forward = program_;
    Builder builder(program_);
    Adjoints adjoints(builder, expansions);
    dropOtherOutputs();
    for (const int output : outputs_) adjoints.seed(output, seedOf(output));
    const Activity activity(forward, inputs_, outputs_);
    if (refusals.empty()) Reverse(forward, activity, builder, adjoints, refusals).run();
    refuse(refusals);
    for (const int input : inputs_) storeGradient(builder, adjoints, input);
    adjoints.removeNeedlessZeros();
    program_.name += "_gradient";
    return std::move(program_);
  }

 private:
  Program program_;
  std::vector<int> inputs_, outputs_;  ///< that the gradient is of

  void requireTensors() const {
    for (const auto* ports : {&program_.inputPorts, &program_.outputPorts})
      for (const Port& port : *ports)
        if (port.count || port.absent)
          throw UnsupportedError("gradient: '" + port.name +
                                 "' is a sequence or an optional; gradients are of models of tensors");
  }

  static void refuse(std::vector<std::string> refusals) {
    if (refusals.empty()) return;
    std::sort(refusals.begin(), refusals.end());
    refusals.erase(std::unique(refusals.begin(), refusals.end()), refusals.end());
    std::string message = "the gradient cannot be computed through";
    for (const std::string& refusal : refusals) message += "\n  " + refusal;
    throw UnsupportedError(message);
  }

  void dropOtherOutputs() {
    for (const int output : program_.outputs)
      if (std::count(outputs_.begin(), outputs_.end(), output) == 0) {
        program_.buffers[static_cast<std::size_t>(output)].kind = BufferKind::Temporary;
        program_.buffers[static_cast<std::size_t>(output)].name.clear();
      }
    program_.outputs = outputs_;
    program_.outputPorts.clear();
    for (const int output : outputs_) program_.outputPorts.push_back({entry(program_, output).name, {}, {}});
  }

  /// An input of the shape of an output. A size that is no symbol of the inputs becomes one, and a session
  /// checks it.
  Tensor seedOf(int output) {
    const Buffer& like = entry(program_, output);
    const std::string name = freeName(program_, "seed_" + like.name);
    Shape shape;
    for (std::size_t axis = 0; axis < like.shape.size(); ++axis) {
      const Dim& dim = like.shape[axis];
      const auto symbol = dim.symbolName();
      const auto& known = program_.symbols;
      if (dim.isConstant() || (symbol && std::count(known.begin(), known.end(), *symbol) != 0)) {
        shape.push_back(dim);
        continue;
      }
      const std::string size = name + "_" + std::to_string(axis);
      shape.push_back(Dim::symbol(size));
      program_.symbols.push_back(size);
      program_.requirements.push_back(
          {shape.back(), Requirement::Relation::Equal, dim,
           "the sizes of axis " + std::to_string(axis) + " of output '" + like.name + "' and of its seed"});
    }
    const DType type = like.type;
    const int buffer = program_.addBuffer({BufferKind::Input, type, shape, name, std::nullopt});
    program_.inputs.push_back(buffer);
    program_.inputPorts.push_back({name, {}, {}});
    Builder builder(program_);
    builder.setOrigins({{"input " + name}});
    return builder.cast(program_.tensor(buffer), computingType(type));
  }

  void storeGradient(Builder& builder, Adjoints& adjoints, int input) {
    const Buffer like = entry(program_, input);
    builder.setOrigins({{"gradient of input " + like.name}});
    const auto total = adjoints.total(input, contiguous(input, like.shape));
    const Expr zero = cast(like.type, number(computingType(like.type), 0));
    const Tensor gradient = builder.map(like.shape, total ? cast(like.type, element(*total)) : zero);
    Buffer& buffer = program_.buffers[static_cast<std::size_t>(gradient.view.buffer)];
    buffer.kind = BufferKind::Output;
    buffer.name = freeName(program_, "gradient_" + like.name);
    program_.outputs.push_back(gradient.view.buffer);
    program_.outputPorts.push_back({buffer.name, {}, {}});
  }
};

}  // namespace

Program differentiate(Program program, const Differentiation& what) {
  return Differentiator(std::move(program), what).run();
}

}  // namespace sofie
