#include "emit/device.hxx"

#include <map>
#include <set>

#include "../../runtime/weights.hxx"
#include "emit/device_kernel.hxx"
#include "emit/interface.hxx"
#include "emit/names.hxx"
#include "emit/routines.hxx"

namespace sofie {
namespace {

/// Writes `class Engine` of a device target, and the functors of its kernels before it.
class EngineWriter {
 public:
  EngineWriter(const Model& model, const DeviceTarget& target)
      : model_(model), target_(target), routines_(target.name) {
    names_.member = [this](const std::string& symbol) {
      // The prefix keeps a model's names apart from those of the kernels' text.
      const std::string text = dimText(model_, Dim::symbol(symbol));
      return "n_" + text.substr(text.find('.') + 1);
    };
    names_.symbol = [this](const std::string& symbol) { return dimText(model_, Dim::symbol(symbol)); };
    names_.buffer = [this](int buffer) {
      used_.insert(buffer);
      return pointerName(buffer);
    };
    names_.fault = "fault()";
    names_.functor = [this](const std::string& text) { return functor(text); };
    names_.overlap = [this](int a, int b) {
      const auto slot = [this](int buffer) { return model_.plan.slotOf[static_cast<std::size_t>(buffer)]; };
      return a == b || (slot(a) >= 0 && slot(a) == slot(b));
    };
  }

  /// What the kernels call.
  const Routines& routines() const { return routines_; }

  std::string write() {
    std::string launches;
    for (std::size_t k = 0; k < model_.program.kernels.size(); ++k) launches += profiled(k);
    std::string pointers;
    for (const int buffer : used_) pointers += pointerText(buffer);
    return namedApart(routines_.text() + functors_) + engineText(pointers + launches);
  }

 private:
  const Model& model_;
  const DeviceTarget& target_;
  DeviceNames names_;
  std::set<int> used_;
  std::string functors_;
  std::map<std::string, std::string> functorOf_;  ///< names by texts
  Routines routines_;

  /// Kernels in a namespace named by their text: a device's runtime knows kernels by name, and a process may
  /// hold different models of the same name.
  static std::string namedApart(const std::string& functors) {
    const auto hash = sofie_runtime::weights_checksum(reinterpret_cast<const unsigned char*>(functors.data()),
                                                      functors.size());
    const std::string name = "kernels_" + std::to_string(hash);
    return "inline namespace " + name + " {\n\n" + functors + "}  // namespace " + name + "\n\n";
  }

  static std::string pointerName(int buffer) { return "b" + std::to_string(buffer); }

  // --- kernels

  std::string profiled(std::size_t k) {
    const Kernel& kernel = model_.program.kernels[k];
    const std::string launch =
        "    // " + commentText(text(kernel.origins)) + "\n" + launchText(kernel, "    ");
    if (!model_.options.profile) return launch;
    const std::string number = std::to_string(k);
    return "    {\n    const auto start = std::chrono::steady_clock::now();\n" + launch +
           "    queue_.wait();\n    nanoseconds[" + number +
           "] += static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start) / "
           "std::chrono::nanoseconds(1));\n"
           "    ++calls[" +
           number + "];\n    }\n";
  }

  std::string launchText(const Kernel& kernel, const std::string& indent) {
    if (const auto* nest = std::get_if<Nest>(&kernel.body))
      return indent + deviceKernel(model_.program, *nest, names_) + "\n";
    if (const auto* region = std::get_if<Region>(&kernel.body)) return regionText(*region, indent);
    if (const auto* measure = std::get_if<Measure>(&kernel.body)) return measuredText(*measure, indent);
    if (const auto* loop = std::get_if<Loop>(&kernel.body)) return loopText(*loop, indent);
    return callText(std::get<Call>(kernel.body), indent);
  }

  std::string functor(const std::string& text) {
    const auto [entry, isNew] = functorOf_.emplace(text, "Kernel" + std::to_string(functorOf_.size()));
    if (isNew) functors_ += "struct " + entry->second + " {\n" + text + "};\n\n";
    return entry->second;
  }

