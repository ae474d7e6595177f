#include <algorithm>
#include <cstring>
#include <set>

#include "../../runtime/weights.hxx"
#include "emit/interface.hxx"
#include "emit/names.hxx"
#include "sofie/error.hxx"

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
  model.checksum = sofie_runtime::weights_checksum(
      reinterpret_cast<const unsigned char*>(model.weights.data()), model.weights.size());
}

/// What the text of a Session calls its own things, where the names of the model's tensors are in scope.
std::vector<std::string> ownNames(const Program& program) {
  std::vector<std::string> names{
      "Dims",      "Engine", "Session",  "BasicEngine", "BasicSession", "Tag",         "Unprepared",
      "dims",      "dims_",  "engine_",  "inputs",      "outputs",      "infer",       "prepare",
      "prepared_", "same",   "weights",  "queue",       "rt",           "check_dim",   "check_dims",
      "min",       "max",    "floordiv", "floormod",    "path",         "set_weights", "weights_identity"};
  for (std::size_t i = 0; i < program.outputs.size(); ++i) names.push_back("result" + std::to_string(i));
  return names;
}

}  // namespace

Model describeModel(const Program& program, const std::string& target, const RenderOptions& options) {
  Model model{program,
              target,
              options,
              planMemory(program),
              "TMVA_SOFIE_" + program.name,
              {},
              {},
              {},
              {},
              {},
              {},
              {},
              {},
              {},
              {},
              0};
  std::vector<std::string> taken = ownNames(program);
  const auto take = [&taken](const std::vector<std::string>& names) {
    const std::vector<std::string> chosen = identifiers(names, taken);
    taken.insert(taken.end(), chosen.begin(), chosen.end());
    return chosen;
  };
  model.symbolNames = take(program.symbols);
  std::vector<std::string> rooms, locals;
  for (const Room& room : program.rooms) rooms.push_back(room.name);
  model.roomNames = take(rooms);
  for (const LocalSymbol& local : program.locals) locals.push_back(local.name);
  model.localNames = take(locals);
  std::vector<std::string> draws;
  for (const Draw& draw : program.draws) draws.push_back(draw.name);
  model.drawNames = take(draws);
  forEachKernel(program.kernels, [&](const Kernel& kernel) {
    model.isMeasured = model.isMeasured || std::holds_alternative<Measure>(kernel.body);
  });
  model.inputNames = take(bufferNames(program, program.inputs));
  model.outputNames = take(bufferNames(program, program.outputs));
  layOutWeights(model);
  if (options.profile) model.profiled = profiledKernels(program);
  return model;
}

std::string symbolText(const Model& model, const std::string& symbol) {
  const auto& symbols = model.program.symbols;
  for (std::size_t i = 0; i < symbols.size(); ++i)
    if (symbols[i] == symbol) return "dims." + model.symbolNames[i];
  for (std::size_t i = 0; i < model.program.rooms.size(); ++i)
    if (model.program.rooms[i].name == symbol) return "dims." + model.roomNames[i];
  for (std::size_t i = 0; i < model.program.locals.size(); ++i)
    if (model.program.locals[i].name == symbol) return "dims." + model.localNames[i];
  for (std::size_t i = 0; i < model.program.draws.size(); ++i)
    if (model.program.draws[i].name == symbol) return "dims." + model.drawNames[i];
  throw Error("the symbol '" + symbol + "' has no value when the model runs");
}

std::string dimText(const Model& model, const Dim& dim) {
  return dim.text([&](const std::string& symbol) { return symbolText(model, symbol); });
}

std::string memberText(const Model& model, const std::string& symbol) {
  const std::string text = symbolText(model, symbol);
  return "dims_" + text.substr(text.find('.'));
}

namespace {

/// The requirements that can be checked as soon as `wanted` is measured.
std::vector<Requirement> decidedBy(const Program& program, const Measure& wanted) {
  std::set<std::string> known(program.symbols.begin(), program.symbols.end());
  for (const Room& room : program.rooms) known.insert(room.name);
  bool reached = false;
  forEachKernel(program.kernels, [&](const Kernel& kernel) {
    const auto* measure = std::get_if<Measure>(&kernel.body);
    if (!measure || reached) return;
    known.insert(measure->symbol);
    reached = measure == &wanted;
  });
  std::vector<Requirement> result;
  for (const Requirement& requirement : program.requirements) {
    std::vector<std::string> names;
    requirement.left.collectSymbols(names);
    requirement.right.collectSymbols(names);
    const bool concerns = std::find(names.begin(), names.end(), wanted.symbol) != names.end();
    if (concerns &&
        std::all_of(names.begin(), names.end(), [&](const std::string& name) { return known.count(name); }))
      result.push_back(requirement);
  }
  return result;
}

}  // namespace

