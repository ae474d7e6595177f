#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "sofie/constant.hxx"
#include "sofie/expression.hxx"

namespace sofie {

enum class Combiner : std::uint8_t { Sum, Product, Minimum, Maximum, And, Or, ArgMinimum, ArgMaximum, Fold };

std::string_view combinerName(Combiner combiner);
/// True when the reduction must run in the order of its loops.
bool isOrdered(Combiner combiner);

/// A perfect loop nest that stores one element per point of `axes`.
///
/// Loop variables 0 .. axes.size()-1 run over the axes, the following ones over the reduction.
/// - Map: `element` is stored.
/// - Reduce: `element` is combined over the reduction; `epilogue`, an expression of the Accumulator, is
/// stored.
///   With an Arg combiner the accumulator is the int64 position in the flattened reduction of the first
///   extreme element. With Fold the element is an expression of the Accumulator, a state that starts as
///   `initial` and becomes the element at every point, in the order of the loops.
/// - Contraction: a Reduce by Sum whose element is the product of two Loads at affine addresses, or of two
///   such Loads of integers that are cast to a wider type.
///
/// A Map may meet a place several times. Its points are then combined by `merge`, one after the other and
/// with what the place held before; without, the last one stays (on devices: any one).
struct Nest {
  enum class Kind : std::uint8_t { Map, Reduce, Contraction };

  Kind kind = Kind::Map;
  Shape axes;
  Shape reduction;
  Expr element;
  Combiner combiner = Combiner::Sum;
  Expr initial;  ///< of a Fold, over the axes alone
  Expr epilogue;
  View target;
  std::vector<Expr> targetIndex;  ///< one per axis of the target; computed indices make it a scatter
  std::optional<Combiner> merge;  ///< of a Map: how an element joins what its place holds
  Expr guard;                     ///< of a Map: points where it is false compute and store nothing

  std::size_t variables() const { return axes.size() + reduction.size(); }
  /// The expression that is stored.
  const Expr& stored() const { return kind == Kind::Map ? element : epilogue; }
  Expr& stored() { return kind == Kind::Map ? element : epilogue; }
  /// True when each point stores its element and no place keeps what it held.
  bool overwrites() const { return !merge && !guard; }
};

struct Kernel;

/// Conditional kernels: `then` runs when the bool scalar at `condition` is true, else `otherwise`.
struct Region {
  Tensor condition;
  std::vector<Kernel> then;
  std::vector<Kernel> otherwise;
};

/// Kernels that run again and again: at most `trips` times, and only while the bool scalar at `condition`
/// holds, which is read before every iteration.
struct Loop {
  std::string counter;  ///< a local symbol: the number of the iteration, in the body's views and extents
  Dim trips;
  std::optional<Tensor> condition;
  std::vector<Kernel> body;
  bool overBlocks = false;  ///< each iteration does a part of what the kernels of the body did before
};

/// A routine that a user wrote: the body of a function, in the text of each target that has one.
struct Routine {
  std::string name;                           ///< the operator that it is of
  std::map<std::string, std::string> bodies;  ///< by target
  std::vector<std::string> parameters;        ///< identifiers of all but the item, in the order of Call
  std::vector<std::string> headers;           ///< that the bodies need: "mass.h", for the compiler to find
};

/// A routine of the runtime or of a user, called for every item in [0, items):
/// routine(item, pointers to the dense inputs, pointers to the dense outputs, arguments as int64, numbers as
/// double).
struct Call {
  std::string header;  ///< the runtime header that holds it; empty for a user's
  std::string routine;
  Dim items;  ///< independent of each other
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::vector<Dim> arguments;
  std::vector<double> numbers = {};
  std::shared_ptr<const Routine> definition = {};  ///< of a user's
};

/// Sets a local symbol from an int64 scalar. What lies outside of the symbol's range, or breaks a requirement
/// whose symbols are then all known, ends the run with a fault.
struct Measure {
  std::string symbol;
  Tensor value;
};

/// A node that a kernel came from.
struct Origin {
  std::string label;  ///< its operator and name
  int node = -1;      ///< see Graph::placeOf; -1 for what comes from no node, such as the copy of an output
};

struct Kernel {
  std::variant<Nest, Region, Loop, Call, Measure> body;
  std::vector<Origin> origins;  ///< for comments, profiles and explanations only
};

enum class BufferKind : std::uint8_t { Input, Output, Constant, Temporary };

struct Buffer {
  BufferKind kind = BufferKind::Temporary;
  DType type = DType::Float32;
  Shape shape;
  std::string name;  ///< the model's name of an input or output
  std::optional<Constant> constant;
  bool isScratch = false;  ///< of a loop's body: it holds nothing from one iteration to the next
  /// What it adds to results is taken away again, such as the greatest element in a softmax: they depend on
  /// it by rounding only.
  bool cancels = false;
};

/// A relation between sizes that only a run can decide; a session refuses sizes that break it, when it is
/// prepared or, where they are local symbols, as soon as they are measured.
struct Requirement {
  enum class Relation : std::uint8_t { Equal, AtLeast };

  Dim left;
  Relation relation;
  Dim right;
  std::string what;  ///< names the sizes, for the message
};

/// An input or output of the model: a tensor, a sequence of `count` tensors, or an optional without its
/// element.
struct Port {
  std::string name;
  std::optional<int> count;
  bool absent = false;
};

/// A symbol that gets its value while the model runs: a size that the data decide, the counter of a loop.
struct LocalSymbol {
  std::string name;
  Dim most;  ///< it lies between 0 and this, a dim of the symbols and rooms that are known before
};

/// How large a local symbol without any bound may become: a symbol of its own, that a session raises from
/// `first` to what its runs have asked for. So it has memory for the largest sizes that it has seen.
struct Room {
  static constexpr std::int64_t first = 4;

