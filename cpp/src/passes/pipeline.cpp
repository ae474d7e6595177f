#include <algorithm>

#include "sofie/error.hxx"
#include "sofie/passes.hxx"

namespace sofie {

const std::vector<Pass>& passes() {
  static const std::vector<Pass> all{
      {"integer_products", integerProducts},
      {"drop_unit_axes", dropUnitAxes},
      {"fold_constants", foldConstants},
      {"fuse_epilogues", fuseEpilogues},
      {"fold_scales", foldScales},
      {"hoist_invariants", hoistInvariants},
      {"inline_producers", inlineProducers},
      {"inline_scalars", inlineScalars},
      {"distribute_products", distributeProducts},
      {"remove_dead_code", removeDeadCode},
  };
  return all;
}

const std::vector<Layout>& layouts() {
  static const std::vector<Layout> all{
      {"channels_last", channelsLast, true}, {"sort_axes", sortAxes, false},
      {"merge_axes", mergeAxes, false},      {"sort_constants", sortConstants, false},
      {"split_batch", splitBatch, true},     {"block_rows", blockRows, true}};
  return all;
}

namespace {

std::vector<std::string> passNames() {
  std::vector<std::string> names;
  for (const Pass& pass : passes()) names.emplace_back(pass.name);
  for (const Layout& layout : layouts()) names.emplace_back(layout.name);
  return names;
}

bool isEnabled(const Program& program, const std::string& name) {
  return !std::count(program.disabledPasses.begin(), program.disabledPasses.end(), name);
}

}  // namespace

void optimise(Program& program, const std::vector<std::string>& disabled) {
  const std::vector<std::string> names = passNames();
  for (const std::string& name : disabled) {
    if (std::count(names.begin(), names.end(), name)) continue;
    std::string known;
    for (const std::string& each : names) known += (known.empty() ? "" : ", ") + each;
    throw Error("there is no pass named '" + name + "'; there are " + known);
  }
  program.disabledPasses = disabled;
  for (bool changed = true; changed;) {
    changed = false;
    for (const Pass& pass : passes())
      if (isEnabled(program, pass.name)) changed = pass.run(program) || changed;
  }
}

void layOut(Program& program, const std::string& target) {
  for (const Layout& layout : layouts())
    if ((target == "cpu" || !layout.cpuOnly) && isEnabled(program, layout.name)) layout.run(program);
}

}  // namespace sofie