std::string measureText(const Model& model, const Measure& measure, const std::string& value,
                        const std::function<std::string(const std::string&)>& refuse,
                        const std::string& indent) {
  const auto field = [&](const std::string& symbol) { return memberText(model, symbol); };
  const Room* room = model.program.roomOf(measure.symbol);
  const std::string most =
      room ? field(room->name) : dimText(model, model.program.findLocal(measure.symbol)->most);
  std::string text = indent + "if (const int misfit = rt::measure" + (room ? "_in_room" : "") + "(" + value +
                     ", " + most + ", " + field(measure.symbol) + ")) " + refuse("misfit") + "\n";
  for (const Requirement& requirement : decidedBy(model.program, measure)) {
    const bool isEqual = requirement.relation == Requirement::Relation::Equal;
    const std::string check = indent + "if (" + dimText(model, requirement.left) +
                              (isEqual ? " != " : " < ") + dimText(model, requirement.right) + ") " +
                              refuse("3") + "\n";
    if (text.find(check) == std::string::npos) text += check;
  }
  return text;
}

std::string drawText(const Model& model, const std::string& indent) {
  std::string text;
  for (std::size_t i = 0; i < model.program.draws.size(); ++i)
    text += indent + "dims_." + model.drawNames[i] + " = random_." +
            (model.program.draws[i].kind == Draw::Kind::Run ? "run++" : "seed") + ";\n";
  return text;
}

std::string loopHead(const Model& model, const Loop& loop, const std::string& condition) {
  const std::string counter = memberText(model, loop.counter);
  return "for (" + counter + " = 0; " + counter + " < " + dimText(model, loop.trips) +
         (condition.empty() ? "" : " && " + condition) + "; ++" + counter + ")";
}

std::string placementText(const Model& model, const std::string& indent) {
  const std::string count = std::to_string(model.plan.slots.size());
  std::string text = indent + "rt::Block blocks[] = {\n";
  for (const Slot& slot : model.plan.slots)
    text += indent + "    {" + dimText(model, slot.bytes) + ", " + std::to_string(slot.first) + ", " +
            std::to_string(slot.last) + ", 0, 0},\n";
  return text + indent + "};\n" + indent + "int order[2 * " + count + "];\n" + indent +
         "const std::int64_t bytes = rt::place_blocks(blocks, " + count + ", order);\n" + indent +
         "for (int i = 0; i < " + count + "; ++i) offsets_[i] = blocks[i].offset;\n";
}

namespace {

/// A code of a storage type, else a number.
std::string elementText(const Constant& constant, std::int64_t i) {
  if (!isStorage(constant.type))
    return literal(constant.type, constant.at<double>(i), constant.at<std::int64_t>(i));
  std::uint16_t code = 0;
  const std::size_t size = sizeOf(constant.type);
  std::memcpy(&code, constant.bytes->data() + static_cast<std::size_t>(i) * size, size);
  return "{" + std::to_string(code) + "}";
}

}  // namespace

std::string inlineWeightsText(const Model& model) {
  if (!model.isInline()) return "";
  std::string text;
  for (std::size_t id = 0; id < model.weightOffset.size(); ++id) {
    if (model.weightOffset[id] < 0) continue;
    const Constant& constant = *model.program.buffers[id].constant;
    const auto count = constant.size();
    text += "alignas(64) inline constexpr " + std::string(cppType(constant.type)) + " w" +
            std::to_string(id) + "[] = {";
    for (std::int64_t i = 0; i < count; ++i) {
      text += i % 8 == 0 ? "\n    " : " ";
      text += elementText(constant, i) + ",";
    }
    text += (count == 0 ? "{}" : "") + std::string("\n};\n");
  }
  return text + "\n";
}

}  // namespace sofie
