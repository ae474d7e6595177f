#include <algorithm>
#include <map>
#include <set>

#include "passes/hazards.hxx"
#include "passes/row_layout.hxx"
#include "sofie/error.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// What the intermediates of a block may take, of which about half are alive at the same time: they share the
/// first-level cache with weights and inputs. Less than that needs no blocks.
constexpr std::int64_t blockBytes = 96 * 1024;
/// Rows that the tiles of matrix products like to have.
constexpr std::int64_t tileRows = 8;
constexpr std::int64_t mostRows = 128;
/// What a symbol counts where sizes must be compared before it is known.
constexpr std::int64_t typicalSize = 128;

std::int64_t typical(const Dim& dim) {
  return dim.evaluate([](const std::string&) { return typicalSize; });
}

std::int64_t typicalBytes(const Dim& elements, DType type) {
  return typical(elements) * static_cast<std::int64_t>(sizeOf(type));
}

struct Access {
  int buffer;
  std::optional<Affine> form;
  bool isWrite;
};

std::vector<Access> accesses(const Nest& nest) {
  std::vector<Access> result;
  forEachExpression(nest, [&](const Expr& expr) {
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load)
        result.push_back({node->view.buffer, address(node->view, node->args, nest.variables()), false});
    });
  });
  result.push_back({nest.target.buffer, address(nest.target, nest.targetIndex, nest.variables()), true});
  return result;
}

std::vector<Dim> extents(const Nest& nest) {
  std::vector<Dim> result = nest.axes;
  result.insert(result.end(), nest.reduction.begin(), nest.reduction.end());
  return result;
}

/// A kernel of a chain, with its variable of every loop that the chain shares.
struct Member {
  Nest nest;
  std::vector<Origin> origins;
  std::vector<Access> accesses;
  std::vector<int> shared;
};

/// The kernel as one that may be in a chain, if it may.
std::optional<Member> memberOf(const Kernel& kernel) {
  const auto* nest = std::get_if<Nest>(&kernel.body);
  if (!nest || !nest->overwrites() || !address(nest->target, nest->targetIndex, nest->variables()))
    return std::nullopt;
  return Member{*nest, kernel.origins, accesses(*nest), {}};
}

/// The nest with the axis `variable` as nested axes of the given extents.
Nest split(const Nest& nest, int variable, const std::vector<Dim>& parts) {
  Nest result = nest;
  const auto at = static_cast<std::size_t>(variable);
  const int more = static_cast<int>(parts.size()) - 1;
  std::vector<Expr> renumbered;
  for (int v = 0; v < static_cast<int>(nest.variables()); ++v)
    renumbered.push_back(index(v < variable ? v : v + more));
  Expr whole = index(variable);
  for (std::size_t part = 1; part < parts.size(); ++part)
    whole = whole * extent(parts[part]) + index(variable + static_cast<int>(part));
  renumbered[at] = whole;
  result.axes.erase(result.axes.begin() + variable);
  result.axes.insert(result.axes.begin() + variable, parts.begin(), parts.end());
  forEachExpression(result, [&](Expr& expr) { expr = substitute(expr, renumbered); });
  return result;
}

/// Kernels that follow each other and can run together, one point of the shared loops after the other: what
/// one of them leaves for another at a point, that one reads at the same point only.
class Chain {
 public:
  Chain(const Program& program, const Member& first) : program_(program), members_{first} {
    for (int v = 0; v < static_cast<int>(first.nest.axes.size()); ++v) members_[0].shared.push_back(v);
  }

  const std::vector<Member>& members() const { return members_; }

  /// Takes the kernel in if it reads what the chain writes, and that at points of its own loops.
  bool join(const Member& member) {
    for (const Access& access : member.accesses) {
      const Member* writer = access.isWrite ? nullptr : writerOf(access.buffer);
      if (writer) return access.form && append(*writer, member, access.buffer);
    }
    return false;
  }

  /// How the loops move through a buffer; `block` of the last one's points are kept and one of the others.
  std::optional<RowLayout> layoutOf(int buffer, const Dim& block) const {
    const Member* writer = writerOf(buffer);
    const auto form = writer ? storeForm(writer->nest) : std::nullopt;
    if (!form) return std::nullopt;
    std::vector<SharedLoop> loops;
    for (const int v : writer->shared)
      loops.push_back({form->stride(v), extentOf(writer->nest, v), v == writer->shared.back() ? block : 1});
    return RowLayout::of(loops);
  }

