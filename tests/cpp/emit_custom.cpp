// Registers two operators and emits a model that has them: emit_custom TARGET FOLDER.
#include <fstream>
#include <iostream>
#include <memory>

#include "sofie/error.hxx"
#include "sofie/graph.hxx"
#include "sofie/lowering.hxx"
#include "sofie/operator.hxx"
#include "sofie/passes.hxx"
#include "sofie/render.hxx"

namespace {

using namespace sofie;

/// sqrt(x^2 + y^2), as an expression: it fuses with what is around, and runs on every target.
void hypotenuse(Operator& op) {
  op.output(0, op.elementwise({op.input(0), op.input(1)},
                              [](const auto& x) { return unary(Op::Sqrt, x[0] * x[0] + x[1] * x[1]); }));
}

/// The largest element of each row, as C++ text.
void rowMaximum(Operator& op) {
  static const auto routine = std::make_shared<const Routine>(Routine{
      "hep.RowMaximum",
      {{"cpu", "y[item] = *std::max_element(x + width * item, x + width * (item + 1));"},
       {"alpaka",
        "y[item] = x[width * item];\n"
        "for (std::int64_t i = 1; i < width; ++i) y[item] = rt::maximum(y[item], x[width * item + i]);"}},
      {"x", "y", "width"},
      {"<algorithm>"}});
  const Tensor x = op.dense(op.input(0));
  if (x.rank() != 2) op.invalid("its input has " + std::to_string(x.rank()) + " axes, and must have 2");
  const Tensor y = op.temporary(x.type, {x.dim(0)});
  op.call({"", "RowMaximum", x.dim(0), {x}, {y}, {x.dim(1)}, {}, routine});
  op.output(0, y);
}

Program custom() {
  registerOperator("hep", "Hypotenuse", 1, hypotenuse);
  registerOperator("hep", "RowMaximum", 1, rowMaximum);
  Graph graph("custom", {{"", 17}, {"hep", 1}});
  graph.addInput("x", DType::Float32, {2, 3});
  graph.addInput("y", DType::Float32, {2, 3});
  graph.addNode("Hypotenuse", "hep", "lengths", {"x", "y"}, {"h"}, {});
  graph.addNode("RowMaximum", "hep", "longest", {"h"}, {"z"}, {});
  graph.addOutput("z");
  graph.analyse();
  Program program = lower(graph);
  optimise(program);
  return program;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    for (const auto& [name, content] : render(custom(), argv[1])) {
      std::ofstream file(std::string(argv[2]) + "/" + name, std::ios::binary);
      file << content;
      if (!file.flush()) throw std::runtime_error("cannot write " + name);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
