#include "emit/device_kernel.hxx"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <set>

#include "emit/contraction.hxx"
#include "emit/scalar.hxx"

namespace sofie {
namespace {

const std::string indent4 = "    ";

std::string variableName(int variable) { return "i" + std::to_string(variable); }

/// Whether a word occurs in C++ text.
bool mentions(const std::string& text, const std::string& word) {
  const auto isWordPart = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_');
  };
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    if (!(at > 0 && isWordPart(at - 1)) && !isWordPart(at + word.size())) return true;
  return false;
}

/// What a functor must carry: device pointers, sizes and the fault flag, in a fixed order.
struct Captures {
  std::vector<int> buffers;  ///< the first is the one that the kernel writes
  std::set<std::string> symbols;
  bool fault = false;
};

void addSymbols(const Dim& dim, std::set<std::string>& symbols) {
  std::vector<std::string> names;
  dim.collectSymbols(names);
  symbols.insert(names.begin(), names.end());
}

void addSymbols(const View& view, std::set<std::string>& symbols) {
  addSymbols(view.offset, symbols);
  for (const Dim& stride : view.strides) addSymbols(stride, symbols);
}

Captures capturesOf(const Nest& nest) {
  Captures captures;
  for (const Dim& dim : nest.axes) addSymbols(dim, captures.symbols);
  for (const Dim& dim : nest.reduction) addSymbols(dim, captures.symbols);
  captures.buffers = {nest.target.buffer};
  addSymbols(nest.target, captures.symbols);
  forEachExpression(nest, [&](const Expr& root) {
    walk(root, [&](const Expr& node) {
      if (node->op == Op::Load) {
        if (std::find(captures.buffers.begin(), captures.buffers.end(), node->view.buffer) ==
            captures.buffers.end())
          captures.buffers.push_back(node->view.buffer);
        addSymbols(node->view, captures.symbols);
      }
      if (node->op == Op::Extent) addSymbols(node->dim, captures.symbols);
      captures.fault = captures.fault || node->op == Op::CheckedIndex;
    });
  });
  return captures;
}

/// Writes the functor of one nest.
class KernelWriter {
 public:
  KernelWriter(const Program& program, const Nest& nest, const DeviceNames& outside)
      : program_(program), nest_(nest), outside_(outside), captures_(capturesOf(nest)) {
    names_.buffer = [buffers = captures_.buffers](int buffer) {
      return "b" + std::to_string(std::find(buffers.begin(), buffers.end(), buffer) - buffers.begin());
    };
    names_.symbol = outside.member;
    names_.variable = variableName;
    names_.checkedIndex = [](const std::string& index, const std::string& extent) {
      return "rt::checked_index(" + index + ", " + extent + ", fault)";
    };
  }

  std::string write() {
    if (nest_.kind == Nest::Kind::Contraction)
      if (const auto form = matrixForm(nest_); form && isMatrix(*form)) return writeContraction(*form);
    return writeLoop();
  }

 private:
  const Program& program_;
  const Nest& nest_;
  const DeviceNames& outside_;
  Captures captures_;
  ScalarNames names_;

  std::string typeOf(int buffer) const {
    return std::string(cppType(program_.buffers[static_cast<std::size_t>(buffer)].type));
  }

  /// The members that the functor's text needs; those are the ones it will be made of.
  std::string members(const std::string& body) {
    for (auto symbol = captures_.symbols.begin(); symbol != captures_.symbols.end();)
      symbol = mentions(body, outside_.member(*symbol)) ? std::next(symbol) : captures_.symbols.erase(symbol);
    std::string text;
    for (const int buffer : captures_.buffers)
      text += (buffer == nest_.target.buffer ? "  " : "  const ") + typeOf(buffer) + "* " +
              names_.buffer(buffer) + ";\n";
    for (const std::string& symbol : captures_.symbols)
      text += "  std::int64_t " + outside_.member(symbol) + ";\n";
    if (captures_.fault) text += "  std::int32_t* fault;\n";
    return text;
  }

