#include "emit/cpu_kernel.hxx"

namespace sofie {
namespace {

/// The runtime header of a family of elementary functions; nullptr for what every model has.
const char* headerOf(Op op) {
  switch (op) {
    case Op::Sin:
    case Op::Cos:
    case Op::Tan:
    case Op::Asin:
    case Op::Acos:
    case Op::Atan:
      return "trigonometric.hxx";
    case Op::Sinh:
    case Op::Cosh:
    case Op::Tanh:
    case Op::Asinh:
    case Op::Acosh:
    case Op::Atanh:
      return "hyperbolic.hxx";
    case Op::Erf:
      return "error_function.hxx";
    case Op::Pow:
      return "power.hxx";
    default:
      return nullptr;
  }
}

}  // namespace

std::set<std::string> cpuMathHeaders(const Program& program) {
  std::set<std::string> headers;
  forEachKernel(program.kernels, [&](const Kernel& kernel) {
    // A user's routine may call any of them, as on devices.
    if (const auto* call = std::get_if<Call>(&kernel.body); call != nullptr && call->definition)
      headers.insert({"trigonometric.hxx", "hyperbolic.hxx", "error_function.hxx", "power.hxx"});
    const auto* nest = std::get_if<Nest>(&kernel.body);
    if (nest == nullptr) return;
    forEachExpression(*nest, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        const char* const header = headerOf(node->op);
        if (header != nullptr && isFloat(node.type())) headers.insert(header);
      });
    });
  });
  return headers;
}

}  // namespace sofie
