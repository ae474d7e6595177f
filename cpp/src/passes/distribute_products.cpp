#include <algorithm>
#include <map>

#include "passes/evaluation.hxx"
#include "passes/hazards.hxx"
#include "passes/linear_terms.hxx"
#include "passes/reindex.hxx"
#include "sofie/builder.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// A product of this many elements costs no less than to read and add its result.
constexpr std::int64_t leastDepth = 3;
/// Larger products of constants are not computed when code is generated.
constexpr std::int64_t largestTable = std::int64_t(1) << 20;

/// A contraction as the product of what its left operand holds in rows with constant weights.
struct Product {
  Expr left, weights;
  std::vector<int> rows, columns;
  int depth;
};

bool isConstant(const Program& program, const Expr& load) {
  return program.buffers[static_cast<std::size_t>(load->view.buffer)].kind == BufferKind::Constant;
}

std::optional<Product> productOf(const Program& program, const Nest& nest) {
  if (nest.kind != Nest::Kind::Contraction || !isFloat(nest.element.type())) return std::nullopt;
  if (nest.reduction.size() != 1 || !nest.reduction[0].isConstant()) return std::nullopt;
  const bool swapped = isConstant(program, nest.element->args[0]);
  Product result{nest.element->args[swapped ? 1 : 0],
                 nest.element->args[swapped ? 0 : 1],
                 {},
                 {},
                 static_cast<int>(nest.axes.size())};
  if (isConstant(program, result.left) || !isConstant(program, result.weights)) return std::nullopt;
  const auto moves = address(result.left->view, result.left->args, nest.variables());
  const auto turns = address(result.weights->view, result.weights->args, nest.variables());
  if (!moves || !turns) return std::nullopt;
  for (std::size_t v = 0; v < nest.axes.size(); ++v) {
    if (!moves->strides[v].is(0) && !turns->strides[v].is(0)) return std::nullopt;
    (turns->strides[v].is(0) ? result.rows : result.columns).push_back(static_cast<int>(v));
  }
  const auto isKnown = [&](int v) { return extentOf(nest, v).isConstant(); };
  if (result.columns.empty() || !std::all_of(result.columns.begin(), result.columns.end(), isKnown))
    return std::nullopt;
  return result;
}

/// Consecutive elements of the depth of a product.
struct Part {
  std::int64_t start = 0, extent = 0;
  Expr element;  ///< over the product's loops, the depth counted from the start; or empty
  std::optional<std::size_t> writer;  ///< the kernel that stores it
  std::vector<Expr> place;            ///< where in the product's loops the points of the writer are read
  std::vector<Term> terms;            ///< what it is the sum of, if it is multiplied apart
};

/// Takes parts of one product out of it.
class Distribution {
 public:
  Distribution(Program& program, std::vector<Kernel>& kernels, const Uses& uses, std::size_t at,
               const Product& product)
      : program_(program),
        kernels_(kernels),
        uses_(uses),
        at_(at),
        product_(product),
        nest_(std::get<Nest>(kernels[at].body)),
        depth_(nest_.reduction[0].constant()),
        builder_(program) {
    for (const int v : product_.rows) rows_ = rows_ * nest_.axes[static_cast<std::size_t>(v)];
    for (const int v : product_.columns) columns_.push_back(nest_.axes[static_cast<std::size_t>(v)]);
  }

  bool run() {
    collectParts();
    chooseTerms();
    std::vector<std::size_t> rest;
    for (std::size_t p = 0; p < parts_.size(); ++p)
      if (parts_[p].terms.empty()) rest.push_back(p);
    if (rest.size() == parts_.size()) return false;
    const bool adjacent = rest.empty() || rest.back() - rest.front() + 1 == rest.size();
    if (!ownsLeft_ && !adjacent) return false;
    builder_.setOrigins(kernels_[at_].origins);
    Expr sum;
    std::vector<Kernel> products = builder_.recorded([&] { sum = sumOfProducts(); });
    if (rest.empty())
      becomeMap(sum);
    else
      keep(rest, sum);
    replace(std::move(products));
    return true;
  }

