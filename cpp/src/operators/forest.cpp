#include "forest.hxx"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "scores.hxx"

namespace sofie {
namespace {

constexpr std::array<Op, 6> comparisons{Op::Le, Op::Lt, Op::Ge, Op::Gt, Op::Eq, Op::Ne};

/// Counts comparisons on the ways from the roots. \throws InvalidModelError when a way leads back
class LongestWay {
 public:
  LongestWay(const Operator& op, const Forest& forest)
      : op_(op), forest_(forest), lengths_(forest.branches.size(), unseen) {}

  std::int64_t from(int root) {
    if (root < 0) return 0;
    open_ = {root};
    while (!open_.empty()) visit(open_.back());
    return at(root);
  }

 private:
  static constexpr std::int64_t unseen = 0, underway = -1;

  const Operator& op_;
  const Forest& forest_;
  std::vector<std::int64_t> lengths_;  ///< from each branch on
  std::vector<int> open_;

  std::int64_t& at(int branch) { return lengths_[static_cast<std::size_t>(branch)]; }

  /// Opens the children of a branch, or closes it when they are done.
  void visit(int branch) {
    if (at(branch) > 0) return open_.pop_back();
    at(branch) = underway;
    const Branch& node = forest_.branches[static_cast<std::size_t>(branch)];
    std::int64_t longest = 0;
    bool done = true;
    for (const int child : {node.yes, node.no}) {
      if (child < 0) continue;
      if (at(child) == underway) op_.invalid("a way through its trees leads back to where it was");
      if (at(child) == unseen) open_.push_back(child);
      done = done && at(child) > 0;
      longest = std::max(longest, at(child));
    }
    if (done) at(branch) = longest + 1;
  }
};

/// \throws InvalidModelError when the lists of an attribute group differ in length
void requireLength(const Operator& op, const std::string& name, std::size_t size, std::size_t expected) {
  if (size != expected)
    op.invalid("the attribute '" + name + "' has " + std::to_string(size) + " elements where " +
               std::to_string(expected) + " are expected");
}

void requireRange(const Operator& op, const std::string& what, std::int64_t value, std::int64_t limit) {
  if (value < 0 || value >= limit)
    op.invalid(what + " is " + std::to_string(value) + ", but must be in [0, " + std::to_string(limit) + ")");
}

/// A list of integers of known length.
std::vector<std::int64_t> integersOf(const Operator& op, const std::string& name, std::size_t size) {
  const auto values = op.integers(name);
  requireLength(op, name, values.size(), size);
  return values;
}

void addVote(const Operator& op, Forest& forest, std::size_t leaf, const Vote& vote) {
  requireRange(op, "the target of leaf " + std::to_string(leaf), vote.target, forest.targets);
  forest.leaves[leaf].push_back(vote);
}

/// Fills in what follows from branches and roots.
Forest completed(const Operator& op, Forest forest) {
  constexpr std::int64_t mostFeatures = std::int64_t(1) << 31;
  if (forest.roots.empty()) op.invalid("it has no trees");
  for (const Branch& branch : forest.branches) {
    requireRange(op, "the feature of a node", branch.feature, mostFeatures);
    forest.features = std::max(forest.features, branch.feature + 1);
  }
  LongestWay longest(op, forest);
  for (const int root : forest.roots) forest.depth = std::max(forest.depth, longest.from(root));
  return forest;
}

// --- nodes named by tree and number ------------------------------------------------------------------------

class NamedForest {
 public:
  NamedForest(const Operator& op, const std::string& votes, std::int64_t targets)
      : op_(op), trees_(op.integers("nodes_treeids")), votes_(votes) {
    forest_.targets = targets;
    if (op.hasAttribute("nodes_values_as_tensor"))
      forest_.type = op.attribute<Constant>("nodes_values_as_tensor").type;
  }

  Forest read() {
    numberNodes();
    readBranches();
    readVotes();
    return completed(op_, std::move(forest_));
  }

 private:
  using Name = std::pair<std::int64_t, std::int64_t>;  ///< tree, number

