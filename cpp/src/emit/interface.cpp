#include "emit/interface.hxx"

#include <algorithm>
#include <set>
#include <sstream>

#include "../../runtime/weights.hxx"
#include "emit/names.hxx"
#include "emit/runtime_files.hxx"

namespace sofie {
namespace {

std::vector<std::string> bufferNames(const Program& program, const std::vector<int>& buffers) {
  std::vector<std::string> names;
  for (const int id : buffers) names.push_back(program.buffers[static_cast<std::size_t>(id)].name);
  return names;
}

/// Constants that kernels read, one after the other at multiples of 64 bytes.
void layOutWeights(Model& model) {
  const Program& program = model.program;
  model.weightOffset.assign(program.buffers.size(), -1);
  for (const Kernel& kernel : program.kernels)
    forEachView(kernel, [&](const View& view, bool) {
      const auto id = static_cast<std::size_t>(view.buffer);
      const Buffer& buffer = program.buffers[id];
      if (buffer.kind != BufferKind::Constant || model.weightOffset[id] >= 0) return;
      model.weightOffset[id] = static_cast<std::int64_t>(model.weights.size());
      const auto& bytes = *buffer.constant->bytes;
      model.weights.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      model.weights.resize((model.weights.size() / 64 + 1) * 64);  // an empty constant has an address too
    });
  model.checksum = sofie_runtime::weights_checksum(reinterpret_cast<const unsigned char*>(model.weights.data()),
                                                   model.weights.size());
}

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
    result += (result.size() > 1 ? ", {" : "{") + std::string("\"name\": ") + jsonString(buffer.name) + ", \"dtype\": \"" +
              std::string(dtypeName(buffer.type)) + "\", \"shape\": " + jsonShape(buffer.shape) + "}";
  }
  return result + "]";
}

std::string descriptionJson(const Model& model) {
  std::string symbols;
  for (const std::string& symbol : model.program.symbols) symbols += (symbols.empty() ? "" : ", ") + jsonString(symbol);
  return "{\"name\": " + jsonString(model.program.name) + ", \"target\": \"" + model.target +
         "\", \"inputs\": " + jsonTensors(model.program, model.program.inputs) +
         ", \"outputs\": " + jsonTensors(model.program, model.program.outputs) + ", \"symbols\": [" + symbols +
         "], \"weights\": " + (model.isInline() ? "\"inline\"" : "\"file\"") + "}";
}

/// "float", for std::vector bool is stored in bytes.
std::string vectorElement(const Buffer& buffer) {
  return buffer.type == DType::Bool ? "std::uint8_t" : std::string(cppType(buffer.type));
}

std::string replaceAll(std::string text, const std::vector<std::pair<std::string, std::string>>& replacements) {
  for (const auto& [from, to] : replacements)
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  return text;
}

/// The parts of Session's functions that depend on the model's inputs, outputs and symbols.
struct Signature {
  std::string sizes;         ///< "std::size_t batch"
  std::string sizeValues;    ///< "batch"
  std::string inputs;        ///< "const float* x"
  std::string inputValues;   ///< "x"
  std::string outputs;       ///< "float* y"
  std::string outputValues;  ///< "y"
  std::string result;        ///< "std::vector<float>"

  explicit Signature(const Model& model) {
    const auto add = [](std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; };
    for (const std::string& symbol : model.symbolNames) {
      add(sizes, "std::size_t " + symbol);
      add(sizeValues, symbol);
    }
    for (std::size_t i = 0; i < model.inputNames.size(); ++i) {
      add(inputs, "const " + std::string(cppType(model.buffer(model.program.inputs[i]).type)) + "* " + model.inputNames[i]);
      add(inputValues, model.inputNames[i]);
    }
    bool oneType = true;
    std::string all;
    for (std::size_t i = 0; i < model.outputNames.size(); ++i) {
      const Buffer& buffer = model.buffer(model.program.outputs[i]);
      add(outputs, std::string(cppType(buffer.type)) + "* " + model.outputNames[i]);
      add(outputValues, model.outputNames[i]);
      add(all, "std::vector<" + vectorElement(buffer) + ">");
      oneType = oneType && buffer.type == model.buffer(model.program.outputs[0]).type;
    }
    const std::string first = "std::vector<" + vectorElement(model.buffer(model.program.outputs[0])) + ">";
    result = model.outputNames.size() == 1 ? first
             : oneType                     ? "std::vector<" + first + ">"
                                           : "std::tuple<" + all + ">";
  }

