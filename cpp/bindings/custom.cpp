/// \file
/// Operators that users write in Python: a rule is asked what a node means, and answers with a graph or with
/// a routine.
#include "custom.hxx"

#include <nanobind/nanobind.h>
#include <nanobind/operators.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "register.hxx"
#include "sofie/error.hxx"
#include "sofie/operator.hxx"

namespace nb = nanobind;
using namespace nb::literals;
using sofie::Dim;

namespace {

/// What a rule answers: the text of a routine, and how it is called.
struct Answer {
  sofie::Routine routine;
  Dim items;
  std::vector<std::pair<std::string, std::vector<Dim>>> outputs;
  std::vector<Dim> arguments;
  std::vector<double> numbers;
};

using PyDim = std::variant<std::int64_t, Dim>;

PyDim number(const Dim& dim) {
  const auto value = dim.value();
  return value ? PyDim(*value) : PyDim(dim);
}

/// Type, the type that it is computed in, and shape of each input; None for one that is left out.
nb::list inputsOf(const sofie::Operator& op) {
  nb::list result;
  for (std::size_t i = 0; i < op.inputCount(); ++i) {
    if (!op.has(i)) {
      result.append(nb::none());
      continue;
    }
    const sofie::Value& value = op.valueOf(i);
    if (value.kind != sofie::ValueKind::Tensor)
      op.unsupported("its input " + std::to_string(i) +
                     " is no tensor, and custom operators take only these");
    std::vector<PyDim> dims;
    for (const Dim& dim : value.shape) dims.push_back(number(dim));
    result.append(nb::make_tuple(std::string(sofie::dtypeName(value.type)),
                                 std::string(sofie::dtypeName(sofie::computingType(value.type))), dims));
  }
  return result;
}

void call(sofie::Operator& op, const Answer& answer) {
  sofie::Call call{
      "", op.node().op,     answer.items,   {},
      {}, answer.arguments, answer.numbers, std::make_shared<const sofie::Routine>(answer.routine)};
  for (std::size_t i = 0; i < op.inputCount(); ++i)
    if (op.has(i)) call.inputs.push_back(op.dense(op.input(i)));
  const std::string what = "a size that the rule of " + answer.routine.name + " returns";
  for (const auto& [dtype, shape] : answer.outputs) {
    for (const Dim& dim : shape)
      if (!dim.isNonNegative()) op.atLeast(dim, 0, what);
    call.outputs.push_back(op.temporary(sofie::parseDType(dtype), shape));
  }
  op.call(call);
  if (call.outputs.size() < op.node().outputs.size())
    op.invalid("it has " + std::to_string(op.node().outputs.size()) + " outputs, but its rule returns " +
               std::to_string(call.outputs.size()));
  for (std::size_t i = 0; i < op.node().outputs.size(); ++i) op.output(i, call.outputs[i]);
}

/// Errors that the core treats as those of a node become its own; others stay what they are.
[[noreturn]] void rethrow(nb::python_error& error) {
  const nb::module_ errors = nb::module_::import_("pysofie.errors");
  const std::string words = nb::cast<std::string>(nb::str(error.value()));
  if (error.matches(errors.attr("UnsupportedError"))) throw sofie::UnsupportedError(words);
  if (error.matches(errors.attr("ShapeError"))) throw sofie::ShapeError(words);
  throw std::move(error);
}

nb::object asked(nb::handle rule, const sofie::Operator& op) {
  try {
    return rule(op.description(), op.opset(""), inputsOf(op));
  } catch (nb::python_error& error) {
    rethrow(error);
  }
}

}  // namespace

sofie::OperatorRule customRule(nb::handle rule) {
  return [rule](sofie::Operator& op) {
    // What follows an answer is not done by Python, which would lose the classes of the core's errors.
    const nb::object answer = asked(rule, op);
    if (nb::isinstance<sofie::Graph>(answer))
      op.compose(nb::cast<const sofie::Graph&>(answer));
    else
      call(op, nb::cast<const Answer&>(answer));
  };
}

void register_custom(nb::module_& m) {
  nb::class_<Dim>(m, "Dim", "A size: an integer expression of symbols.")
      .def(nb::init_implicit<std::int64_t>())
      .def(nb::self + nb::self)
      .def(nb::self - nb::self)
      .def(nb::self * nb::self)
      .def("__radd__", [](const Dim& a, const Dim& b) { return b + a; })
      .def("__rsub__", [](const Dim& a, const Dim& b) { return b - a; })
      .def("__rmul__", [](const Dim& a, const Dim& b) { return b * a; })
      .def("__floordiv__", [](const Dim& a, const Dim& b) { return floorDiv(a, b); })
      .def("__mod__", [](const Dim& a, const Dim& b) { return floorMod(a, b); })
      .def(
          "min", [](const Dim& a, const Dim& b) { return min(a, b); }, "other"_a)
      .def(
          "max", [](const Dim& a, const Dim& b) { return max(a, b); }, "other"_a)
      .def(
          "__eq__",
          [](const Dim& a, const nb::object& b) {
            Dim other;
            return nb::try_cast<Dim>(b, other) && a == other;
          },
          nb::arg().none())
      .def("__hash__", [](const Dim& a) { return nb::hash(nb::str(a.text().c_str())); })
      .def_prop_ro("value", &Dim::value, "The number, if it is one, else None.")
      .def("__str__", [](const Dim& a) { return a.text(); })
      .def("__repr__", [](const Dim& a) { return "Dim(" + a.text() + ")"; });

  nb::class_<Answer>(m, "Call", "A routine that a user wrote, and how it is called.")
      .def(
          "__init__",
          [](Answer* self, const std::string& name, const std::map<std::string, std::string>& bodies,
             const std::vector<std::string>& parameters, const std::vector<std::string>& headers,
             const Dim& items, const std::vector<std::pair<std::string, std::vector<Dim>>>& outputs,
             const std::vector<Dim>& arguments, const std::vector<double>& numbers) {
            new (self) Answer{{name, bodies, parameters, headers}, items, outputs, arguments, numbers};
          },
          "name"_a, "bodies"_a, "parameters"_a, "headers"_a, "items"_a, "outputs"_a, "arguments"_a,
          "numbers"_a);
}