  /// The functor of that text, its members taken from the session.
  std::string instance(const std::string& functor) const {
    std::string arguments;
    const auto add = [&](const std::string& text) { arguments += (arguments.empty() ? "" : ", ") + text; };
    for (const int buffer : captures_.buffers) add(outside_.buffer(buffer));
    for (const std::string& symbol : captures_.symbols) add(outside_.symbol(symbol));
    if (captures_.fault) add(outside_.fault);
    return outside_.functor(functor) + "{" + arguments + "}";
  }

  /// Statements that split `index` into loop variables, outermost first; `wanted` says which are read.
  std::string unravel(const std::vector<int>& variables, const std::string& index,
                      const std::function<bool(int)>& wanted) const {
    std::string text, inner;
    for (std::size_t i = variables.size(); i-- > 0;) {
      const int variable = variables[i];
      const std::string extent = parenthesised(dimText(extentOf(nest_, variable), names_));
      if (wanted(variable)) {
        std::string value = inner.empty() ? index : index + " / " + parenthesised(inner);
        if (i > 0) value += " % " + extent;
        text += indent4 + "const std::int64_t " + variableName(variable) + " = " + value + ";\n";
      }
      inner += (inner.empty() ? "" : " * ") + extent;
    }
    return text;
  }

  /// Whether the text reads a loop variable.
  static auto readBy(const std::string& text) {
    return [&text](int variable) { return mentions(text, variableName(variable)); };
  }

  /// Statements that store the final value, given that the loop variables are in scope.
  std::string store() const {
    ScalarWriter writer(names_, nest_.variables(), indent4);
    std::string text;
    if (nest_.guard) {
      const std::string guard = writer.value(nest_.guard);
      text = writer.takeStatements() + indent4 + "if (!" + parenthesised(guard) + ") return;\n";
    }
    const std::string value = writer.value(nest_.stored());
    const std::string address = writer.address(nest_.target, nest_.targetIndex);
    const std::string place = names_.buffer(nest_.target.buffer) + "[" + address + "]";
    text += writer.takeStatements() + indent4;
    if (!nest_.merge) return text + place + " = " + value + ";\n";
    const DType type = nest_.stored().type();
    const std::string cpp(cppType(type));
    return text + "rt::merge<" + cpp + ">(&" + place + ", " + value + ", [](" + cpp + " accumulator, " + cpp +
           " value) { return " + combined(*nest_.merge, type, "value") + "; });\n";
  }

  // --- one work item per element