  static std::string join(const std::string& a, const std::string& b) { return a.empty() || b.empty() ? a + b : a + ", " + b; }
};

std::string documentTensors(const Model& model) {
  std::string text;
  const auto list = [&](const char* what, const std::vector<int>& buffers, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const Buffer& buffer = model.buffer(buffers[i]);
      text += std::string("/// ") + what + " " + names[i] + ": " + commentText(buffer.name) + ", " +
              std::string(dtypeName(buffer.type)) + " " + commentText(sofie::text(buffer.shape)) + "\n";
    }
  };
  list("Input", model.program.inputs, model.inputNames);
  list("Output", model.program.outputs, model.outputNames);
  return text;
}

std::string dimsText(const Model& model) {
  std::string text = "/// The model's symbolic dimensions.\nstruct Dims {\n";
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i)
    text += "  std::int64_t " + model.symbolNames[i] + ";\n";
  return text + "};\n\n";
}

/// Refuses sizes that the model was not compiled for.
std::string checkDimsText(const Model& model) {
  std::string checks;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i) {
    const std::string& name = model.program.symbols[i];
    for (const int input : model.program.inputs)
      for (const Dim& dim : model.buffer(input).shape) {
        if (dim.symbolName() != name) continue;
        const std::int64_t low = dim.lowerBound().value_or(0);
        const std::int64_t high = dim.upperBound().value_or(std::int64_t(1) << 40);
        const std::string line = "  check_dim(" + cppString(name) + ", dims." + model.symbolNames[i] + ", " +
                                 std::to_string(low) + ", " + std::to_string(high) + ");\n";
        if (checks.find(line) == std::string::npos) checks += line;
      }
  }
  return "inline void check_dims([[maybe_unused]] const Dims& dims) {\n" + checks + "}\n\n";
}

std::string outputCountText(const Model& model, std::size_t i) {
  const Buffer& buffer = model.buffer(model.program.outputs[i]);
  return "static_cast<std::size_t>(" + dimText(model, product(buffer.shape)) + ")";
}

std::string inferText(const Model& model, const Signature& signature) {
  std::string body;
  const std::size_t count = model.outputNames.size();
  for (std::size_t i = 0; i < count; ++i)
    body += "    std::vector<" + vectorElement(model.buffer(model.program.outputs[i])) + "> result" + std::to_string(i) + "(" +
            outputCountText(model, i) + ");\n";
  std::string pointers;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string data = "result" + std::to_string(i) + ".data()";
    const bool isBool = model.buffer(model.program.outputs[i]).type == DType::Bool;
    pointers += (i ? ", " : "") + (isBool ? "reinterpret_cast<bool*>(" + data + ")" : data);
  }
  body += "    infer(" + Signature::join(signature.inputValues, pointers) + ");\n";
  std::string results;
  for (std::size_t i = 0; i < count; ++i) results += (i ? ", std::move(result" : "std::move(result") + std::to_string(i) + ")";
  body += count == 1 ? "    return result0;\n" : "    return {" + results + "};\n";
  return body;
}

constexpr const char* hostPromise = R"(Allocates nothing and takes no lock.
  /// @return 0, or 1 when the data hold an index out of range)";
constexpr const char* devicePromise = R"(Copies to the device and back.
  /// @return 0, 1 when the data hold an index out of range, or 2 when the device failed)";
