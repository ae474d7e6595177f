#include "emit/names.hxx"
#include "emit/session_text.hxx"

namespace sofie {
namespace {

std::string jsonShape(const Shape& shape) {
  std::string result = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto value = shape[i].value();
    result += (i ? ", " : "") + (value ? std::to_string(*value) : jsonString(shape[i].text()));
  }
  return result + "]";
}

std::string jsonTensors(const Program& program, const std::vector<int>& buffers) {
  std::string result = "[";
  for (const int id : buffers) {
    const Buffer& buffer = program.buffers[static_cast<std::size_t>(id)];
    result += (result.size() > 1 ? ", {" : "{") + std::string("\"name\": ") + jsonString(buffer.name) +
              ", \"dtype\": \"" + std::string(dtypeName(buffer.type)) +
              "\", \"shape\": " + jsonShape(buffer.shape) + "}";
  }
  return result + "]";
}

/// What the model's inputs (or outputs) are, where not all of them are tensors: [["x", 3], ["mask", null]]
/// for a sequence of three and an optional that is absent, and "y" for a tensor.
std::string jsonPorts(const char* key, const std::vector<Port>& ports) {
  std::string list;
  bool plain = true;
  for (const Port& port : ports) {
    const bool tensor = !port.count && !port.absent;
    const std::string count = port.count ? std::to_string(*port.count) : "null";
    list += (list.empty() ? "" : ", ") +
            (tensor ? jsonString(port.name) : "[" + jsonString(port.name) + ", " + count + "]");
    plain = plain && tensor;
  }
  return plain ? "" : ", \"" + std::string(key) + "\": [" + list + "]";
}

std::string descriptionJson(const Model& model) {
  std::string symbols;
  for (const std::string& symbol : model.program.symbols)
    symbols += (symbols.empty() ? "" : ", ") + jsonString(symbol);
  std::string measured;
  for (const int output : model.program.outputs)
    if (model.program.isMeasured(model.buffer(output).shape))
      measured += (measured.empty() ? "" : ", ") + jsonString(model.buffer(output).name);
  return "{\"name\": " + jsonString(model.program.name) + ", \"target\": \"" + model.target +
         "\", \"precision\": \"" + model.program.precision +
         "\", \"inputs\": " + jsonTensors(model.program, model.program.inputs) +
         ", \"outputs\": " + jsonTensors(model.program, model.program.outputs) + ", \"symbols\": [" +
         symbols + "], \"measured\": [" + measured + "]" +
         jsonPorts("input_values", model.program.inputPorts) +
         jsonPorts("output_values", model.program.outputPorts) +
         ", \"weights\": " + (model.isInline() ? "\"inline\"" : "\"file\"") + "}";
}

constexpr const char* setWeightsText =
    R"(    static int set_weights(pysofie_session* opaque, const char* weights, char* error, std::size_t size) {
      try {
        session(opaque)->set_weights(weights);
        return 0;
      } catch (const std::exception& problem) {
        report(problem, error, size);
        return 1;
      }
    }
)";

/// Statements that write an output's shape: the largest, or that of the last run.
std::string outputShapeText(const Model& model, bool largest) {
  std::string text;
  for (std::size_t i = 0; i < model.program.outputs.size(); ++i) {
    const Shape& own = model.buffer(model.program.outputs[i]).shape;
    const Shape shape = largest ? model.program.most(own) : own;
    text += "        case " + std::to_string(i) + ":\n";
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      text += "          shape[" + std::to_string(axis) + "] = " + dimText(model, shape[axis]) + ";\n";
    text += "          break;\n";
  }
  return text;
}

/// Statements that write what each kernel takes, in all blocks together; `dims_` is a copy to count blocks
/// in.
std::string costsText(const Model& model) {
  std::string text;
  for (std::size_t k = 0; k < model.profiled.size(); ++k) {
    const ProfiledKernel& kernel = model.profiled[k];
    const std::string id = "[" + std::to_string(k) + "]";
    const auto add = [&](const char* array, const Dim& value) {
      text += "        " + std::string(array) + id + " += static_cast<std::uint64_t>(" +
              dimText(model, value) + ");\n";
    };
    text += "      operations" + id + " = bytes" + id + " = 0;\n";
    for (const Loop& loop : kernel.blocks) text += "      " + loopHead(model, loop, "") + "\n";
    text += "      {\n";
    add("operations", kernel.cost.operations);
    add("bytes", kernel.cost.bytes);
    text += "      }\n";
  }
  return text;
}

}  // namespace