 private:
  Program& program_;
  std::vector<Kernel>& kernels_;
  const Uses& uses_;
  std::size_t at_;
  const Product& product_;
  Nest nest_;
  std::int64_t depth_;
  Builder builder_;
  Dim rows_ = 1;
  Shape columns_;
  std::vector<Part> parts_;
  bool ownsLeft_ = false;  ///< the left operand is there for this product alone
  std::map<std::string, Tensor> values_, products_;

  // --- what the left operand consists of -------------------------------------------------------------------

  void collectParts() {
    if (!collectWriters()) parts_ = {{0, depth_, product_.left, {}, {}, {}}};
    for (Part& part : parts_)
      if (part.element && !mayMove(part)) part.element = Expr();
  }

  bool collectWriters() {
    const int buffer = product_.left->view.buffer;
    const auto id = static_cast<std::size_t>(buffer);
    int writers = 0;
    for (std::size_t k = 0; k < at_; ++k) {
      if (!writtenBuffers(kernels_[k]).count(buffer)) continue;
      const auto* writer = std::get_if<Nest>(&kernels_[k].body);
      if (!writer || !writer->overwrites() || !addPart(*writer, k)) return false;
      ++writers;
    }
    if (writers != uses_.writes[id] || !coversDepth()) return false;
    ownsLeft_ = program_.buffers[id].kind == BufferKind::Temporary && uses_.reads[id] == 1 &&
                !reads(nest_.epilogue, buffer);
    return true;
  }