/// What a Session offers beside the rest when its kernels run on a device.
constexpr const char* deviceMembers = R"(  /// On the caller's queue, in whose order the kernels run.
  explicit Session(const Engine::Queue::Native& queue, std::string weights = @default@@sizes@)
      : engine_(weights, Engine::Queue(queue)) {
    prepare(@sizeValues@);
  }

  /// Queues the computation on memory of the device and returns at once.
  void enqueue(@inputsAndOutputs@) {
    const void* const inputs[] = {@inputArray@};
    void* const outputs[] = {@outputArray@};
    engine_.enqueue(inputs, outputs);
  }

  /// Waits for the queue. @return 0, or 1 when the data held an index out of range
  int wait() { return engine_.wait(); }

)";

std::string sessionText(const Model& model) {
  const Signature signature(model);
  std::string defaults, brace;
  for (const std::string& symbol : model.symbolNames) {
    defaults += ", std::size_t " + symbol + " = 1";
    brace += (brace.empty() ? "" : ", ") + ("static_cast<std::int64_t>(" + symbol + ")");
  }
  std::string inputArray, outputArray;
  for (const std::string& name : model.inputNames) inputArray += (inputArray.empty() ? "" : ", ") + name;
  for (const std::string& name : model.outputNames) outputArray += (outputArray.empty() ? "" : ", ") + name;
  const std::string weightsDefault = model.isInline() ? "\"\"" : "\"" + model.program.name + ".dat\"";
  std::string text = documentTensors(model) +
                     R"(struct Session {
  /// @param weights path of the weights file@inlineNote@
  /// \throws std::runtime_error when the weights file is missing, damaged or of another model
  explicit Session(std::string weights = @default@@sizes@) : engine_(weights) { prepare(@sizeValues@); }

  /// Lays out memory for the given sizes; cheap when they have not changed.
  void prepare(@sizeParameters@) {
    const Dims dims{@brace@};
    if (prepared_ && same(dims, dims_)) return;
    check_dims(dims);
    engine_.prepare(dims);
    dims_ = dims;
    prepared_ = true;
  }

  /// Computes the outputs into memory of the caller@prepareNote@. @promise@
  int infer(@inputsAndOutputs@) noexcept {
    const void* const inputs[] = {@inputArray@};
    void* const outputs[] = {@outputArray@};
    return engine_.run(inputs, outputs);
  }

  @result@ infer(@sizesAndInputs@) {
@prepareCall@@inferBody@  }

@onDevice@  const Dims& dims() const { return dims_; }
  Engine& engine() { return engine_; }
  const Engine& engine() const { return engine_; }

 private:
  static bool same(@sameParameters@) { return @same@; }

  Engine engine_;
  Dims dims_{};
  bool prepared_ = false;
};
)";
  std::string same;
  for (const std::string& symbol : model.symbolNames) same += (same.empty() ? "a." : " && a.") + symbol + " == b." + symbol;
  const std::string inputs = model.inputNames.empty() ? "nullptr" : inputArray;
  return replaceAll(
      text, {{"@promise@", model.onDevice ? devicePromise : hostPromise},
             {"@onDevice@", model.onDevice ? deviceMembers : ""},
             {"@inlineNote@", model.isInline() ? "; ignored, they are compiled in" : ""},
             {"@default@", weightsDefault},
             {"@sizes@", defaults},
             {"@sizeValues@", signature.sizeValues},
             {"@sizeParameters@", signature.sizes},
             {"@brace@", brace},
             {"@prepareNote@", model.isDynamic() ? ", for the sizes of the last prepare" : ""},
             {"@inputsAndOutputs@", Signature::join(signature.inputs, signature.outputs)},
             {"@inputArray@", inputs},
             {"@outputArray@", outputArray},
             {"@result@", signature.result},
             {"@sizesAndInputs@", Signature::join(signature.sizes, signature.inputs)},
             {"@prepareCall@", model.isDynamic() ? "    prepare(" + signature.sizeValues + ");\n    const Dims& dims = dims_;\n    (void)dims;\n" : ""},
             {"@inferBody@", inferText(model, signature)},
             {"@sameParameters@", same.empty() ? "const Dims&, const Dims&" : "const Dims& a, const Dims& b"},
             {"@same@", same.empty() ? "true" : same}});
}