  const Operator& op_;
  std::vector<std::int64_t> trees_;
  std::string votes_;
  Forest forest_;
  std::vector<std::string> modes_;
  std::map<Name, int> nodes_;  ///< a branch, or ~leaf

  static std::string text(const Name& name) {
    return "node " + std::to_string(name.second) + " of tree " + std::to_string(name.first);
  }

  /// Gives each node its place; the first node of a tree is its root.
  void numberNodes() {
    if (trees_.empty()) op_.invalid("it has no trees");
    modes_ = op_.attribute<std::vector<std::string>>("nodes_modes");
    requireLength(op_, "nodes_modes", modes_.size(), trees_.size());
    const auto numbers = integersOf(op_, "nodes_nodeids", trees_.size());
    std::map<std::int64_t, bool> started;
    for (std::size_t i = 0; i < trees_.size(); ++i) {
      const bool leaf = modes_[i] == "LEAF";
      const int place =
          leaf ? ~static_cast<int>(forest_.leaves.size()) : static_cast<int>(forest_.branches.size());
      const Name name{trees_[i], numbers[i]};
      if (!nodes_.emplace(name, place).second) op_.invalid(text(name) + " is there twice");
      if (leaf)
        forest_.leaves.emplace_back();
      else
        forest_.branches.push_back({comparison(name, modes_[i]), 0, 0, false, 0, 0});
      if (started.emplace(trees_[i], true).second) forest_.roots.push_back(place);
    }
  }

  Op comparison(const Name& name, const std::string& mode) const {
    static constexpr std::array<const char*, 6> modes{"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                                      "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    const auto found = std::find(modes.begin(), modes.end(), mode);
    if (found == modes.end()) op_.invalid(text(name) + " has the unknown mode '" + mode + "'");
    return comparisons[static_cast<std::size_t>(found - modes.begin())];
  }

  int child(std::size_t node, std::int64_t number) const {
    const auto found = nodes_.find({trees_[node], number});
    if (found == nodes_.end())
      op_.invalid("a node leads to " + text({trees_[node], number}) + ", which does not exist");
    return found->second;
  }

  void readBranches() {
    const std::size_t size = trees_.size();
    const auto features = integersOf(op_, "nodes_featureids", size);
    const auto yes = integersOf(op_, "nodes_truenodeids", size);
    const auto no = integersOf(op_, "nodes_falsenodeids", size);
    const auto thresholds = realsOf(op_, "nodes_values");
    requireLength(op_, "nodes_values", thresholds.size(), size);
    auto missing = op_.integers("nodes_missing_value_tracks_true");
    if (missing.empty()) missing.assign(size, 0);
    requireLength(op_, "nodes_missing_value_tracks_true", missing.size(), size);
    std::size_t branch = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (modes_[i] == "LEAF") continue;
      Branch& node = forest_.branches[branch++];
      node = {node.comparison, features[i],      thresholds[i],
              missing[i] != 0, child(i, yes[i]), child(i, no[i])};
    }
  }

  /// Votes of other nodes than leaves never count.
  void readVotes() {
    const auto targets = op_.integers(votes_ + "_ids");
    const auto trees = integersOf(op_, votes_ + "_treeids", targets.size());
    const auto numbers = integersOf(op_, votes_ + "_nodeids", targets.size());
    const auto weights = realsOf(op_, votes_ + "_weights");
    requireLength(op_, votes_ + "_weights", weights.size(), targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const auto found = nodes_.find({trees[i], numbers[i]});
      if (found == nodes_.end())
        op_.invalid("there are weights of " + text({trees[i], numbers[i]}) + ", which does not exist");
      if (found->second < 0)
        addVote(op_, forest_, static_cast<std::size_t>(~found->second), {targets[i], weights[i]});
    }
  }
};

// --- nodes by position -------------------------------------------------------------------------------------

constexpr std::int64_t member = 6;  ///< the mode of a node that tests for a set of values

class PositionalForest {
 public:
  explicit PositionalForest(const Operator& op) : op_(op) {}