  /// A routine, one work item per item.
  std::string callText(const Call& call, const std::string& indent) {
    std::string members, parameters = "item", arguments;
    int count = 0;
    const auto add = [&](const std::string& type, const std::string& value) {
      const std::string member = "a" + std::to_string(count++);
      members += "  " + type + " " + member + ";\n";
      parameters += ", " + member;
      arguments += (arguments.empty() ? "" : ", ") + value;
    };
    const auto addTensor = [&](const Tensor& tensor, const std::string& qualifier) {
      const Dim& offset = tensor.view.offset;
      add(qualifier + std::string(cppType(tensor.type)) + "*",
          names_.buffer(tensor.view.buffer) +
              (offset.is(0) ? "" : " + " + parenthesised(dimText(model_, offset))));
    };
    for (const Tensor& tensor : call.inputs) addTensor(tensor, "const ");
    for (const Tensor& tensor : call.outputs) addTensor(tensor, "");
    for (const Dim& argument : call.arguments) add("std::int64_t", dimText(model_, argument));
    for (const double number : call.numbers) add("double", literal(DType::Float64, number, 0));
    const std::string name = functor(members + "  SOFIE_FN void operator()(std::int64_t item) const { " +
                                     routines_.nameOf(model_.program, call) + "(" + parameters + "); }\n");
    return indent + "queue_.launch(" + dimText(model_, call.items) + ", " + name + "{" + arguments + "});\n";
  }

  /// The value of a scalar, read back from the device.
  std::string elementText(const View& scalar) const {
    const std::string offset = scalar.offset.is(0) ? "" : " + " + dimText(model_, scalar.offset);
    return "queue_.read(" + names_.buffer(scalar.buffer) + offset + ")";
  }

  std::string loopText(const Loop& loop, const std::string& indent) {
    const std::string condition = loop.condition ? elementText(loop.condition->view) : "";
    std::string text = indent + loopHead(model_, loop, condition) + " {\n";
    for (const Kernel& kernel : loop.body) text += launchText(kernel, indent + "  ");
    return text + indent + "}\n";
  }

  std::string regionText(const Region& region, const std::string& indent) {
    std::string text = indent + "if (" + elementText(region.condition.view) + ") {\n";
    for (const Kernel& kernel : region.then) text += launchText(kernel, indent + "  ");
    text += indent + "} else {\n";
    for (const Kernel& kernel : region.otherwise) text += launchText(kernel, indent + "  ");
    return text + indent + "}\n";
  }

  std::string measuredText(const Measure& measure, const std::string& indent) {
    return measureText(
        model_, measure, elementText(measure.value.view),
        [](const std::string& fault) { return "return refuse(" + fault + ");"; }, indent);
  }

  // --- where the buffers are

  std::string pointerText(int id) const {
    const Buffer& buffer = model_.buffer(id);
    const std::string type(cppType(buffer.type));
    const auto position = static_cast<std::size_t>(id);
    const std::string name = "    auto* const " + pointerName(id) + " = ";
    const auto place = [&](const std::vector<int>& list) {
      std::size_t i = 0;
      while (list[i] != id) ++i;
      return std::to_string(i);
    };
    switch (buffer.kind) {
      case BufferKind::Input:
        return name + "static_cast<const " + type + "*>(inputs[" + place(model_.program.inputs) + "]);\n";
      case BufferKind::Output:
        return name + "static_cast<" + type + "*>(outputs[" + place(model_.program.outputs) + "]);\n";
      case BufferKind::Constant:
        return name + "reinterpret_cast<const " + type + "*>(weights_->data() + " +
               std::to_string(model_.weightOffset[position]) + ");\n";
      case BufferKind::Temporary:
        break;
    }
    const auto slot = static_cast<std::size_t>(model_.plan.slotOf[position]);
    return name + "reinterpret_cast<" + type + "*>(arena_.data() + " +
           (model_.plan.isStatic ? std::to_string(model_.plan.slots[slot].offset)
                                 : "offsets_[" + std::to_string(slot) + "]") +
           ");\n";
  }

  // --- the engine

