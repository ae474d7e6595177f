#include "emit/session_text.hxx"

#include <algorithm>
#include <set>

#include "emit/names.hxx"

namespace sofie {
namespace {

/// "float", for std::vector bool is stored in bytes.
std::string vectorElement(const Buffer& buffer) {
  return buffer.type == DType::Bool ? "std::uint8_t" : std::string(cppType(buffer.type));
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
    const auto add = [](std::string& list, const std::string& item) {
      list += (list.empty() ? "" : ", ") + item;
    };
    for (const std::string& symbol : model.symbolNames) {
      add(sizes, "std::size_t " + symbol);
      add(sizeValues, symbol);
    }
    for (std::size_t i = 0; i < model.inputNames.size(); ++i) {
      add(inputs, "const " + std::string(cppType(model.buffer(model.program.inputs[i]).type)) + "* " +
                      model.inputNames[i]);
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

  static std::string join(const std::string& a, const std::string& b) {
    return a.empty() || b.empty() ? a + b : a + ", " + b;
  }
};

std::string documentTensors(const Model& model) {
  std::string text;
  const auto list = [&](const char* what, const std::vector<int>& buffers,
                        const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const Buffer& buffer = model.buffer(buffers[i]);
      text += std::string("/// ") + what + " " + names[i] + ": " + commentText(buffer.name) + ", " +
              std::string(dtypeName(buffer.type)) + " " + commentText(sofie::text(buffer.shape));
      if (model.program.isMeasured(buffer.shape))
        text += ", at most " + commentText(sofie::text(model.program.most(buffer.shape)));
      text += "\n";
    }
  };
  list("Input", model.program.inputs, model.inputNames);
  list("Output", model.program.outputs, model.outputNames);
  return text;
}

std::string dimsStruct(const Model& model) {
  std::string text = "/// The model's symbolic dimensions.\nstruct Dims {\n";
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i)
    text += "  std::int64_t " + model.symbolNames[i] + ";\n";
  for (std::size_t i = 0; i < model.roomNames.size(); ++i)
    text += "  std::int64_t " + model.roomNames[i] + " = " + std::to_string(Room::first) +
            ";  ///< there is room for this; it grows with the runs\n";
  for (const std::string& local : model.localNames)
    text += "  std::int64_t " + local + " = 0;  ///< set while the model runs\n";
  for (const std::string& draw : model.drawNames)
    text += "  std::int64_t " + draw + " = 0;  ///< of random numbers: set by every run\n";
  return text + "};\n\n";
}

struct Bounds {
  std::int64_t low = 0, high = std::int64_t(1) << 40;
};

Bounds boundsOf(const Model& model, const std::string& symbol) {
  Bounds bounds;
  for (const int input : model.program.inputs)
    for (const Dim& dim : model.buffer(input).shape)
      if (dim.symbolName() == symbol)
        bounds = {dim.lowerBound().value_or(bounds.low), dim.upperBound().value_or(bounds.high)};
  return bounds;
}

/// The sizes of all tensors that depend on symbols, as floating-point expressions, which cannot overflow.
std::set<std::string> tensorBytes(const Model& model) {
  std::set<std::string> result;
  const auto add = [&](const Dim& bytes) {
    if (bytes.isConstant()) return;
    result.insert(bytes.text([&](const std::string& symbol) {
      return "static_cast<double>(" + dimText(model, Dim::symbol(symbol)) + ")";
    }));
  };
  for (const Slot& slot : model.plan.slots) add(slot.bytes);
  for (const auto* list : {&model.program.inputs, &model.program.outputs})
    for (const int id : *list)
      add(product(model.program.most(model.buffer(id).shape)) *
          static_cast<std::int64_t>(sizeOf(model.buffer(id).type)));
  return result;
}

/// Refuses sizes that the model was not compiled for.
std::string checkDimsText(const Model& model) {
  std::string checks;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i) {
    const std::string& name = model.program.symbols[i];
    const Bounds bounds = boundsOf(model, name);
    checks += "  check_dim(" + cppString(name) + ", dims." + model.symbolNames[i] + ", " +
              std::to_string(bounds.low) + ", " + std::to_string(bounds.high) + ");\n";
  }
  for (const std::string& bytes : tensorBytes(model)) checks += "  rt::check_bytes(" + bytes + ");\n";
  for (const Requirement& requirement : model.program.requirements) {
    if (model.program.isMeasured({requirement.left, requirement.right})) continue;
    const bool isEqual = requirement.relation == Requirement::Relation::Equal;
    const std::string check = std::string(isEqual ? "  rt::check_equal(" : "  rt::check_least(") +
                              cppString(requirement.what) + ", " + dimText(model, requirement.left) + ", " +
                              dimText(model, requirement.right) + ");\n";
    if (checks.find(check) == std::string::npos) checks += check;
  }
  return "inline void check_dims([[maybe_unused]] const Dims& dims) {\n" + checks + "}\n\n";
}