  bool coversDepth() {
    std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) { return a.start < b.start; });
    std::int64_t end = 0;
    for (const Part& part : parts_) {
      if (part.start != end) return false;
      end += part.extent;
    }
    return end == depth_;
  }

  static bool reads(const Expr& expr, int buffer) {
    bool found = false;
    walk(expr,
         [&](const Expr& node) { found = found || (node->op == Op::Load && node->view.buffer == buffer); });
    return found;
  }

  /// The part that a nest stores: all rows of some of the depth.
  bool addPart(const Nest& writer, std::size_t kernel) {
    const auto store = storeAddress(writer);
    const auto read = address(product_.left->view, product_.left->args, nest_.variables());
    if (!store) return false;
    std::vector<AddressAxis> axes;
    Dim rows = 1;
    for (std::size_t v = 0; v < nest_.variables(); ++v) {
      const Dim& extent = extentOf(nest_, static_cast<int>(v));
      axes.push_back({read->strides[v], extent, index(static_cast<int>(v))});
      if (v < nest_.axes.size() && !read->strides[v].is(0)) rows = rows * extent;
    }
    const auto place = mapPoints(store->axes, axes, store->offset - read->offset);
    if (!place) return false;
    const auto position = affine(place->back(), writer.axes.size());
    Dim extent = 1;
    for (std::size_t v = 0; v < writer.axes.size(); ++v)
      extent = extent + position->strides[v] * (writer.axes[v] - 1);
    if (!position->offset.isConstant() || !extent.isConstant() || product(writer.axes) != rows * extent)
      return false;
    Part part{position->offset.constant(), extent.constant(), {}, kernel, *place, {}};
    axes.back().extent = extent;
    const Dim offset = read->offset + read->strides.back() * part.start - store->offset;
    const auto origin = mapPoints(axes, store->axes, offset);
    if (origin && writer.kind == Nest::Kind::Map) part.element = substitute(writer.element, *origin);
    parts_.push_back(part);
    return true;
  }

  /// True when what the part reads is the same where its product would be computed and added.
  bool mayMove(const Part& part) const {
    if (reads(part.element, nest_.target.buffer)) return false;
    for (std::size_t k = part.writer.value_or(at_) + 1; k < at_; ++k)
      for (const int buffer : writtenBuffers(kernels_[k]))
        if (reads(part.element, buffer)) return false;
    return true;
  }

  // --- which parts are multiplied apart --------------------------------------------------------------------

  enum class Gain { None, Unknown, Sure };

  void chooseTerms() {
    std::vector<Part*> undecided;
    for (Part& part : parts_) {
      if (!part.element) continue;
      part.terms = termsOf(part);
      if (gain(part, part.terms) == Gain::Unknown) undecided.push_back(&part);
    }
    std::vector<Part*> without;
    for (Part* part : undecided)
      if (!hasTwoEnds(part->terms, undecided)) without.push_back(part);
    for (Part* part : without) part->terms.clear();
  }

  /// The part as one term, or else as several, where these may have fewer points than the product has rows.
  std::vector<Term> termsOf(const Part& part) const {
    if (const auto whole = termOf(nest_, part.element, product_.depth))
      if (gain(part, {*whole}) != Gain::None) return {*whole};
    std::vector<Term> terms;
    for (const Summand& summand : summands(part.element)) {
      auto term = termOf(nest_, summand.expression, product_.depth);
      if (!term) return {};
      term->isNegative = summand.isNegative;
      terms.push_back(*term);
    }
    if (gain(part, terms) == Gain::None) terms.clear();
    return terms;
  }

  Gain gain(const Part& part, const std::vector<Term>& terms) const {
    if (part.extent < leastDepth * static_cast<std::int64_t>(terms.size())) return Gain::None;
    if (isThisProduct(terms)) return Gain::None;
    Dim points = 0;
    bool undecided = true;
    for (const Term& term : terms) {
      if (isRepeated(term) || isTable(part, term)) continue;
      points = points + term.points();
      undecided = undecided && term.coordinates.size() == 1 && term.coordinates[0]->op == Op::CheckedIndex &&
                  !term.extents[0].isConstant();
    }
    const Dim saved = rows_ - points * 2;
    const auto low = saved.lowerBound(), high = saved.upperBound();
    if (points.is(0) || (low && *low >= 0)) return Gain::Sure;
    return undecided && !(high && *high < 0) ? Gain::Unknown : Gain::None;
  }

  /// True when what would be multiplied apart is all that this product multiplies, in as many rows.
  bool isThisProduct(const std::vector<Term>& terms) const {
    return parts_.size() == 1 && terms.size() == 1 && rows_ == terms[0].points() && isInLoops(terms[0]);
  }

  static bool isInLoops(const Term& term) {
    return std::all_of(term.coordinates.begin(), term.coordinates.end(),
                       [](const Expr& coordinate) { return coordinate->op == Op::Index; });
  }

  /// True when every element stands in as many rows as a loop of unknown length has.
  bool isRepeated(const Term& term) const {
    if (!isInLoops(term)) return false;
    const auto times = Dim::exactDivide(rows_, term.points());
    return times && !times->isConstant();
  }

  /// True for constants, as of an embedding, whose product becomes a constant, too.
  bool isTable(const Part& part, const Term& term) const {
    const auto size = (term.points() * product(columns_) * part.extent).value();
    return size && *size <= largestTable && readsOnlyConstants(program_, term.value);
  }

  /// True when the same values are read at another place, too: what has two ends in a set, as edges have in
  /// nodes, is hardly less numerous than the set.
  static bool hasTwoEnds(const std::vector<Term>& terms, const std::vector<Part*>& parts) {
    const auto isOtherEnd = [](const Term& a, const Term& b) {
      return a.valueKey() == b.valueKey() && a.placeKey() != b.placeKey();
    };
    return std::all_of(terms.begin(), terms.end(), [&](const Term& term) {
      return std::any_of(parts.begin(), parts.end(), [&](const Part* part) {
        return std::any_of(part->terms.begin(), part->terms.end(),
                           [&](const Term& other) { return isOtherEnd(term, other); });
      });
    });
  }

  // --- their products --------------------------------------------------------------------------------------

  struct Addend {
    Tensor values;
    std::vector<Expr> coordinates;
    bool isNegative;
  };

  /// What is added up at equal coordinates.
  struct Place {
    std::vector<Expr> coordinates;
    std::vector<Addend> addends;

    std::optional<std::size_t> find(const Expr& coordinate) const {
      for (std::size_t i = 0; i < coordinates.size(); ++i)
        if (text(coordinates[i]) == text(coordinate)) return i;
      return std::nullopt;
    }

    bool includes(const std::vector<Expr>& others) const {
      return std::all_of(others.begin(), others.end(),
                         [&](const Expr& other) { return find(other).has_value(); });
    }
  };

  static Expr joined(const Expr& sum, const Expr& next, bool isNegative) {
    if (!sum) return isNegative ? unary(Op::Neg, next) : next;
    return isNegative ? sum - next : sum + next;
  }

  /// The products, those with fewer coordinates first.
  std::vector<Place> places() {
    std::map<std::pair<std::size_t, std::string>, Place> found;
    for (const Part& part : parts_)
      for (const Term& term : part.terms) {
        Place& place = found[{term.coordinates.size(), term.placeKey()}];
        place.coordinates = term.coordinates;
        place.addends.push_back({productOfTerm(part, term), term.coordinates, term.isNegative});
      }
    std::vector<Place> result;
    for (auto& entry : found) result.push_back(std::move(entry.second));
    return result;
  }

  /// The sum of all products as an expression over the loops of the nest. They are added up where there are
  /// fewest points.
  Expr sumOfProducts() {
    std::vector<Place> rest = places();
    Expr sum;
    for (std::size_t p = 0; p < rest.size(); ++p) {
      const Addend addend = total(rest[p]);
      const auto wider = std::find_if(rest.begin() + static_cast<std::ptrdiff_t>(p) + 1, rest.end(),
                                      [&](const Place& place) { return place.includes(addend.coordinates); });
      if (wider != rest.end()) {
        wider->addends.push_back(addend);
        continue;
      }
      std::vector<Expr> where = addend.coordinates;
      for (const int v : product_.columns) where.push_back(index(v));
      sum = joined(sum, load(addend.values, where), addend.isNegative);
    }
    return sum;
  }

  /// The sum of what a place adds up, stored at its points.
  Addend total(const Place& place) {
    const Addend& first = place.addends.front();
    if (place.addends.size() == 1) return first;
    Expr sum;
    for (const Addend& addend : place.addends) {
      std::vector<Expr> where;
      for (const Expr& coordinate : addend.coordinates)
        where.push_back(index(static_cast<int>(*place.find(coordinate))));
      for (const Expr& column : indices(columns_.size(), place.coordinates.size())) where.push_back(column);
      sum = joined(sum, load(addend.values, where), addend.isNegative);
    }
    return {builder_.map(first.values.shape(), sum), place.coordinates, false};
  }

  /// The product of a term with the weights of its part, at all of the term's points.
  Tensor productOfTerm(const Part& part, const Term& term) {
    const std::string key = term.valueKey() + " from " + std::to_string(part.start);
    const auto known = products_.find(key);
    if (known != products_.end()) return known->second;
    const std::size_t points = term.coordinates.size(), depth = points + columns_.size();
    Shape axes = term.extents;
    axes.insert(axes.end(), columns_.begin(), columns_.end());
    std::vector<Expr> variables(nest_.variables(), integer(DType::Int64, 0));
    for (std::size_t c = 0; c < columns_.size(); ++c)
      variables[static_cast<std::size_t>(product_.columns[c])] = index(static_cast<int>(points + c));
    variables.back() = index(static_cast<int>(depth)) + extent(part.start);
    const Tensor result = builder_.contraction(axes, {part.extent}, operand(part, term, depth),
                                               substitute(product_.weights, variables));
    return products_[key] = result;
  }

  /// A load of the term's value, which is stored first if it is no element of a buffer.
  Expr operand(const Part& part, const Term& term, std::size_t depth) {
    const std::size_t points = term.coordinates.size();
    std::vector<Expr> variables = indices(points);
    variables.push_back(index(static_cast<int>(depth)));
    if (term.value->op == Op::Load && address(term.value->view, term.value->args, points + 1))
      return substitute(term.value, variables);
    auto stored = values_.find(term.valueKey());
    if (stored == values_.end()) {
      Shape shape = term.extents;
      shape.emplace_back(part.extent);
      stored = values_.emplace(term.valueKey(), builder_.map(shape, term.value)).first;
    }
    return load(stored->second, variables);
  }

  // --- what is left of the product -------------------------------------------------------------------------

  void becomeMap(const Expr& sum) {
    nest_.kind = Nest::Kind::Map;
    nest_.element =
        rewrite(nest_.epilogue, [&](const Expr& node) { return node->op == Op::Accumulator ? sum : Expr(); });
    nest_.epilogue = Expr();
    nest_.reduction.clear();
  }

  void keep(const std::vector<std::size_t>& rest, const Expr& sum) {
    Expr position;  // of the weights for an element of the depth that is left
    std::int64_t end = 0;
    std::vector<std::int64_t> starts;
    for (const std::size_t p : rest) {
      const Part& part = parts_[p];
      const Expr next = index(product_.depth) + extent(part.start - end);
      const bool follows = p > rest.front() && !parts_[p - 1].terms.size();
      if (!position)
        position = next;
      else if (!follows)
        position = select(binary(Op::Lt, index(product_.depth), extent(end)), position, next);
      starts.push_back(end);
      end += part.extent;
    }
    std::vector<Expr> variables(nest_.variables());
    variables.back() = position;
    nest_.reduction = {Dim(end)};
    const Expr left = ownsLeft_ ? ownLeft(rest, starts, end) : substitute(product_.left, variables);
    for (const int v : product_.rows) variables[static_cast<std::size_t>(v)] = integer(DType::Int64, 0);
    Expr weights = substitute(product_.weights, variables);
    if (position->op == Op::Select) weights = *evaluated(program_, nest_, weights);
    nest_.element = left * weights;
    nest_.epilogue = rewrite(nest_.epilogue, [&](const Expr& node) {
      return node->op == Op::Accumulator ? accumulator(node->type) + sum : Expr();
    });
  }

  /// Lets the writers of what is left store into a buffer of its own; a load of it.
  Expr ownLeft(const std::vector<std::size_t>& rest, const std::vector<std::int64_t>& starts,
               std::int64_t depth) {
    const auto read = address(product_.left->view, product_.left->args, nest_.variables());
    Shape shape;
    std::vector<int> loops;
    for (const int v : product_.rows)
      if (!read->stride(v).is(0)) loops.push_back(v);
    for (const int v : loops) shape.push_back(nest_.axes[static_cast<std::size_t>(v)]);
    loops.push_back(product_.depth);
    shape.emplace_back(depth);
    const Tensor tensor = builder_.temporary(product_.left.type(), shape);
    for (std::size_t i = 0; i < rest.size(); ++i) {
      const Part& part = parts_[rest[i]];
      Nest& writer = std::get<Nest>(kernels_[*part.writer].body);
      writer.target = tensor.view;
      writer.targetIndex.clear();
      for (const int v : loops) writer.targetIndex.push_back(part.place[static_cast<std::size_t>(v)]);
      writer.targetIndex.back() = writer.targetIndex.back() + extent(starts[i] - part.start);
    }
    std::vector<Expr> where;
    for (const int v : loops) where.push_back(index(v));
    return load(tensor, where);
  }

  /// Puts the products in front of the nest, and removes the kernels that stored what they replace.
  void replace(std::vector<Kernel> products) {
    kernels_[at_].body = nest_;
    std::vector<std::size_t> unused;
    for (const Part& part : parts_)
      if (ownsLeft_ && !part.terms.empty()) unused.push_back(*part.writer);
    for (const std::size_t k : unused)
      kernels_[at_].origins = joinOrigins(kernels_[k].origins, kernels_[at_].origins);
    kernels_.insert(kernels_.begin() + static_cast<std::ptrdiff_t>(at_),
                    std::make_move_iterator(products.begin()), std::make_move_iterator(products.end()));
    std::sort(unused.rbegin(), unused.rend());
    for (const std::size_t k : unused) kernels_.erase(kernels_.begin() + static_cast<std::ptrdiff_t>(k));
  }
};

}  // namespace

/// A product distributes over the parts of its left operand's depth and over their sums and differences. What
/// is gathered from, or repeated over, many rows is multiplied before, once, and its result gathered instead:
/// the first layer of an EdgeConv (Wang et al., arXiv:1801.07829) needs one product per node, not per edge.
bool distributeProducts(Program& program) {
  bool changed = false;
  forEachList(program.kernels, [&](std::vector<Kernel>& kernels) {
    for (std::size_t at = 0; at < kernels.size(); ++at) {
      const auto* nest = std::get_if<Nest>(&kernels[at].body);
      const auto product = nest ? productOf(program, *nest) : std::nullopt;
      if (!product || !Distribution(program, kernels, countUses(program), at, *product).run()) continue;
      changed = true;
      at = 0;
    }
  });
  return changed;
}

}  // namespace sofie
