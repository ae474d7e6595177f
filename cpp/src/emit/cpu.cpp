#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "emit/cpu_kernel.hxx"
#include "emit/names.hxx"
#include "emit/routines.hxx"
#include "emit/targets.hxx"

namespace sofie {
namespace {

class CpuRenderer {
 public:
  CpuRenderer(const Program& program, const RenderOptions& options)
      : program_(program), products_(prepare(program_)), model_(describeModel(program_, "cpu", options)) {
    // packed weights are not read as they are written
    if (options.profile) model_.profiled = profiledKernels(program);
    for (const Kernel& kernel : program_.kernels) calls_.push_back(timed(kernel, "    "));
  }

  Files render() {
    std::vector<std::string> headers{"weights.hxx", "arena.hxx", "loops.hxx", "columns.hxx", "dot.hxx"};
    if (std::any_of(products_.begin(), products_.end(),
                    [](const auto& each) { return each.second.tiles > 0; }))
      headers.emplace_back("winograd.hxx");
    if (usesStorage(program_)) headers.emplace_back("storage_vector.hxx");
    const std::set<std::string> mathHeaders = cpuMathHeaders(program_);
    headers.insert(headers.end(), mathHeaders.begin(), mathHeaders.end());
    std::set<std::string> dotHeaders;
    for (const auto& each : products_)
      if (!each.second.dot.header.empty()) dotHeaders.insert(each.second.dot.header);
    headers.insert(headers.end(), dotHeaders.begin(), dotHeaders.end());
    headers.insert(headers.end(), routines_.runtimeHeaders().begin(), routines_.runtimeHeaders().end());
    if (model_.options.profile) headers.emplace_back("stopwatch.hxx");
    if (model_.isRandom()) headers.push_back("random.hxx");
    const std::vector<std::string> includes(routines_.includes().begin(), routines_.includes().end());
    return modelFiles(model_, includes, headers, routines_.text() + functions_ + engine());
  }

 private:
  Program program_;
  std::map<const Nest*, CpuProduct> products_;
  Model model_;
  std::string functions_;                      ///< of nests and routines
  std::map<std::string, std::string> nameOf_;  ///< by the text of parameters and body
  Routines routines_{"cpu"};
  std::vector<std::string> calls_;     ///< the statements of each kernel
  std::vector<std::string> counters_;  ///< of the loops over blocks that are being written
  std::size_t timed_ = 0;              ///< kernels so far

  static std::map<const Nest*, CpuProduct> prepare(Program& program) {
    std::map<const Nest*, CpuProduct> products;
    forEachNest(program.kernels, [&](Nest& nest) {
      auto product = cpuProduct(program, nest);
      if (!product && nest.kind == Nest::Kind::Contraction) {
        widenWeights(program, nest);
        product = cpuProduct(program, nest);
      }
      if (!product) return;
      if (product->packed) packWeights(program, nest, *product);
      products.emplace(&nest, *product);
    });
    return products;
  }

  struct Usage {
    std::vector<int> buffers;
    std::set<int> written;
  };

  static Usage usage(const Kernel& kernel) {
    Usage result;
    forEachView(kernel, [&](const View& view, bool write) {
      if (std::find(result.buffers.begin(), result.buffers.end(), view.buffer) == result.buffers.end())
        result.buffers.push_back(view.buffer);
      if (write) result.written.insert(view.buffer);
    });
    return result;
  }

  static bool readsDims(const std::string& text) { return text.find("dims.") != std::string::npos; }
  static bool mayFault(const std::string& text) { return text.find("&fault") != std::string::npos; }

  /// A buffer that shares its place with another one of the kernel must not be declared free of aliases.
  bool isShared(const Usage& usage, int id) const {
    const int slot = model_.plan.slotOf[static_cast<std::size_t>(id)];
    for (const int other : usage.buffers)
      if (other != id && slot >= 0 && model_.plan.slotOf[static_cast<std::size_t>(other)] == slot)
        return true;
    return false;
  }