std::string outputCountText(const Model& model, std::size_t i) {
  const Buffer& buffer = model.buffer(model.program.outputs[i]);
  return "static_cast<std::size_t>(" + dimText(model, product(model.program.most(buffer.shape))) + ")";
}

/// How many elements each input has, as the items of a braced list.
std::string inputCountsText(const Model& model) {
  std::string text;
  for (const int input : model.program.inputs)
    text += (text.empty() ? "static_cast<std::size_t>(" : ", static_cast<std::size_t>(") +
            dimText(model, product(model.buffer(input).shape)) + ")";
  return text;
}

/// Statements that leave of each result what the data decided to be there.
std::string trimText(const Model& model) {
  std::string text;
  for (std::size_t i = 0; i < model.program.outputs.size(); ++i) {
    const Shape& shape = model.buffer(model.program.outputs[i]).shape;
    if (model.program.isMeasured(shape))
      text += "      result" + std::to_string(i) + ".resize(static_cast<std::size_t>(" +
              dimText(model, product(shape)) + "));\n";
  }
  if (text.empty()) return text;
  return "    {\n      const Dims& dims = engine_.dims();\n" + text + "    }\n";
}

std::string inferText(const Model& model, const Signature& signature) {
  std::string body;
  const std::size_t count = model.outputNames.size();
  for (std::size_t i = 0; i < count; ++i)
    body += "    std::vector<" + vectorElement(model.buffer(model.program.outputs[i])) + "> result" +
            std::to_string(i) + "(" + outputCountText(model, i) + ");\n";
  std::string pointers;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string data = "result" + std::to_string(i) + ".data()";
    const bool isBool = model.buffer(model.program.outputs[i]).type == DType::Bool;
    pointers += (i ? ", " : "") + (isBool ? "reinterpret_cast<bool*>(" + data + ")" : data);
  }
  const std::string call = "infer(" + Signature::join(signature.inputValues, pointers) + ")";
  if (model.hasRooms())
    body += "    const int fault = " + call + ";\n    if (fault == 4) return infer(" +
            Signature::join(signature.sizeValues, signature.inputValues) +
            ");  // with the room that it asked for\n    rt::check_fault(fault);\n";
  else
    body += "    rt::check_fault(" + call + ");\n";
  body += trimText(model);
  std::string results;
  for (std::size_t i = 0; i < count; ++i)
    results += (i ? ", std::move(result" : "std::move(result") + std::to_string(i) + ")";
  body += count == 1 ? "    return result0;\n" : "    return {" + results + "};\n";
  return body;
}

/// What infer says of itself.
std::string promise(const Model& model) {
  std::string text =
      model.onDevice ? "Copies to the device and back." : "Allocates nothing and takes no lock.";
  if (model.isMeasured)
    text += "\n  /// There must be room for the largest outputs; dims() then tells how large they are.";
  text += "\n  /// @return 0";
  if (model.onDevice)
    text += ", 1 when the data hold an index out of range, or 2 when the device failed";
  else
    text += ", or 1 when the data hold an index out of range";
  if (model.isMeasured) text += "; 3 when sizes that the data decide do not fit";
  if (model.hasRooms())
    text +=
        ",\n  /// 4 when there is too little room for them: call prepare, and again with memory for what is "
        "then the "
        "largest";
  return text;
}

constexpr const char* setWeightsMember =
    R"(  /// Takes other weights from a file that was written for the same code. Other sessions keep theirs, and this
  /// one keeps its own if that fails. Not to be called while it computes.
  /// \throws std::runtime_error when the file is missing, damaged or for other code
  void set_weights(const std::string& path) { engine_.set_weights(path); }

)";

/// What a Session offers beside the rest when its kernels run on a device.
constexpr const char* deviceMembers = R"(  /// On the caller's queue, in whose order the kernels run.
  explicit @Session@(const typename Engine::Queue::Native& queue, std::string weights = @default@@sizes@)
      : engine_(weights, typename Engine::Queue(queue)) {
    prepare(@sizeValues@);
  }

  /// Queues the computation on memory of the device and returns at once@sizesNote@.
  void enqueue(@inputsAndOutputs@) {
    const void* const inputs[] = {@inputArray@};
    void* const outputs[] = {@outputArray@};
    engine_.enqueue(inputs, outputs);
  }

  /// Waits for the queue. @return 0, or 1 when the data held an index out of range
  int wait() { return engine_.wait(); }

)";

}  // namespace

std::string replaceAll(const std::string& text,
                       const std::vector<std::pair<std::string, std::string>>& replacements) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const auto found = std::find_if(replacements.begin(), replacements.end(), [&](const auto& replacement) {
      return text.compare(at, replacement.first.size(), replacement.first) == 0;
    });
    if (found == replacements.end()) {
      result += text[at++];
    } else {
      result += found->second;
      at += found->first.size();
    }
  }
  return result;
}

std::string resultType(const Model& model) { return Signature(model).result; }

std::string dimsText(const Model& model) { return dimsStruct(model) + checkDimsText(model); }