  std::set<int> written() const {
    std::set<int> result;
    for (const Member& member : members_) result.insert(member.nest.target.buffer);
    return result;
  }

  const Dim& extent(std::size_t loop) const {
    return extentOf(members_.front().nest, members_.front().shared[loop]);
  }
  std::size_t loops() const { return members_.front().shared.size(); }

 private:
  const Program& program_;
  std::vector<Member> members_;

  /// True when a product has the same constant operand at all points of the shared loops, so that it can be
  /// packed.
  bool hasFixedWeights(const Member& member) const {
    if (member.nest.kind != Nest::Kind::Contraction) return true;
    bool fixed = true;
    walk(member.nest.element, [&](const Expr& node) {
      if (node->op != Op::Load) return;
      const auto kind = program_.buffers[static_cast<std::size_t>(node->view.buffer)].kind;
      const auto form = address(node->view, node->args, member.nest.variables());
      for (const int v : member.shared)
        fixed = fixed && (kind != BufferKind::Constant || (form && form->stride(v).is(0)));
    });
    return fixed;
  }

  static std::optional<Affine> storeForm(const Nest& nest) {
    return address(nest.target, nest.targetIndex, nest.variables());
  }

  const Member* writerOf(int buffer) const {
    for (const Member& member : members_)
      if (member.nest.target.buffer == buffer) return &member;
    return nullptr;
  }

  /// How the nest first reads the buffer at affine addresses.
  static Affine readForm(const Nest& nest, int buffer) {
    for (const Access& access : accesses(nest))
      if (access.buffer == buffer && !access.isWrite && access.form) return *access.form;
    throw Error("internal: a kernel does not read the buffer that it joins a chain for");
  }

  /// The axis of the nest with that step through the buffer and that extent.
  static std::optional<int> axisOf(const Nest& nest, const Affine& form, const Dim& stride,
                                   const Dim& extent) {
    for (int v = 0; v < static_cast<int>(nest.axes.size()); ++v)
      if (form.stride(v) == stride && extentOf(nest, v) == extent) return v;
    return std::nullopt;
  }

  /// Appends the kernel that reads `buffer`, if all kernels then keep to their rows. Two kernels may drop
  /// loops to have some in common; a longer chain keeps the loops that it has.
  bool append(const Member& writer, Member member, int buffer) {
    const Affine stored = *storeForm(writer.nest);
    std::vector<int> kept;
    for (std::size_t s = 0; s < writer.shared.size();) {
      const std::size_t count = matchedLoops(writer, stored, s, buffer, member);
      for (std::size_t i = s; i < s + count; ++i) kept.push_back(writer.shared[i]);
      s += std::max<std::size_t>(count, 1);
    }
    if (kept.empty() || (members_.size() > 1 && kept.size() < writer.shared.size())) return false;
    member.accesses = accesses(member.nest);
    if (members_.size() == 1) std::swap(members_[0].shared, kept);
    members_.push_back(std::move(member));
    if (keepsRows(members_.back()) && hasFixedWeights(members_.back()) &&
        (members_.size() > 2 || hasFixedWeights(members_[0])))
      return true;
    members_.pop_back();
    if (members_.size() == 1) std::swap(members_[0].shared, kept);
    return false;
  }

  /// Finds the axis of the member that is the shared loop `first` of the writer, or that loop and the next
  /// ones as one; returns how many they are, 0 for none, after adding them to the member's shared loops.
  static std::size_t matchedLoops(const Member& writer, const Affine& stored, std::size_t first, int buffer,
                                  Member& member) {
    const Affine form = readForm(member.nest, buffer);
    std::vector<Dim> parts;
    Dim whole = 1;
    for (std::size_t last = first; last < writer.shared.size(); ++last) {
      const Dim stride = stored.stride(writer.shared[last]);
      const Dim& size = extentOf(writer.nest, writer.shared[last]);
      if (last > first && stored.stride(writer.shared[last - 1]) != stride * size) return 0;
      parts.push_back(size);
      whole = whole * size;
      const auto axis = axisOf(member.nest, form, stride, whole);
      if (!axis) continue;
      member.nest = split(member.nest, *axis, parts);
      for (int& v : member.shared)
        if (v > *axis) v += static_cast<int>(parts.size()) - 1;
      for (std::size_t part = 0; part < parts.size(); ++part)
        member.shared.push_back(*axis + static_cast<int>(part));
      return parts.size();
    }
    return 0;
  }

