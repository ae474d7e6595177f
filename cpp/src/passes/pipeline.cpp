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

namespace {

std::string passNames() {
  std::string names;
  for (const Pass& pass : passes()) names += (names.empty() ? "" : ", ") + std::string(pass.name);
  return names;
}

}  // namespace

void optimise(Program& program, const std::vector<std::string>& disabled) {
  std::vector<Pass> enabled = passes();
  for (const std::string& name : disabled) {
    const auto isNamed = [&](const Pass& pass) { return name == pass.name; };
    const auto found = std::find_if(enabled.begin(), enabled.end(), isNamed);
    if (found == enabled.end())
      throw Error("there is no pass named '" + name + "'; there are " + passNames());
    enabled.erase(found);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (const Pass& pass : enabled) changed = pass.run(program) || changed;
  }
}

}  // namespace sofie