  std::string name;
  std::string local;  ///< whose room it is
};

/// What random numbers depend on besides their place; an engine gives the symbol its value before a run.
struct Draw {
  enum class Kind : std::uint8_t {
    Run,   ///< how many runs the engine has had
    Seed,  ///< a number that differs from engine to engine
  };

  Kind kind;
  std::string name;  ///< of the symbol
};

/// Items of a batch that go through all kernels together, so that what lies between the kernels stays in the
/// cache however long the batch is, and the arena need not hold more than these items.
struct Batch {
  std::string symbol;  ///< how many items there are: the leading size of all inputs and outputs that have it
  std::int64_t block;  ///< how many at once
};
/// Elements of one item of a buffer; nullopt when it does not consist of the batch's items.
std::optional<Dim> itemSize(const Buffer& buffer, const std::string& symbol);

/// Level 2: buffers and the kernels that fill them, in order.
struct Program {
  std::string name;
  std::string precision = "float32";  ///< what has been rounded, see precision.hxx
  std::vector<Buffer> buffers;
  std::vector<Kernel> kernels;
  std::vector<int> inputs;                    ///< buffers, in the model's order
  std::vector<int> outputs;                   ///< buffers, in the model's order
  std::vector<Port> inputPorts, outputPorts;  ///< which of them belong together
  std::vector<std::string> symbols;           ///< of the inputs' shapes
  std::vector<LocalSymbol> locals;
  std::vector<Room> rooms;
  std::vector<Draw> draws;
  std::vector<Requirement> requirements;
  std::vector<std::string> disabledPasses;  ///< which must leave it alone: for debugging
  std::optional<Batch> batch;               ///< set by a layout: kernels see one block at a time

  int addBuffer(Buffer buffer);
  Tensor tensor(int buffer) const;
  /// The local symbol of that name, made if there is none; names are unique in a model.
  Dim local(const std::string& name, const Dim& most);
  /// The same without a bound.
  Dim unboundedLocal(const std::string& name);
  /// The symbol of what random numbers depend on, made of that name if there is none.
  Dim draw(Draw::Kind kind, const std::string& name);
  /// The room of a local symbol; nullptr when it has a bound.
  const Room* roomOf(const std::string& local) const;
  /// A dim of the inputs' symbols and rooms alone that the given one never exceeds: what memory must be there
  /// for.
  Dim most(const Dim& dim) const;
  Shape most(const Shape& shape) const;
  const LocalSymbol* findLocal(const std::string& name) const;
  /// True when the data decide the dim.
  bool isMeasured(const Dim& dim) const;
  bool isMeasured(const Shape& shape) const;
};

/// Calls f on every expression (element, initial, epilogue, target indices, guard) of the nest; f may change
/// it.
template <class NestType, class F>
void forEachExpression(NestType& nest, F&& f) {
  f(nest.element);
  if (nest.initial) f(nest.initial);
  if (nest.kind != Nest::Kind::Map) f(nest.epilogue);
  for (auto& index : nest.targetIndex) f(index);
  if (nest.guard) f(nest.guard);
}

/// The Load of a contraction's operand, which may be cast.
inline const Expr& loadOf(const Expr& operand) {
  return operand->op == Op::Cast ? operand->args[0] : operand;
}

/// The extent of a loop variable.
const Dim& extentOf(const Nest& nest, int variable);
/// True when the indices stay within the view at every point of the loops; what a condition guards need not.
bool staysInside(const Nest& nest, const View& view, const std::vector<Expr>& indices);

/// Calls visit(view, isWrite) for every view that the kernel reads or writes.
void forEachView(const Kernel& kernel, const std::function<void(const View&, bool)>& visit);
/// Lets change(view) rewrite every view of the kernel.
void changeViews(Kernel& kernel, const std::function<void(View&)>& change);
/// The origins of two kernels that became one.
std::vector<Origin> joinOrigins(const std::vector<Origin>& first, const std::vector<Origin>& second);
/// The labels, each of them once.
std::string text(const std::vector<Origin>& origins);
/// Calls f on every kernel in the order of execution, those inside of regions and loops after these.
void forEachKernel(const std::vector<Kernel>& kernels, const std::function<void(const Kernel&)>& f);
/// Calls f on every list of kernels: the given one, then those inside of its regions and loops.
void forEachList(std::vector<Kernel>& kernels, const std::function<void(std::vector<Kernel>&)>& f);
/// Calls f on every nest, those inside of regions and loops included.
void forEachNest(std::vector<Kernel>& kernels, const std::function<void(Nest&)>& f);
/// The symbols in the sizes and addresses of the kernel.
std::set<std::string> symbolsOf(const Kernel& kernel);
/// The buffers that the kernel writes.
std::set<int> writtenBuffers(const Kernel& kernel);
/// How many kernels read and write each buffer, those inside of regions and loops counted one by one.
struct Uses {
  std::vector<int> reads, writes;
};
Uses countUses(const Program& program);

/// True when a buffer or an expression is of a storage type.
bool usesStorage(const Program& program);

std::string text(const Program& program);
std::string text(const Program& program, const Kernel& kernel);

}  // namespace sofie