std::string sessionText(const Model& model) {
  const Signature signature(model);
  std::string defaults, brace;
  for (std::size_t i = 0; i < model.symbolNames.size(); ++i) {
    const std::string& symbol = model.symbolNames[i];
    const std::int64_t least = std::max<std::int64_t>(boundsOf(model, model.program.symbols[i]).low, 1);
    defaults += ", std::size_t " + symbol + " = " + std::to_string(least);
    brace += (brace.empty() ? "" : ", ") + ("static_cast<std::int64_t>(" + symbol + ")");
  }
  std::string inputArray, outputArray;
  for (const std::string& name : model.inputNames) inputArray += (inputArray.empty() ? "" : ", ") + name;
  for (const std::string& name : model.outputNames) outputArray += (outputArray.empty() ? "" : ", ") + name;
  const std::string weightsDefault = model.isInline() ? "\"\"" : "\"" + model.program.name + ".dat\"";
  const bool tagged = !model.tag.empty();
  std::string text = tagged ? R"(template <class Tag>
struct BasicSession {
  using Engine = BasicEngine<Tag>;

)"
                            : "struct Session {\n";
  text += R"(  /// @param weights path of the weights file@inlineNote@
  /// \throws std::runtime_error when the weights file is missing, damaged or of another model
  explicit @Session@(std::string weights = @default@@sizes@) : engine_(weights) { prepare(@sizeValues@); }

  /// A session without sizes yet: prepare must come before anything else.
  struct Unprepared {};
  @Session@(Unprepared, const std::string& weights) : engine_(weights) {}

@setWeights@  /// Lays out memory for the given sizes; cheap when they have not changed.
  void prepare(@sizeParameters@) {
    @dims@
    if (prepared_ && same(dims, dims_)) return;
    try {
      check_dims(dims);
      engine_.prepare(dims);
    } catch (...) {  // sizes that do not fit, or not memory enough
      if (prepared_) engine_.prepare(dims_);
      throw;
    }
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

)";
  if (model.onDevice) text += deviceMembers;
  if (model.isMeasured)
    text +=
        "  /// The sizes, with those that the data of the last run decided.\n"
        "  const Dims& dims() const { return engine_.dims(); }\n";
  else
    text += "  const Dims& dims() const { return dims_; }\n";
  text += R"(
  /// How many elements infer reads of each input@prepareNote@.
  std::vector<std::size_t> input_sizes() const {
    [[maybe_unused]] const Dims& dims = dims_;
    return {@inputCounts@};
  }

  Engine& engine() { return engine_; }
  const Engine& engine() const { return engine_; }

 private:
  static bool same(@sameParameters@) { return @same@; }

  Engine engine_;
  Dims dims_{};
  bool prepared_ = false;
};
)";
  if (tagged) text += "using Session = BasicSession<" + model.tag + ">;\n";
  std::string same;
  for (const std::string& symbol : model.symbolNames)
    same += (same.empty() ? "a." : " && a.") + symbol + " == b." + symbol;
  for (const std::string& room : model.roomNames)
    same += (same.empty() ? "a." : " && a.") + room + " == b." + room;
  std::string dims = model.hasRooms() ? "Dims dims{" + brace + "};" : "const Dims dims{" + brace + "};";
  for (const std::string& room : model.roomNames)
    dims += "\n    dims." + room + " = engine_.dims()." + room + ";  // what the last run asked for";
  const std::string inputs = model.inputNames.empty() ? "nullptr" : inputArray;
  return documentTensors(model) +
         replaceAll(text, {{"@Session@", tagged ? "BasicSession" : "Session"},
                           {"@promise@", promise(model)},
                           {"@sizesNote@",
                            model.isMeasured ? ", or when it knows the sizes that the data decide" : ""},
                           {"@inlineNote@", model.isInline() ? "; ignored, they are compiled in" : ""},
                           {"@setWeights@", model.isInline() ? "" : setWeightsMember},
                           {"@default@", weightsDefault},
                           {"@sizes@", defaults},
                           {"@sizeValues@", signature.sizeValues},
                           {"@sizeParameters@", signature.sizes},
                           {"@dims@", dims},
                           {"@prepareNote@", model.isDynamic() ? ", for the sizes of the last prepare" : ""},
                           {"@inputsAndOutputs@", Signature::join(signature.inputs, signature.outputs)},
                           {"@inputArray@", inputs},
                           {"@inputCounts@", inputCountsText(model)},
                           {"@outputArray@", outputArray},
                           {"@result@", signature.result},
                           {"@sizesAndInputs@", Signature::join(signature.sizes, signature.inputs)},
                           {"@prepareCall@", model.isDynamic() || model.hasRooms()
                                                 ? "    prepare(" + signature.sizeValues +
                                                       ");\n    const Dims& dims = dims_;\n    (void)dims;\n"
                                                 : ""},
                           {"@inferBody@", inferText(model, signature)},
                           {"@sameParameters@",
                            same.empty() ? "const Dims&, const Dims&" : "const Dims& a, const Dims& b"},
                           {"@same@", same.empty() ? "true" : same}});
}

}  // namespace sofie