  Forest read() {
    forest_.targets = op_.attribute<std::int64_t>("n_targets");
    if (forest_.targets < 1) op_.invalid("the attribute 'n_targets' must be positive");
    readLeaves();
    readBranches();
    for (const std::int64_t root : op_.attribute<std::vector<std::int64_t>>("tree_roots")) {
      requireRange(op_, "a root", root, nodes_);
      forest_.roots.push_back(static_cast<int>(root));
    }
    return completed(op_, std::move(forest_));
  }

 private:
  const Operator& op_;
  Forest forest_;
  std::int64_t nodes_ = 0;
  std::vector<double> members_;
  std::size_t nextMember_ = 0;

  std::vector<double> tensor(const std::string& name, std::size_t size) const {
    const Constant& constant = op_.attribute<Constant>(name);
    requireLength(op_, name, static_cast<std::size_t>(constant.size()), size);
    return numbers(constant);
  }

  static std::vector<double> numbers(const Constant& constant) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < constant.size(); ++i) values.push_back(constant.at<double>(i));
    return values;
  }

  void readLeaves() {
    const auto targets = op_.attribute<std::vector<std::int64_t>>("leaf_targetids");
    forest_.type = op_.attribute<Constant>("leaf_weights").type;
    const auto weights = tensor("leaf_weights", targets.size());
    forest_.leaves.resize(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) addVote(op_, forest_, i, {targets[i], weights[i]});
  }

  void readBranches() {
    const auto features = op_.attribute<std::vector<std::int64_t>>("nodes_featureids");
    const std::size_t size = features.size();
    nodes_ = static_cast<std::int64_t>(size);
    const auto modes = tensor("nodes_modes", size), splits = tensor("nodes_splits", size);
    const auto yes = children("true", size), no = children("false", size);
    auto missing = op_.integers("nodes_missing_value_tracks_true");
    if (missing.empty()) missing.assign(size, 0);
    requireLength(op_, "nodes_missing_value_tracks_true", missing.size(), size);
    if (op_.hasAttribute("membership_values"))
      members_ = numbers(op_.attribute<Constant>("membership_values"));
    for (std::size_t i = 0; i < size; ++i)
      forest_.branches.push_back({Op::Eq, features[i], splits[i], missing[i] != 0, yes[i], no[i]});
    for (std::size_t i = 0; i < size; ++i) {
      const auto mode = static_cast<std::int64_t>(modes[i]);
      requireRange(op_, "the mode of node " + std::to_string(i), mode, member + 1);
      if (mode == member)
        testMembers(i);
      else
        forest_.branches[i].comparison = comparisons[static_cast<std::size_t>(mode)];
    }
  }

  std::vector<int> children(const std::string& kind, std::size_t size) const {
    const auto places = integersOf(op_, "nodes_" + kind + "nodeids", size);
    const auto isLeaf = integersOf(op_, "nodes_" + kind + "leafs", size);
    std::vector<int> result;
    for (std::size_t i = 0; i < size; ++i) {
      const auto limit = static_cast<std::int64_t>(isLeaf[i] != 0 ? forest_.leaves.size() : size);
      requireRange(op_, "the " + kind + " child of node " + std::to_string(i), places[i], limit);
      const int place = static_cast<int>(places[i]);
      result.push_back(isLeaf[i] != 0 ? ~place : place);
    }
    return result;
  }

  /// Compares with one member after the other; the sets end with a NaN, which nothing is equal to.
  void testMembers(std::size_t node) {
    const Branch test = forest_.branches[node];
    for (std::size_t at = node;;) {
      if (nextMember_ == members_.size())
        op_.invalid("'membership_values' ends before the set of a node does");
      Branch& branch = forest_.branches[at];
      branch.threshold = members_[nextMember_++];
      if (std::isnan(branch.threshold)) return;
      at = forest_.branches.size();
      branch.no = static_cast<int>(at);
      forest_.branches.push_back(test);
    }
  }
};

}  // namespace

Forest namedForest(const Operator& op, const std::string& votes, std::int64_t targets) {
  return NamedForest(op, votes, targets).read();
}

Forest positionalForest(const Operator& op) { return PositionalForest(op).read(); }

}  // namespace sofie