  /// True when every access to what the chain writes and the member uses keeps to its own points of the
  /// shared loops.
  bool keepsRows(const Member& member) const {
    std::set<int> buffers;
    for (const Access& access : member.accesses) buffers.insert(access.buffer);
    return std::all_of(buffers.begin(), buffers.end(), [&](int buffer) {
      return !writerOf(buffer) || uses(buffer) == 1 || keepsRows(buffer);
    });
  }

  int uses(int buffer) const {
    int result = 0;
    for (const Member& member : members_)
      for (const Access& access : member.accesses) result += access.buffer == buffer;
    return result;
  }

  bool keepsRows(int buffer) const {
    const auto layout = layoutOf(buffer, 1);
    if (!layout) return false;
    for (const Member& member : members_)
      for (const Access& access : member.accesses) {
        if (access.buffer != buffer) continue;
        if (!access.form || !layout->keepsRows(*access.form, member.shared, extents(member.nest)))
          return false;
      }
    return true;
  }
};

/// Rewrites the kernels of a chain as loops over blocks of rows.
class Blocking {
 public:
  Blocking(Program& program, const Chain& chain, const Uses& uses) : program_(program), chain_(chain) {
    for (const int buffer : chain.written())
      if (isPrivate(buffer, uses)) private_.push_back(buffer);
    chooseRows();
  }

  /// True when the intermediates are so large that blocks of them pay.
  bool pays() const {
    const auto most = trips(chain_.loops() - 1).upperBound();
    if (most && *most <= 1) return false;
    return bytes(1, true) >= blockBytes && typical(rows()) > block_;
  }

  Kernel kernel() {
    for (const int buffer : private_) contract(buffer);
    std::vector<std::string> names;
    std::vector<Dim> counters;
    for (std::size_t loop = 0; loop < chain_.loops(); ++loop) {
      names.push_back(counterName(loop));
      counters.push_back(program_.local(names.back(), lastTrip(loop)));
    }
    std::vector<Origin> origins;
    std::vector<Kernel> body;
    for (const Member& member : chain_.members()) {
      origins = joinOrigins(origins, member.origins);
      body.push_back({rewritten(member, counters), member.origins});
    }
    for (std::size_t loop = chain_.loops(); loop-- > 0;)
      body = {{Loop{names[loop], trips(loop), std::nullopt, std::move(body), true}, origins}};
    return std::move(body.front());
  }

 private:
  struct Contracted {
    int buffer;
    RowLayout layout;
  };

  Program& program_;
  const Chain& chain_;
  std::vector<int> private_;  ///< buffers that only the chain uses
  std::int64_t block_ = 1;    ///< rows
  std::map<int, Contracted> contracted_;

  const Dim& rows() const { return chain_.extent(chain_.loops() - 1); }
  Dim trips(std::size_t loop) const {
    return loop + 1 == chain_.loops() ? ceilDiv(rows(), block_) : chain_.extent(loop);
  }

  /// True when the chain alone uses the buffer, and somebody in it reads it.
  bool isPrivate(int buffer, const Uses& uses) const {
    const auto id = static_cast<std::size_t>(buffer);
    if (program_.buffers[id].kind != BufferKind::Temporary || !contractedElements(buffer, 1)) return false;
    int reads = 0, writes = 0;
    for (const Member& member : chain_.members()) {
      writes += member.nest.target.buffer == buffer;
      reads += readBuffers(member.nest).count(buffer) ? 1 : 0;
    }
    return reads > 0 && reads == uses.reads[id] && writes == uses.writes[id];
  }