  std::string body(const Nest& nest, const ScalarNames& names) const {
    const auto product = products_.find(&nest);
    return product == products_.end() ? cpuLoops(model_, nest, names)
                                      : cpuContraction(model_, nest, product->second, names);
  }

  /// Calls the routine for one item after the other.
  std::string body(const Call& call, const ScalarNames& names) {
    std::string arguments = "item";
    const auto add = [&](const Tensor& tensor) {
      const std::string offset = dimText(model_, tensor.view.offset);
      arguments +=
          ", " + names.buffer(tensor.view.buffer) + (offset == "0" ? "" : " + " + parenthesised(offset));
    };
    for (const Tensor& tensor : call.inputs) add(tensor);
    for (const Tensor& tensor : call.outputs) add(tensor);
    for (const Dim& argument : call.arguments)
      arguments += ", std::int64_t(" + dimText(model_, argument) + ")";
    for (const double number : call.numbers) arguments += ", " + literal(DType::Float64, number, 0);
    return "  for (std::int64_t item = 0; item < " + dimText(model_, call.items) + "; ++item) " +
           routines_.nameOf(program_, call) + "(" + arguments + ");\n";
  }

  std::string parameters(const Usage& usage, const ScalarNames& names, const std::string& body) const {
    std::string list;
    const auto add = [&](const std::string& item) { list += (list.empty() ? "" : ", ") + item; };
    for (const int id : usage.buffers)
      add((usage.written.count(id) ? "" : "const ") + std::string(cppType(model_.buffer(id).type)) + "* " +
          (isShared(usage, id) ? "" : "__restrict__ ") + names.buffer(id));
    if (readsDims(body)) add("const Dims& dims");
    if (mayFault(body)) add("std::int32_t& fault");
    return list;
  }

  /// The name of the function with those parameters and that body, which is written on first use.
  std::string function(const std::string& text) {
    const auto [entry, isNew] = nameOf_.emplace(text, "kernel" + std::to_string(nameOf_.size()));
    if (isNew) functions_ += "static inline void " + entry->second + text + "\n";
    return entry->second;
  }

  /// Writes the function of a kernel and returns the statement that calls it.
  std::string callOf(const Kernel& kernel) {
    if (const auto* region = std::get_if<Region>(&kernel.body)) return callOf(*region);
    if (const auto* measure = std::get_if<Measure>(&kernel.body)) return callOf(*measure);
    if (const auto* loop = std::get_if<Loop>(&kernel.body)) return callOf(*loop);
    const auto* nest = std::get_if<Nest>(&kernel.body);
    const Usage used = usage(kernel);
    const ScalarNames names = cpuNames(model_, used.buffers);
    const std::string inside = nest ? body(*nest, names) : body(std::get<Call>(kernel.body), names);
    const std::string name =
        function("(" + parameters(used, names, inside) + ") noexcept {\n" + inside + "}\n");
    std::string arguments;
    const auto add = [&](const std::string& item) { arguments += (arguments.empty() ? "" : ", ") + item; };
    for (const int id : used.buffers) add(place(id));
    if (readsDims(inside)) add("dims_");
    if (mayFault(inside)) add("fault");
    return name + "(" + arguments + ");  // " + commentText(text(kernel.origins));
  }

  /// The value of a scalar.
  std::string elementText(const View& scalar) const {
    return "(" + place(scalar.buffer) + ")[" + dimText(model_, scalar.offset) + "]";
  }

  std::string callOf(const Region& region) {
    std::string text = "if (" + elementText(region.condition.view) + ") {";
    for (const Kernel& kernel : region.then) text += "\n      " + callOf(kernel);
    text += "\n    } else {";
    for (const Kernel& kernel : region.otherwise) text += "\n      " + callOf(kernel);
    return text + "\n    }";
  }