  std::string fillText() const {
    const std::string size = model_.isInline() ? std::to_string(model_.weights.size()) + "u, " +
                                                     std::to_string(model_.checksum) + "u"
                                               : "weights_identity.bytes, weights_identity.checksum";
    const std::string call = "rt::device_weights(queue_, weights, " + size + ", [&](unsigned char* host) {\n";
    if (!model_.isInline())
      return call +
             "          const rt::WeightsFile file(weights);\n"
             "          file.require_same(weights_identity);\n          file.read(host);\n        })";
    std::string copies;
    for (std::size_t id = 0; id < model_.weightOffset.size(); ++id)
      if (model_.weightOffset[id] >= 0)
        copies += "          std::memcpy(host + " + std::to_string(model_.weightOffset[id]) + ", w" +
                  std::to_string(id) + ", sizeof w" + std::to_string(id) + ");\n";
    return call + (copies.empty() ? "          (void)host;\n" : copies) + "        })";
  }

  std::string setWeightsText() const {
    if (model_.isInline()) return "";
    return R"(  void set_weights(const std::string& path) {
    const rt::WeightsFile file(path);
    file.require_alike(weights_identity);
    auto weights = rt::device_weights(queue_, path, file.bytes(), file.checksum(),
                                      [&](unsigned char* host) { file.read(host); });
    queue_.wait();  // what is queued still reads the old ones
    weights_ = std::move(weights);
  }

)";
  }

  /// Bytes of an input or output, for the current dims; the largest number where the data decide it.
  std::string bytesText(int buffer) const {
    return dimText(model_, product(model_.program.most(model_.buffer(buffer).shape)) *
                               static_cast<std::int64_t>(sizeOf(model_.buffer(buffer).type)));
  }

  /// Statements that lay the host's tensors out on the device: size and place of each.
  std::string stagingText() const {
    std::string text;
    int i = 0;
    for (const auto* list : {&model_.program.inputs, &model_.program.outputs})
      for (const int buffer : *list)
        text += "    staged_[" + std::to_string(i++) + "] = {total, " + bytesText(buffer) +
                "};\n    total += rt::aligned(" + bytesText(buffer) + ");\n";
    return text;
  }

  std::string engineText(const std::string& body) const {
    const std::string inputs = std::to_string(model_.program.inputs.size());
    const std::string outputs = std::to_string(model_.program.outputs.size());
    const std::string staged = std::to_string(model_.program.inputs.size() + model_.program.outputs.size());
    const std::string slots = std::to_string(model_.plan.slots.size());
    const std::string kernels = std::to_string(model_.program.kernels.size());
    const bool faults = body.find("fault()") != std::string::npos;
    const bool measured = model_.isMeasured;
    const std::string name = model_.tag.empty() ? "Engine" : "BasicEngine";
    std::string text = "/// The kernels on a device, and their memory there.\n" +
                       (model_.tag.empty() ? "" : std::string("template <class Tag>\n")) + "class " + name +
                       R"( {
 public:
  using Queue = )" + target_.queue +
                       R"(;
  using Memory = typename Queue::Memory;