  std::optional<Dim> contractedElements(int buffer, const Dim& block) const {
    const auto layout = chain_.layoutOf(buffer, block);
    const Dim whole = product(program_.buffers[static_cast<std::size_t>(buffer)].shape);
    if (!layout) return std::nullopt;
    const Dim kept = layout->contracted(whole);
    return kept == whole ? std::nullopt : std::optional<Dim>(kept);
  }

  /// Typical bytes of the private buffers, whole or of a block.
  std::int64_t bytes(std::int64_t block, bool whole) const {
    std::int64_t total = 0;
    for (const int id : private_) {
      const Buffer& buffer = program_.buffers[static_cast<std::size_t>(id)];
      const Dim elements = whole ? product(buffer.shape) : *contractedElements(id, block);
      total += typicalBytes(elements, buffer.type);
    }
    return total;
  }

  /// As many rows as the cache holds; of a known number of rows a divisor near that, if there is one.
  void chooseRows() {
    const std::int64_t fitting = blockBytes / std::max<std::int64_t>(bytes(1, false), 1);
    block_ = std::clamp(fitting / tileRows * tileRows, tileRows, mostRows);
    const auto known = rows().value();
    if (!known) return;
    const auto distance = [&](std::int64_t size) {
      return std::abs(size - block_) + (size % tileRows ? 4 : 0);
    };
    std::optional<std::int64_t> best;
    for (std::int64_t size = std::max<std::int64_t>(block_ / 2, 1); size <= std::min(2 * block_, *known);
         ++size)
      if (*known % size == 0 && (!best || distance(size) < distance(*best))) best = size;
    block_ = best.value_or(block_);
  }

  void contract(int id) {
    const Buffer& buffer = program_.buffers[static_cast<std::size_t>(id)];
    const Shape shape{*contractedElements(id, block_)};
    const int fresh = program_.addBuffer({BufferKind::Temporary, buffer.type, shape, "", std::nullopt, true});
    contracted_.emplace(id, Contracted{fresh, *chain_.layoutOf(id, block_)});
  }

  Dim lastTrip(std::size_t loop) const { return max(trips(loop) - 1, 0); }

  /// The symbol of the number of a loop's iteration, which chains of equal loops share.
  std::string counterName(std::size_t loop) const {
    for (int number = 0;; ++number) {
      const std::string name = "block" + std::to_string(loop) + "_" + std::to_string(number);
      if (std::count(program_.symbols.begin(), program_.symbols.end(), name)) continue;
      const LocalSymbol* taken = program_.findLocal(name);
      if (!taken || taken->most == program_.most(lastTrip(loop))) return name;
    }
  }

  Nest rewritten(const Member& member, const std::vector<Dim>& counters) const {
    const Nest& old = member.nest;
    const int count = static_cast<int>(old.variables());
    // Index `count + v` is variable v within its block.
    std::vector<Expr> renumbered(static_cast<std::size_t>(2 * count));
    Nest nest = old;
    nest.axes.clear();
    int next = 0;
    for (int v = 0; v < count; ++v) {
      const auto found = std::find(member.shared.begin(), member.shared.end(), v);
      const auto loop = static_cast<std::size_t>(found - member.shared.begin());
      const bool isBlocked = loop + 1 == member.shared.size(), isShared = found != member.shared.end();
      Expr here = isShared && !isBlocked ? integer(DType::Int64, 0) : index(next);
      Expr everywhere = isBlocked  ? extent(counters[loop] * block_) + here
                        : isShared ? extent(counters[loop])
                                   : here;
      renumbered[static_cast<std::size_t>(v)] = everywhere;
      renumbered[static_cast<std::size_t>(count + v)] = here;
      if (isShared && !isBlocked) continue;
      ++next;
      if (v < static_cast<int>(old.axes.size()))
        nest.axes.push_back(isBlocked ? rowsOf(counters[loop]) : extentOf(old, v));
    }
    forEachExpression(nest, [&](Expr& expr) {
      expr = rewrite(expr, [&](const Expr& node) -> Expr {
        if (node->op != Op::Load || !staysInside(old, node->view, node->args)) return {};
        Tensor tensor{node->type, node->view};
        std::vector<Expr> indices = node->args;
        moveIntoBlock(member, counters, tensor.view, indices);
        return load(tensor, indices);
      });
    });
    moveIntoBlock(member, counters, nest.target, nest.targetIndex);
    forEachExpression(nest, [&](Expr& expr) { expr = substitute(expr, renumbered); });
    return nest;
  }

