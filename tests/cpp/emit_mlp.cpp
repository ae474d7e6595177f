// Emits a small network through the C++ interface of the compiler: emit_mlp TARGET FOLDER.
#include <fstream>
#include <iostream>

#include "sofie/error.hxx"
#include "sofie/graph.hxx"
#include "sofie/lowering.hxx"
#include "sofie/passes.hxx"
#include "sofie/render.hxx"

namespace {

sofie::Program mlp() {
  sofie::Graph graph("mlp", {{"", 17}});
  const auto constant = [&graph](const char* name, std::vector<std::int64_t> shape,
                                 std::vector<float> values) {
    graph.addInitializer(name, sofie::Constant::of(sofie::DType::Float32, std::move(shape), values));
  };
  graph.addInput("x", sofie::DType::Float32, {2, 3});
  constant("w0", {3, 4}, {1, -2, 3, -4, 5, -6, 7, -8, 9, -1, 2, -3});
  constant("b0", {4}, {1, 2, 3, 4});
  constant("w1", {4, 2}, {1, 2, -3, 4, -5, 6, 7, -8});
  graph.addNode("Gemm", "", "first", {"x", "w0", "b0"}, {"h"}, {});
  graph.addNode("Relu", "", "activation", {"h"}, {"r"}, {});
  graph.addNode("MatMul", "", "second", {"r", "w1"}, {"y"}, {});
  graph.addOutput("y");
  graph.analyse();
  sofie::Program program = sofie::lower(graph);
  sofie::optimise(program);
  return program;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    for (const auto& [name, content] : sofie::render(mlp(), argv[1])) {
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
