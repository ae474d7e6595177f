#pragma once
#include <functional>
#include <string>
#include <vector>

#include "emit/scalar.hxx"
#include "sofie/costs.hxx"
#include "sofie/plan.hxx"
#include "sofie/render.hxx"

namespace sofie {

/// A model that is being rendered: what every target needs to know of it.
struct Model {
  const Program& program;
  std::string target;
  RenderOptions options;
  Plan plan;
  std::string space;                     ///< the namespace, TMVA_SOFIE_<name>
  std::vector<std::string> symbolNames;  ///< identifiers of program.symbols
  std::vector<std::string> roomNames;    ///< identifiers of program.rooms
  std::vector<std::string> localNames;   ///< identifiers of program.locals
  std::vector<std::string> drawNames;    ///< identifiers of program.draws
  std::vector<std::string> inputNames;   ///< identifiers of the inputs
  std::vector<std::string> outputNames;  ///< identifiers of the outputs
  std::vector<std::int64_t>
      weightOffset;     ///< bytes from the start of the weights, by buffer; -1 for the others
  std::string weights;  ///< the payload of the weights file
  std::vector<ProfiledKernel> profiled;  ///< with options.profile
  std::uint64_t checksum = 0;
  bool isMeasured = false;  ///< whether the data decide sizes
  bool onDevice = false;    ///< whether kernels run in memory that the host cannot read
  std::string tag = {};  ///< the default of Tag, if Engine and Session are templates of an accelerator's tag

  bool isDynamic() const { return !program.symbols.empty(); }
  bool isRandom() const { return !program.draws.empty(); }
  bool hasRooms() const { return !program.rooms.empty(); }
  bool isInline() const { return options.weights == WeightStorage::Inline; }
  const Buffer& buffer(int id) const { return program.buffers[static_cast<std::size_t>(id)]; }
};

Model describeModel(const Program& program, const std::string& target, const RenderOptions& options);

/// The C++ text of a symbol inside of generated code, where `dims` is the model's Dims.
std::string symbolText(const Model& model, const std::string& symbol);
/// A symbol as a member of an engine's `dims_`, which may be set.
std::string memberText(const Model& model, const std::string& symbol);
/// The C++ text of a dim inside of generated code, where `dims` is the model's Dims.
std::string dimText(const Model& model, const Dim& dim);

/// The `for (...)` of a loop in an engine's text; its counter is a member of the engine's `dims_`.
/// `condition` is the text of the loop's condition, empty if there is none.
std::string loopHead(const Model& model, const Loop& loop, const std::string& condition);

/// The header and the weights file. The header has standard and runtime headers, namespace, Dims, the
/// target's engine, Session and the C interface.
///
/// The engine is the text of `struct Engine` (and of what it needs), which has
///   explicit Engine(const std::string& weights);   loads or shares the weights; may throw
///   void set_weights(const std::string& path);      unless they are inline; may throw
///   void prepare(const Dims& dims);                 lays out the arena; may throw
///   int run(const void* const* inputs, void* const* outputs) noexcept;
///   const Dims& dims() const;                       after a run with what it measured; if anything is
///   std::size_t arena_bytes() const;
///   and with options.profile: std::uint64_t nanoseconds[n], calls[n] of the n profiled
///   kernels.
/// Unless weights are inline, `weights_identity` is a constant that it can use.
Files modelFiles(const Model& model, const std::vector<std::string>& includes,
                 const std::vector<std::string>& runtimeHeaders, const std::string& engine);

/// Statements that set a local symbol in `dims_` to the value and check what depends on it; refuse(fault) is
/// the statement that ends the run.
std::string measureText(const Model& model, const Measure& measure, const std::string& value,
                        const std::function<std::string(const std::string&)>& refuse,
                        const std::string& indent);

/// Statements that give the symbols of random numbers in `dims_` their values for the next run, from the
/// engine's member rt::RandomState random_.
std::string drawText(const Model& model, const std::string& indent);

/// Statements that compute the arena's offsets for `dims` into offsets_[], for plans that are not static.
std::string placementText(const Model& model, const std::string& indent);

/// Definitions of the inline weights (w<buffer>), empty when they come from a file.
std::string inlineWeightsText(const Model& model);

}  // namespace sofie