std::string outputShapeText(const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < model.program.outputs.size(); ++i) {
    const Shape& shape = model.buffer(model.program.outputs[i]).shape;
    text += "        case " + std::to_string(i) + ":\n";
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      text += "          shape[" + std::to_string(axis) + "] = " + dimText(model, shape[axis]) + ";\n";
    text += "          break;\n";
  }
  return text;
}

std::string tableText(const Model& model) {
  std::string symbols, labels;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i) symbols += (i ? ", symbols[" : "symbols[") + std::to_string(i) + "]";
  for (const Kernel& kernel : model.program.kernels) labels += "      " + cppString(commentText(kernel.origin)) + ",\n";
  const bool profile = model.options.profile && !model.program.kernels.empty();
  const std::string kernelCount = std::to_string(profile ? model.program.kernels.size() : 0);
  std::string prepareSizes;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i)
    prepareSizes += (i ? ", " : "") + ("static_cast<std::size_t>(symbols[" + std::to_string(i) + "])");
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
        return reinterpret_cast<pysofie_session*>(new Session(weights));
      } catch (const std::exception& problem) {
        report(problem, error, size);
        return nullptr;
      }
    }
    static void destroy(pysofie_session* opaque) { delete session(opaque); }
    static int prepare(pysofie_session* opaque, const std::int64_t* symbols, char* error, std::size_t size) {
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
                                   Functions::prepare,
                                   Functions::output_shape,
                                   Functions::run,
                                   Functions::arena_bytes,
                                   @kernelCount@,
                                   @labels@,
                                   @profileFunction@};
  return &model;
}
)",
                    {{"@prepareSizes@", prepareSizes},
                     {"@outputShapes@", outputShapeText(model)},
                     {"@description@", cppString(descriptionJson(model))},
                     {"@symbolCount@", std::to_string(model.symbolNames.size())},
                     {"@inputCount@", std::to_string(model.inputNames.size())},
                     {"@outputCount@", std::to_string(model.outputNames.size())},
                     {"@kernelCount@", kernelCount},
                     {"@labels@", profile ? "Functions::labels()" : "nullptr"},
                     {"@profileFunction@", profile ? "Functions::profile" : "nullptr"},
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
)"}});
}

/// The text of a runtime header without its include lines: they are written once, before.
std::string embedded(std::string_view header) {
  std::istringstream lines{std::string(header)};
  std::string result;
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("#include", 0) != 0) result += line + "\n";
  return result;
}

/// Standard headers that the runtime headers ask for, and those headers themselves in the order of their inclusion.
struct Includes {
  std::set<std::string> standard;
  std::vector<std::string> own;

  void add(const std::string& header) {
    if (std::find(own.begin(), own.end(), header) != own.end()) return;
    std::istringstream lines{std::string(runtimeHeader(header))};
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("#include <", 0) == 0) standard.insert(line);
      if (line.rfind("#include \"", 0) == 0) add(line.substr(10, line.rfind('"') - 10));
    }
    own.push_back(header);
  }
};

}  // namespace

Model describeModel(const Program& program, const std::string& target, const RenderOptions& options) {
  Model model{program, target, options, planMemory(program), "TMVA_SOFIE_" + program.name, {}, {}, {}, {}, {}, 0};
  model.symbolNames = identifiers(program.symbols);
  model.inputNames = identifiers(bufferNames(program, program.inputs), model.symbolNames);
  std::vector<std::string> taken = model.symbolNames;
  taken.insert(taken.end(), model.inputNames.begin(), model.inputNames.end());
  model.outputNames = identifiers(bufferNames(program, program.outputs), taken);
  layOutWeights(model);
  return model;
}

std::string dimText(const Model& model, const Dim& dim) {
  return dim.text([&](const std::string& symbol) {
    const auto& symbols = model.program.symbols;
    const auto position = std::find(symbols.begin(), symbols.end(), symbol) - symbols.begin();
    return "dims." + model.symbolNames[static_cast<std::size_t>(position)];
  });
}