  std::string writeLoop() {
    std::vector<int> axes(nest_.axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
    const std::string work = (nest_.kind == Nest::Kind::Map ? "" : reduction()) + store();
    const std::string position = unravel(axes, "index", readBy(work));
    const std::string functor = members(position + work) + "  SOFIE_FN void operator()(std::int64_t" +
                                (position.empty() ? "" : " index") + ") const {\n" + position + work +
                                "  }\n";
    return "queue_.launch(" + product(nest_.axes).text(outside_.symbol) + ", " + instance(functor) + ");";
  }

  bool isPosition() const {
    return nest_.combiner == Combiner::ArgMinimum || nest_.combiner == Combiner::ArgMaximum;
  }

  std::string neutral(DType type) const {
    const std::string limits = "rt::Limits<" + std::string(cppType(type)) + ">::";
    switch (nest_.combiner) {
      case Combiner::Product:
        return literal(type, 1, 1);
      case Combiner::Minimum:
        return limits + (isFloat(type) ? "infinity" : "highest");
      case Combiner::Maximum:
        return (isFloat(type) ? "-" + limits + "infinity" : limits + "lowest");
      case Combiner::And:
        return "true";
      default:
        return literal(type, 0, 0);
    }
  }

  static std::string combined(Combiner combiner, DType type, const std::string& value) {
    switch (combiner) {
      case Combiner::Sum:
        return isFloat(type) ? "accumulator + " + parenthesised(value)
                             : "rt::add(accumulator, " + value + ")";
      case Combiner::Product:
        return isFloat(type) ? "accumulator * " + parenthesised(value)
                             : "rt::mul(accumulator, " + value + ")";
      case Combiner::And:
        return "rt::logical_and(accumulator, " + value + ")";
      case Combiner::Or:
        return "rt::logical_or(accumulator, " + value + ")";
      default:
        return "rt::" + std::string(combinerName(combiner)) + "(accumulator, " + value + ")";
    }
  }

  std::string reduction() const {
    const DType type = nest_.element.type();
    std::string indent = indent4, open, close, position;
    for (std::size_t i = nest_.axes.size(); i < nest_.variables(); ++i) {
      const std::string variable = variableName(static_cast<int>(i));
      const std::string extent = dimText(extentOf(nest_, static_cast<int>(i)), names_);
      open += indent + "for (std::int64_t " + variable + " = 0; " + variable + " < " + extent + "; ++" +
              variable + ") {\n";
      close.insert(0, indent + "}\n");
      position =
          position.empty() ? variable : "(" + position + ") * " + parenthesised(extent) + " + " + variable;
      indent += "  ";
    }
    if (nest_.reduction.empty()) {  // a scope all the same, for the names of what the element loads
      open = indent + "{\n";
      close = indent + "}\n";
      indent += "  ";
    }
    ScalarWriter writer(names_, nest_.variables(), indent);
    const std::string value = writer.value(nest_.element);
    const std::string statements = writer.takeStatements();
    const std::string cpp(cppType(type));
    if (nest_.combiner == Combiner::Fold)
      return startFold() + open + statements + indent + "accumulator = " + value + ";\n" + close;
    if (!isPosition())
      return indent4 + cpp + " accumulator = " + neutral(type) + ";\n" + open + statements + indent +
             "accumulator = " + combined(nest_.combiner, type, value) + ";\n" + close;
    const char* better = nest_.combiner == Combiner::ArgMinimum ? "rt::better_minimum" : "rt::better_maximum";
    return indent4 + cpp + " best = 0;\n" + indent4 + "std::int64_t accumulator = -1;\n" + open + statements +
           indent + "const " + cpp + " candidate = " + value + ";\n" + indent + "if (accumulator < 0 || " +
           better + "(candidate, best)) {\n" + indent + "  best = candidate;\n" + indent +
           "  accumulator = " + (position.empty() ? "0" : position) + ";\n" + indent + "}\n" + close;
  }

  std::string startFold() const {
    const std::string indent = indent4 + "  ";
    ScalarWriter writer(names_, nest_.variables(), indent);
    const std::string value = writer.value(nest_.initial);
    return indent4 + std::string(cppType(nest_.initial.type())) + " accumulator = [&] {\n" +
           writer.takeStatements() + indent + "return " + value + ";\n" + indent4 + "}();\n";
  }

  // --- tiles of a matrix product

  /// Tiles pay from a few rows and columns on; below, one work item per result is as good.
  bool isMatrix(const MatrixForm& form) const {
    constexpr std::int64_t few = 4;
    const auto pays = [&](MatrixForm::Direction direction) {
      const auto extent = form.extent(nest_, direction).value();
      return !extent || *extent >= few;
    };
    return pays(MatrixForm::Row) && pays(MatrixForm::Column) && pays(MatrixForm::Depth);
  }

  std::string operand(const MatrixForm& form, const Expr& load, const Affine& address,
                      MatrixForm::Direction first, MatrixForm::Direction second) const {
    static constexpr const char* indices[] = {"batch", "row", "column", "depth"};
    const auto wanted = [&](int variable) { return !address.stride(variable).is(0); };
    std::string body, parameters;
    for (const auto direction : {MatrixForm::Batch, first, second}) {
      const std::string part = unravel(form.variables[direction], indices[direction], wanted);
      parameters += std::string(parameters.empty() ? "" : ", ") + "std::int64_t" +
                    (part.empty() ? "" : std::string(" ") + indices[direction]);
      body += part;
    }
    return "(" + parameters + ") const {\n" + body + indent4 + "return " + names_.buffer(load->view.buffer) +
           "[" + linearText(address, names_) + "];\n  }\n";
  }

  std::string storeFunction(const MatrixForm& form) const {
    static constexpr const char* indices[] = {"batch", "row", "column"};
    const std::string work = store();
    std::string position, parameters;
    for (const auto direction : {MatrixForm::Batch, MatrixForm::Row, MatrixForm::Column}) {
      const std::string part = unravel(form.variables[direction], indices[direction], readBy(work));
      parameters +=
          std::string("std::int64_t") + (part.empty() ? "" : std::string(" ") + indices[direction]) + ", ";
      position += part;
    }
    const char* sum = mentions(work, names_.accumulator) ? "Value accumulator" : "Value";
    return "  SOFIE_FN void store(" + parameters + sum + ") const {\n" + position + work + "  }\n";
  }

  /// The operands as a BLAS library takes them, when they and the result are plain matrices and the epilogue
  /// reads nothing that the bare product would overwrite.
  std::string productFunction(const MatrixForm& form) const {
    if (!isFloat(nest_.element.type()) || nest_.stored().type() != nest_.element.type()) return "";
    bool overwrites = false;
    walk(nest_.epilogue, [&](const Expr& node) {
      if (node->op != Op::Load) return;
      overwrites = overwrites || outside_.overlap(node->view.buffer, nest_.target.buffer);
    });
    const auto result = address(nest_.target, nest_.targetIndex, nest_.variables());
    if (overwrites || !result) return "";
    const auto matrix = [&](const Affine& address, MatrixForm::Direction rows,
                            MatrixForm::Direction columns) -> std::optional<std::array<Dim, 4>> {
      const auto batch = stride(nest_, form.variables[MatrixForm::Batch], address);
      const auto row = stride(nest_, form.variables[rows], address);
      const auto column = stride(nest_, form.variables[columns], address);
      if (!batch || !row || !column) return std::nullopt;
      const bool transposed = !column->is(1);
      if (transposed && !row->is(1)) return std::nullopt;
      const Dim leading = transposed ? *column : *row;
      const auto gap = (leading - form.extent(nest_, transposed ? rows : columns)).lowerBound();
      if (!gap || *gap < 0) return std::nullopt;
      return std::array<Dim, 4>{address.offset, leading, *batch, transposed ? 1 : 0};
    };
    const auto left = matrix(form.leftAddress, MatrixForm::Row, MatrixForm::Depth);
    const auto right = matrix(form.rightAddress, MatrixForm::Depth, MatrixForm::Column);
    const auto target = matrix(*result, MatrixForm::Row, MatrixForm::Column);
    if (!left || !right || !target || !(*target)[3].is(0)) return "";
    const auto pointer = [&](int buffer, const Dim& offset) {
      const std::string name = names_.buffer(buffer);
      return offset.is(0) ? name : name + " + " + parenthesised(dimText(offset, names_));
    };
    const auto three = [&](std::size_t i) {
      return dimText((*left)[i], names_) + ", " + dimText((*right)[i], names_) + ", " +
             dimText((*target)[i], names_);
    };
    const auto truth = [](const Dim& flag) { return std::string(flag.is(1) ? "true" : "false"); };
    return "  SOFIE_FN rt::MatrixProduct<Value> product() const {\n    return {" +
           pointer(form.left->view.buffer, (*left)[0]) + ", " +
           pointer(form.right->view.buffer, (*right)[0]) + ", " + pointer(nest_.target.buffer, (*target)[0]) +
           ", " + three(1) + ", " + three(2) + ", " + truth((*left)[3]) + ", " + truth((*right)[3]) +
           "};\n  }\n";
  }

  std::string writeContraction(const MatrixForm& form) {
    const std::string body =
        "  SOFIE_FN Value left" +
        operand(form, form.left, form.leftAddress, MatrixForm::Row, MatrixForm::Depth) +
        "  SOFIE_FN Value right" +
        operand(form, form.right, form.rightAddress, MatrixForm::Depth, MatrixForm::Column) +
        storeFunction(form) + productFunction(form);
    const std::string functor =
        "  using Value = " + std::string(cppType(nest_.element.type())) + ";\n" + members(body) + body;
    std::string extents;
    for (const auto direction : {MatrixForm::Batch, MatrixForm::Row, MatrixForm::Column, MatrixForm::Depth})
      extents += (extents.empty() ? "" : ", ") + form.extent(nest_, direction).text(outside_.symbol);
    return "queue_.contract({" + extents + "}, " + instance(functor) + ");";
  }
};

}  // namespace

bool canFault(const Nest& nest) { return capturesOf(nest).fault; }

std::string deviceKernel(const Program& program, const Nest& nest, const DeviceNames& names) {
  return KernelWriter(program, nest, names).write();
}

}  // namespace sofie