std::string tableText(const Model& model) {
  std::string symbols, labels;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i)
    symbols += (i ? ", symbols[" : "symbols[") + std::to_string(i) + "]";
  for (const ProfiledKernel& kernel : model.profiled)
    labels += "      " + cppString(commentText(text(kernel.kernel->origins))) + ",\n";
  const std::string costs = costsText(model);
  const bool profile = !model.profiled.empty();
  const std::string kernelCount = std::to_string(model.profiled.size());
  std::string prepareSizes;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i)
    prepareSizes += (i ? ", " : "") + ("static_cast<std::size_t>(symbols[" + std::to_string(i) + "])");
  const std::string resultShapes =
      model.isMeasured ? "      [[maybe_unused]] const Dims& dims = session(opaque)->dims();\n      "
                         "(void)shape;\n      switch "
                         "(output) {\n" +
                             outputShapeText(model, false) + "        default: break;\n      }\n"
                       : "      output_shape(opaque, output, shape);\n";
  return replaceAll(R"(
/// The model behind the C interface of abi.h.
inline const pysofie_model* table() {
  struct Functions {
    static Session* session(pysofie_session* opaque) { return reinterpret_cast<Session*>(opaque); }
    static const Session* session(const pysofie_session* opaque) { return reinterpret_cast<const Session*>(opaque); }
    static void report(const std::exception& problem, char* error, std::size_t size) {
      if (size > 0) std::snprintf(error, size, "%s", problem.what());
    }
    static pysofie_session* create(const char* weights, char* error, std::size_t size) {
      try {
        return reinterpret_cast<pysofie_session*>(new Session(Session::Unprepared{}, weights));
      } catch (const std::exception& problem) {
        report(problem, error, size);
        return nullptr;
      }
    }
    static void destroy(pysofie_session* opaque) { delete session(opaque); }
@setWeights@    static int prepare(pysofie_session* opaque, const std::int64_t* symbols, char* error, std::size_t size) {
      try {
        (void)symbols;
        session(opaque)->prepare(@prepareSizes@);
        return 0;
      } catch (const std::exception& problem) {
        report(problem, error, size);
        return 1;
      }
    }
    static void output_shape(const pysofie_session* opaque, std::int32_t output, std::int64_t* shape) {
      const Dims& dims = session(opaque)->dims();
      (void)dims;
      (void)shape;
      switch (output) {
@outputShapes@        default: break;
      }
    }
    static void result_shape(const pysofie_session* opaque, std::int32_t output, std::int64_t* shape) {
@resultShapes@    }
    static int run(pysofie_session* opaque, const void* const* inputs, void* const* outputs) {
      return session(opaque)->engine().run(inputs, outputs);
    }
    static std::size_t arena_bytes(const pysofie_session* opaque) { return session(opaque)->engine().arena_bytes(); }
@profile@  };
  static const pysofie_model model{PYSOFIE_ABI_VERSION,
                                   @description@,
                                   @symbolCount@,
                                   @inputCount@,
                                   @outputCount@,
                                   Functions::create,
                                   Functions::destroy,
                                   @setWeightsFunction@,
                                   Functions::prepare,
                                   Functions::output_shape,
                                   Functions::result_shape,
                                   Functions::run,
                                   Functions::arena_bytes,
                                   @kernelCount@,
                                   @labels@,
                                   @profileFunction@,
                                   @costsFunction@};
  return &model;
}
)",
                    {{"@prepareSizes@", prepareSizes},
                     {"@setWeights@", model.isInline() ? "" : setWeightsText},
                     {"@setWeightsFunction@", model.isInline() ? "nullptr" : "Functions::set_weights"},
                     {"@outputShapes@", outputShapeText(model, true)},
                     {"@resultShapes@", resultShapes},
                     {"@description@", cppString(descriptionJson(model))},
                     {"@symbolCount@", std::to_string(model.symbolNames.size())},
                     {"@inputCount@", std::to_string(model.inputNames.size())},
                     {"@outputCount@", std::to_string(model.outputNames.size())},
                     {"@kernelCount@", kernelCount},
                     {"@labels@", profile ? "Functions::labels()" : "nullptr"},
                     {"@profileFunction@", profile ? "Functions::profile" : "nullptr"},
                     {"@costsFunction@", profile ? "Functions::costs" : "nullptr"},
                     {"@profile@", !profile ? "" : R"(    static const char* const* labels() {
      static const char* const names[] = {
)" + labels + R"(      };
      return names;
    }
    static void profile(const pysofie_session* opaque, std::uint64_t* nanoseconds, std::uint64_t* calls) {
      const Engine& engine = session(opaque)->engine();
      for (int k = 0; k < )" + kernelCount + R"(; ++k) {
        nanoseconds[k] = engine.nanoseconds[k];
        calls[k] = engine.calls[k];
      }
    }
    static void costs(const pysofie_session* opaque, std::uint64_t* operations, std::uint64_t* bytes) {
      Dims dims_ = session(opaque)->dims();
      [[maybe_unused]] const Dims& dims = dims_;
)" + costs + "    }\n"}});
}

}  // namespace sofie