  std::string callOf(const Measure& measure) {
    const std::string element = elementText(measure.value.view);
    return "{\n" +
           measureText(
               model_, measure, element, [](const std::string& fault) { return "return " + fault + ";"; },
               "      ") +
           "    }";
  }

  std::string callOf(const Loop& loop) {
    std::string text = loopHead(model_, loop, loop.condition ? elementText(loop.condition->view) : "") + " {";
    if (loop.overBlocks) counters_.push_back(memberText(model_, loop.counter));
    for (const Kernel& kernel : loop.body)
      text += "\n      " + (loop.overBlocks ? timed(kernel, "      ") : callOf(kernel));
    if (loop.overBlocks) counters_.pop_back();
    return text + "\n    }";
  }

  /// The statements of a kernel, and those that time it for a profile; kernels in blocks are timed one by one
  /// and count as called with the first block.
  std::string timed(const Kernel& kernel, const std::string& indent) {
    const std::string call = callOf(kernel);
    const auto* loop = std::get_if<Loop>(&kernel.body);
    if (!model_.options.profile || (loop != nullptr && loop->overBlocks)) return call;
    std::string isFirst = program_.batch ? "first == 0" : "";
    for (const std::string& counter : counters_)
      isFirst += (isFirst.empty() ? "" : " && ") + counter + " == 0";
    const std::string id = "[" + std::to_string(timed_++) + "] += ";
    return call + "\n" + indent + "nanoseconds" + id + "watch.lap();\n" + indent + "calls" + id +
           (isFirst.empty() ? "1" : isFirst) + ";";
  }

  /// How far the block's first item lies behind the start of an input or output.
  std::string firstItem(const Buffer& buffer) const {
    const auto size = program_.batch ? itemSize(buffer, program_.batch->symbol) : std::nullopt;
    if (!size) return "";
    return size->is(1) ? " + first" : " + first * " + parenthesised(dimText(model_, *size));
  }

  /// Where a buffer lies, as a typed pointer.
  std::string place(int id) const {
    const auto position = static_cast<std::size_t>(id);
    const Buffer& buffer = model_.buffer(id);
    const std::string type(cppType(buffer.type));
    const auto ioIndex = [](const std::vector<int>& list, int wanted) {
      return std::to_string(std::find(list.begin(), list.end(), wanted) - list.begin());
    };
    switch (buffer.kind) {
      case BufferKind::Input:
        return "static_cast<const " + type + "*>(inputs[" + ioIndex(program_.inputs, id) + "])" +
               firstItem(buffer);
      case BufferKind::Output:
        return "static_cast<" + type + "*>(outputs[" + ioIndex(program_.outputs, id) + "])" +
               firstItem(buffer);
      case BufferKind::Constant:
        if (model_.isInline()) return "w" + std::to_string(id);
        return "reinterpret_cast<const " + type + "*>(weights + " +
               std::to_string(model_.weightOffset[position]) + ")";
      case BufferKind::Temporary:
        break;
    }
    const int slot = model_.plan.slotOf[position];
    const Slot& where = model_.plan.slots[static_cast<std::size_t>(slot)];
    const std::string offset =
        model_.plan.isStatic ? std::to_string(where.offset) : "offsets_[" + std::to_string(slot) + "]";
    return "reinterpret_cast<" + type + "*>(arena + " + offset + ")";
  }

  bool usesWeights() const { return !model_.isInline() && !model_.weights.empty(); }

