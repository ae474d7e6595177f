#include <algorithm>

#include "sofie/error.hxx"
#include "sofie/passes.hxx"

namespace sofie {

const std::vector<Pass>& passes() {
  static const std::vector<Pass> all{
      {"drop_unit_axes", dropUnitAxes}, {"fold_constants", foldConstants},     {"fuse_epilogues", fuseEpilogues},
      {"fold_scales", foldScales},      {"inline_producers", inlineProducers}, {"remove_dead_code", removeDeadCode},
  };
  return all;
}

void optimise(Program& program, const std::vector<std::string>& disabled) {
  std::vector<Pass> enabled = passes(), last{{"merge_axes", mergeAxes}};
  for (const std::string& name : disabled) {
    const auto isNamed = [&](const Pass& pass) { return name == pass.name; };
    const std::size_t before = enabled.size() + last.size();
    enabled.erase(std::remove_if(enabled.begin(), enabled.end(), isNamed), enabled.end());
    last.erase(std::remove_if(last.begin(), last.end(), isNamed), last.end());
    if (enabled.size() + last.size() == before) throw Error("there is no pass named '" + name + "'");
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (const Pass& pass : enabled) changed = pass.run(program) || changed;
  }
  for (const Pass& pass : last) pass.run(program);
}

}  // namespace sofie