std::string placementText(const Model& model, const std::string& indent) {
  const std::string count = std::to_string(model.plan.slots.size());
  std::string text = indent + "rt::Block blocks[] = {\n";
  for (const Slot& slot : model.plan.slots)
    text += indent + "    {" + dimText(model, slot.bytes) + ", " + std::to_string(slot.first) + ", " +
            std::to_string(slot.last) + ", 0},\n";
  return text + indent + "};\n" + indent + "int order[" + count + "];\n" + indent +
         "const std::int64_t bytes = rt::place_blocks(blocks, " + count + ", order);\n" + indent + "for (int i = 0; i < " +
         count + "; ++i) offsets_[i] = blocks[i].offset;\n";
}

std::string inlineWeightsText(const Model& model) {
  if (!model.isInline()) return "";
  std::string text;
  for (std::size_t id = 0; id < model.weightOffset.size(); ++id) {
    if (model.weightOffset[id] < 0) continue;
    const Constant& constant = *model.program.buffers[id].constant;
    const auto count = constant.size();
    text += "alignas(64) inline constexpr " + std::string(cppType(constant.type)) + " w" + std::to_string(id) + "[] = {";
    for (std::int64_t i = 0; i < count; ++i) {
      text += i % 8 == 0 ? "\n    " : " ";
      text += literal(constant.type, constant.at<double>(i), constant.at<std::int64_t>(i)) + ",";
    }
    text += (count == 0 ? "{}" : "") + std::string("\n};\n");
  }
  return text + "\n";
}

std::string modelHeader(const Model& model, const std::vector<std::string>& includes,
                        const std::vector<std::string>& runtimeHeaders, const std::string& engine) {
  Includes needed;
  for (const char* header : {"cstddef", "cstdint", "cstdio", "exception", "stdexcept", "string", "utility", "vector"})
    needed.standard.insert("#include <" + std::string(header) + ">");
  if (Signature(model).result.rfind("std::tuple", 0) == 0) needed.standard.insert("#include <tuple>");
  for (const std::string& include : includes) needed.standard.insert("#include " + include);
  for (const char* header : {"abi.h", "scalar.hxx", "dims.hxx"}) needed.add(header);
  for (const std::string& header : runtimeHeaders) needed.add(header);
  const std::string guard = "PYSOFIE_MODEL_" + model.program.name;
  std::string text = "// Generated by pysofie for the target " + model.target + ". Do not edit.\n#ifndef " + guard +
                     "\n#define " + guard + "\n\n";
  for (const std::string& line : needed.standard) text += line + "\n";
  for (const std::string& header : needed.own) text += "\n" + embedded(runtimeHeader(header));
  text += "\nnamespace " + model.space + " {\n\nnamespace rt = sofie_runtime;\n";
  text += "using rt::floordiv;\nusing rt::floormod;\nusing rt::max;\nusing rt::min;\nusing rt::check_dim;\n\n";
  text += dimsText(model) + checkDimsText(model) + inlineWeightsText(model) + engine + "\n" + sessionText(model) +
          tableText(model) + "\n}  // namespace " + model.space + "\n\n";
  text += "#ifdef PYSOFIE_SHARED_LIBRARY\nextern \"C\" __attribute__((visibility(\"default\"))) const pysofie_model* "
          "PYSOFIE_GET_MODEL(void) {\n  return " +
          model.space + "::table();\n}\n#endif\n\n#endif\n";
  return text;
}

Files modelFiles(const Model& model, const std::string& header) {
  Files files{{model.program.name + ".hxx", header}};
  if (model.isInline()) return files;
  sofie_runtime::WeightsHeader weights;
  weights.bytes = model.weights.size();
  weights.checksum = model.checksum;
  std::string data(reinterpret_cast<const char*>(&weights), sizeof weights);
  files[model.program.name + ".dat"] = data + model.weights;
  return files;
}

}  // namespace sofie