  std::string engine() const {
    const bool hasArena = !model_.plan.slots.empty();
    std::string text =
        "/// Runs the kernels on one thread; the weights are shared by all engines of the process. Engines "
        "of "
        "different\n/// threads share no cache line that is written.\nstruct alignas(64) Engine {\n";
    text += engineConstructor(hasArena) + engineSetWeights() + enginePrepare(hasArena) + engineRun(hasArena);
    if (model_.isMeasured) text += "  const Dims& dims() const { return dims_; }\n";
    text += "  std::size_t arena_bytes() const { return " + std::string(hasArena ? "arena_.size()" : "0") +
            "; }\n";
    if (model_.options.profile && !calls_.empty()) {
      const std::string count = std::to_string(model_.profiled.size());
      text +=
          "\n  std::uint64_t nanoseconds[" + count + "] = {};\n  std::uint64_t calls[" + count + "] = {};\n";
    }
    text += "\n private:\n";
    if (usesWeights()) text += "  std::shared_ptr<const rt::AlignedBytes> weights_;\n";
    if (hasArena) text += "  rt::AlignedBytes arena_;\n";
    if (hasArena && !model_.plan.isStatic)
      text += "  std::int64_t offsets_[" + std::to_string(model_.plan.slots.size()) + "] = {};\n";
    if (model_.isRandom()) text += "  rt::RandomState random_;\n";
    return text + "  Dims dims_{};\n};\n";
  }

  std::string engineConstructor(bool hasArena) const {
    std::string members;
    const auto add = [&](const std::string& item) { members += (members.empty() ? " : " : ", ") + item; };
    if (usesWeights()) add("weights_(rt::own_weights(weights, weights_identity))");
    if (hasArena && model_.plan.isStatic) add("arena_(" + std::to_string(model_.plan.arenaBytes) + ")");
    return "  explicit Engine([[maybe_unused]] const std::string& weights)" + members + " {}\n\n";
  }

  std::string engineSetWeights() const {
    if (model_.isInline()) return "";
    return "  void set_weights(const std::string& path) { " +
           std::string(usesWeights() ? "weights_ = rt::other_weights(path, weights_identity);"
                                     : "rt::WeightsFile(path).require_alike(weights_identity);") +
           " }\n\n";
  }

  std::string enginePrepare(bool hasArena) const {
    std::string text = "  void prepare(const Dims& dims) {\n";
    if (hasArena && !model_.plan.isStatic)
      text += placementText(model_, "    ") +
              "    if (static_cast<std::size_t>(bytes) > arena_.size())\n"
              "      arena_ = rt::AlignedBytes(static_cast<std::size_t>(bytes));\n";
    return text + "    dims_ = dims;\n  }\n\n";
  }

  std::string engineRun(bool hasArena) const {
    std::string text =
        "  int run([[maybe_unused]] const void* const* inputs, [[maybe_unused]] void* const* outputs) "
        "noexcept {\n";
    if (usesWeights()) text += "    const unsigned char* const weights = weights_->data();\n";
    if (hasArena) text += "    unsigned char* const arena = arena_.data();\n";
    if (model_.isMeasured || std::any_of(calls_.begin(), calls_.end(), readsDims))
      text += "    [[maybe_unused]] const Dims& dims = dims_;\n";
    text += drawText(model_, "    ") + "    std::int32_t fault = 0;\n";
    std::string kernels;
    for (const std::string& call : calls_) kernels += "    " + call + "\n";
    if (model_.options.profile && !calls_.empty()) text += "    rt::Stopwatch watch;\n";
    return text + (program_.batch ? blockByBlock(kernels) : kernels) + "    return fault;\n  }\n\n";
  }

  /// The kernels for one block of the batch after the other: each sees a batch of that many items.
  std::string blockByBlock(const std::string& kernels) const {
    const std::string count = memberText(model_, program_.batch->symbol),
                      block = std::to_string(program_.batch->block);
    Block text(2);
    text.line("const std::int64_t items = " + count + ";");
    text.open("for (std::int64_t first = 0; first < items; first += " + block + ")");
    text.line(count + " = items - first < " + block + " ? items - first : " + block + ";");
    std::istringstream lines(kernels);
    for (std::string line; std::getline(lines, line);) text.statements("  " + line + "\n");
    text.close();
    text.line(count + " = items;");
    return text.text();
  }
};

}  // namespace

Files renderCpu(const Program& program, const RenderOptions& options) {
  return CpuRenderer(program, options).render();
}

}  // namespace sofie