  Dim rowsOf(const Dim& counter) const {
    if (rows().isConstant() && rows().constant() % block_ == 0) return block_;
    return min(block_, rows() - counter * block_);
  }

  /// Lets an access of a member begin where its block begins, or go to the contraction of its buffer.
  void moveIntoBlock(const Member& member, const std::vector<Dim>& counters, View& view,
                     std::vector<Expr>& indices) const {
    const int count = static_cast<int>(member.nest.variables());
    const auto form = address(view, indices, static_cast<std::size_t>(count));
    if (!form) return;
    const auto contracted = contracted_.find(view.buffer);
    const RowLayout* const layout = contracted == contracted_.end() ? nullptr : &contracted->second.layout;
    View moved{layout ? contracted->second.buffer : view.buffer,
               layout ? layout->contracted(form->offset) : form->offset,
               {},
               {}};
    indices.clear();
    for (int v = 0; v < count; ++v) {
      const Dim stride = form->stride(v);
      if (stride.is(0)) continue;
      const auto found = std::find(member.shared.begin(), member.shared.end(), v);
      const auto loop = static_cast<std::size_t>(found - member.shared.begin());
      const bool isShared = found != member.shared.end(), isBlocked = loop + 1 == member.shared.size();
      if (isShared && !layout)
        moved.offset = moved.offset + stride * counters[loop] * (isBlocked ? block_ : 1);
      if (isShared && !isBlocked) continue;
      moved.shape.push_back(isBlocked ? Dim(block_) : extentOf(member.nest, v));
      moved.strides.push_back(!layout    ? stride
                              : isShared ? layout->keptStride(loop)
                                         : layout->contracted(stride));
      indices.push_back(index(count + v));
    }
    view = moved;
  }
};

}  // namespace

namespace {

/// The kernels of a program, those that cannot be in a chain as nothing.
std::vector<std::optional<Member>> membersOf(const Program& program) {
  std::vector<std::optional<Member>> result;
  for (const Kernel& kernel : program.kernels) result.push_back(memberOf(kernel));
  return result;
}

/// Typical bytes that any chain from each member on can write: no fewer than those of its intermediates.
std::vector<std::int64_t> bytesFrom(const Program& program,
                                    const std::vector<std::optional<Member>>& members) {
  std::vector<std::int64_t> result(members.size() + 1, 0);
  for (std::size_t i = members.size(); i-- > 0;) {
    if (!members[i]) continue;
    const Buffer& written = program.buffers[static_cast<std::size_t>(members[i]->nest.target.buffer)];
    result[i] = result[i + 1] + typicalBytes(product(written.shape), written.type);
  }
  return result;
}

/// The chain of kernels from the first one on, as loops over blocks; nullopt when that does not pay. `last`
/// is set to the kernel behind it.
std::optional<Kernel> blocked(Program& program, const Uses& uses,
                              const std::vector<std::optional<Member>>& members, std::size_t first,
                              std::size_t& last) {
  Chain chain(program, *members[first]);
  for (last = first + 1; last < members.size() && members[last] && chain.join(*members[last]);) ++last;
  if (last == first + 1) return std::nullopt;
  Blocking blocking(program, chain, uses);
  return blocking.pays() ? std::optional<Kernel>(blocking.kernel()) : std::nullopt;
}

}  // namespace

void blockRows(Program& program) {
  const Uses uses = countUses(program);
  const auto members = membersOf(program);
  const std::vector<std::int64_t> bytes = bytesFrom(program, members);
  std::vector<Kernel> result;
  for (std::size_t first = 0; first < program.kernels.size();) {
    std::size_t last = 0;
    std::optional<Kernel> kernel;
    if (bytes[first] >= blockBytes) kernel = blocked(program, uses, members, first, last);
    result.push_back(kernel ? std::move(*kernel) : program.kernels[first]);
    first = kernel ? last : first + 1;
  }
  program.kernels = std::move(result);
}

}  // namespace sofie