  explicit )" + name +
                       "(const std::string& weights) : " + name + R"((weights, Queue()) {}
  )" + name + R"(([[maybe_unused]] const std::string& weights, Queue queue)
      : queue_(std::move(queue)), weights_()" +
                       fillText() + ") {\n" +
                       (faults ? "    fault_ = Memory(queue_, sizeof(std::int32_t));\n"
                                 "    queue_.launch(1, rt::ClearFault{fault()});\n"
                               : "") +
                       R"(  }

  )" + name + "(" + name +
                       R"(&&) = default;
  )" + name + "& operator=(" +
                       name + R"(&&) = default;

)" + setWeightsText() + R"(  void prepare(const Dims& dims) {
    dims_ = dims;
)";
    if (model_.plan.isStatic)
      text += "    const std::int64_t bytes = " + std::to_string(model_.plan.arenaBytes) + ";\n";
    else
      text += placementText(model_, "    ");
    text +=
        R"(    if (static_cast<std::size_t>(bytes) > arena_.size()) arena_ = Memory(queue_, static_cast<std::size_t>(bytes));
    std::int64_t total = 0;
)" + stagingText() +
        R"(    if (static_cast<std::size_t>(total) > staging_.size())
      staging_ = Memory(queue_, static_cast<std::size_t>(total));
  }

  /// Runs on memory of the host. @return 0, 1 for an index out of range, 2 when the device failed)" +
        (measured ? ", 3 or 4 when\n  /// sizes that the data decide do not fit" : "") + R"(
  int run(const void* const* inputs, void* const* outputs) noexcept {
    try {
      const void* from[)" +
        (inputs == "0" ? "1" : inputs) + R"(] = {};
      void* to[)" +
        outputs + R"(] = {};
      for (int i = 0; i < )" +
        inputs + R"(; ++i) {
        queue_.copy_to_device(staging_.data() + staged_[i].offset, inputs[i], static_cast<std::size_t>(staged_[i].bytes));
        from[i] = staging_.data() + staged_[i].offset;
      }
      const auto* const results = staged_ + )" +
        inputs + R"(;
      for (int i = 0; i < )" +
        outputs + R"(; ++i) to[i] = staging_.data() + results[i].offset;
      enqueue(from, to);
      for (int i = 0; i < )" +
        outputs + R"(; ++i)
        queue_.copy_to_host(outputs[i], to[i], static_cast<std::size_t>(results[i].bytes));
      return wait();
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "pysofie: the device failed: %s\n", problem.what());
      return 2;
    }
  }

  /// Queues the kernels, which read and write memory of the device, and returns before they have run.
  void enqueue([[maybe_unused]] const void* const* inputs, void* const* outputs) {
)" + drawText(model_, "    ") +
        R"(    [[maybe_unused]] const Dims& dims = dims_;
)" + body +
        R"(  }

  /// Waits for all that was queued. @return 0, or 1 when data since the last wait held an index out of range
  int wait() {
)" +
        (faults ? R"(    const std::int32_t raised = queue_.read(fault());
    if (raised != 0) queue_.launch(1, rt::ClearFault{fault()});
)"
                : "    queue_.wait();\n") +
        (measured ? "    if (const int misfit = std::exchange(misfit_, 0)) return misfit;\n" : "") +
        (faults ? "    return static_cast<int>(raised);\n" : "    return 0;\n") +
        R"(  }

  Queue& queue() { return queue_; }
)" + (measured ? "  const Dims& dims() const { return dims_; }\n" : "") +
        R"(  std::size_t arena_bytes() const { return arena_.size(); }
)";
    if (model_.options.profile)
      text += "  std::uint64_t nanoseconds[" + kernels + "] = {};\n  std::uint64_t calls[" + kernels +
              "] = {};\n";
    text += R"(
 private:
  struct Staged {
    std::int64_t offset, bytes;
  };
)" +
            std::string(
                faults ? R"(  std::int32_t* fault() { return reinterpret_cast<std::int32_t*>(fault_.data()); }

)"
                       : "\n") +
            (measured ? "  void refuse(int fault) { misfit_ = fault; }\n\n" : "") + R"(  Queue queue_;
  std::shared_ptr<const Memory> weights_;
  Memory )" +
            (faults ? "fault_, " : "") + R"(arena_, staging_;
  Staged staged_[)" +
            staged + R"(] = {};
)" + (model_.plan.isStatic ? "" : "  std::int64_t offsets_[" + slots + "] = {};\n") +
            (measured ? "  int misfit_ = 0;\n" : "") +
            (model_.isRandom() ? "  rt::RandomState random_;\n" : "") + R"(  Dims dims_{};
};
)";
    if (!model_.tag.empty()) text += "using Engine = BasicEngine<" + model_.tag + ">;\n";
    return text;
  }
};

}  // namespace

Files renderDevice(const Program& program, const DeviceTarget& target, const RenderOptions& options) {
  Model model = describeModel(program, target.name, options);
  model.onDevice = true;
  model.tag = target.tag;
  std::vector<std::string> standard{"<algorithm>", "<cstring>", "<memory>"};
  if (options.profile) standard.emplace_back("<chrono>");
  std::vector<std::string> runtime{"weights.hxx", "arena.hxx", target.runtime};
  if (model.isRandom()) runtime.emplace_back("random.hxx");
  if (usesStorage(program)) runtime.emplace_back("storage.hxx");
  EngineWriter writer(model, target);
  const std::string engine = writer.write();
  const Routines& routines = writer.routines();
  runtime.insert(runtime.end(), routines.runtimeHeaders().begin(), routines.runtimeHeaders().end());
  standard.insert(standard.end(), routines.includes().begin(), routines.includes().end());
  return modelFiles(model, standard, runtime, engine);
}

}  // namespace sofie
