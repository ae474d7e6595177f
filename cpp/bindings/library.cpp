/// \file
/// Library, Runner and Bound: compiled models as Python sees them. Knows nothing of the compiler, only
/// abi.h and the element types.
#include <dlfcn.h>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "abi.h"
#include "register.hxx"
#include "sofie/dtype.hxx"
#include "sofie/error.hxx"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Message = std::array<char, 1024>;

/// What has to be known of a tensor to check an array against it.
struct Tensor {
  std::string name;
  std::size_t itemsize = 0;
  std::vector<std::variant<std::int64_t, std::size_t>> shape;  ///< a number, or the index of a symbol
  std::size_t rank = 0;
};

std::size_t itemsize(const std::string& dtype) { return sofie::sizeOf(sofie::parseDType(dtype)); }

/// A loaded shared library and the model table that it exports.
class Model {
 public:
  Model(const std::string& path, const std::string& symbol)
      : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL), [](void* handle) {
          if (handle != nullptr) dlclose(handle);
        }) {
    if (!handle_) throw sofie::Error(std::string("cannot load the compiled model: ") + dlerror());
    void* function = dlsym(handle_.get(), symbol.c_str());
    if (function == nullptr) throw sofie::Error(path + " is not a compiled model: it lacks " + symbol);
    table_ = reinterpret_cast<pysofie_get_model_function>(function)();
    describe(path);
  }

  /// A model that was compiled into this process, and stays there.
  explicit Model(const pysofie_model* table) : table_(table) { describe("the model"); }

  const pysofie_model& table() const { return *table_; }
  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<Tensor>& outputs() const { return outputs_; }

 private:
  void describe(const std::string& origin) {
    if (table_->abi_version != PYSOFIE_ABI_VERSION)
      throw sofie::Error(origin + " was compiled for version " + std::to_string(table_->abi_version) +
                         " of the model interface; this is version " + std::to_string(PYSOFIE_ABI_VERSION));
    const nb::object json = nb::module_::import_("json").attr("loads")(table_->description);
    const auto symbols = nb::cast<std::vector<std::string>>(json["symbols"]);
    for (nb::handle input : json["inputs"]) {
      Tensor tensor = named(input);
      for (nb::handle dim : input["shape"]) {
        if (nb::isinstance<nb::int_>(dim))
          tensor.shape.emplace_back(nb::cast<std::int64_t>(dim));
        else
          tensor.shape.emplace_back(position(symbols, nb::cast<std::string>(dim)));
      }
      inputs_.push_back(std::move(tensor));
    }
    for (nb::handle output : json["outputs"]) outputs_.push_back(named(output));
    if (symbols.size() != static_cast<std::size_t>(table_->symbol_count) ||
        inputs_.size() != static_cast<std::size_t>(table_->input_count) ||
        outputs_.size() != static_cast<std::size_t>(table_->output_count))
      throw sofie::Error("the compiled model contradicts its own description");
  }

  static Tensor named(nb::handle description) {
    Tensor tensor;
    tensor.name = nb::cast<std::string>(description["name"]);
    tensor.itemsize = itemsize(nb::cast<std::string>(description["dtype"]));
    tensor.rank = nb::len(nb::object(description["shape"]));
    return tensor;
  }

  static std::size_t position(const std::vector<std::string>& symbols, const std::string& symbol) {
    for (std::size_t i = 0; i < symbols.size(); ++i)
      if (symbols[i] == symbol) return i;
    throw sofie::Error("the compiled model has an input dimension that is not a symbol: " + symbol);
  }

  std::shared_ptr<void> handle_;
  const pysofie_model* table_ = nullptr;
  std::vector<Tensor> inputs_, outputs_;
};

/// The memory of arrays during a call: contiguous, and writable where results go.
class Buffers {
 public:
  Buffers(nb::handle arrays, bool writable) {
    const std::size_t count = nb::len(arrays);
    views_.reserve(count);
    pointers_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      Py_buffer view;
      const nb::object array = arrays[i];
      if (PyObject_GetBuffer(array.ptr(), &view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) != 0) {
        release();
        throw nb::python_error();
      }
      views_.push_back(view);
      pointers_.push_back(view.buf);
    }
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() { release(); }

  void* const* pointers() const { return pointers_.data(); }
  std::vector<void*> copy() const { return pointers_; }

  /// Throws unless the arrays have these sizes.
  void check(const std::vector<Tensor>& tensors, const std::vector<std::size_t>& bytes,
             const char* role) const {
    if (views_.size() != tensors.size())
      throw sofie::ShapeError("expected " + std::to_string(tensors.size()) + " " + role + " arrays, got " +
                              std::to_string(views_.size()));
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (static_cast<std::size_t>(views_[i].len) != bytes[i])
        throw sofie::ShapeError(std::string(role) + " '" + tensors[i].name + "' needs " +
                                std::to_string(bytes[i]) + " bytes, the array has " +
                                std::to_string(views_[i].len));
  }

 private:
  void release() {
    for (Py_buffer& view : views_) PyBuffer_Release(&view);
  }

  std::vector<Py_buffer> views_;
  std::vector<void*> pointers_;
};

/// One session of a model. Calls from several threads wait for each other; runners of different threads share
/// no cache line.
class alignas(64) Runner {
 public:
  Runner(std::shared_ptr<const Model> model, const std::string& weights) : model_(std::move(model)) {
    Message message{};
    session_ = model_->table().create(weights.c_str(), message.data(), message.size());
    if (session_ == nullptr) throw sofie::Error(message.data());
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { model_->table().destroy(session_); }

  void prepare(const std::vector<std::int64_t>& symbols) {
    const pysofie_model& table = model_->table();
    if (symbols.size() != static_cast<std::size_t>(table.symbol_count))
      throw sofie::ShapeError("expected values of " + std::to_string(table.symbol_count) + " symbols, got " +
                              std::to_string(symbols.size()));
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    prepare_locked(symbols);
  }

  /// Waits for a run that is under way; the next one has the new weights.
  void set_weights(const std::string& path) {
    const pysofie_model& table = model_->table();
    if (table.set_weights == nullptr) throw sofie::Error("the weights are compiled into the code");
    Message message{};
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    if (table.set_weights(session_, path.c_str(), message.data(), message.size()) != 0)
      throw sofie::Error(message.data());
  }

  std::vector<std::vector<std::int64_t>> output_shapes() {
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    require_prepared();
    return output_shapes_;
  }

  std::vector<std::vector<std::int64_t>> result_shapes() {
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    require_prepared();
    return shapes(model_->table().result_shape);
  }

  /// False when there is not room enough yet: prepare makes it.
  bool run(nb::handle inputs, nb::handle outputs) {
    const Buffers in(inputs, false), out(outputs, true);
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    check(in, out);
    return run_once(in.pointers(), out.pointers());
  }

  /// Runs once for each item; the items of an array lie one after the other.
  void run_each(nb::handle inputs, nb::handle outputs, std::size_t items) {
    const Buffers in(inputs, false), out(outputs, true);
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    require_prepared();
    const std::vector<std::size_t> in_bytes = input_bytes_, out_bytes = output_bytes_;
    in.check(model_->inputs(), times(in_bytes, items), "input");
    out.check(model_->outputs(), times(out_bytes, items), "output");
    std::vector<void*> from = in.copy(), to = out.copy();
    for (std::size_t i = 0; i < items; ++i) {
      while (!run_once(from.data(), to.data())) {
        prepare_locked(symbols_);
        if (output_bytes_ != out_bytes) throw sofie::ShapeError("the data decide the shape of an output");
      }
      advance(from, in_bytes);
      advance(to, out_bytes);
    }
  }

  /// Throws unless a run can take these arrays.
  void require_fit(const Buffers& inputs, const Buffers& outputs) {
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    check(inputs, outputs);
  }

  /// Runs with arrays that fit, and makes room where the data ask for it. The caller need not hold the GIL.
  void run_fitting(const Buffers& inputs, const Buffers& outputs) {
    const std::lock_guard lock(mutex_);
    while (!run_once(inputs.pointers(), outputs.pointers())) prepare_locked(symbols_);
  }

  nb::ndarray<nb::numpy, std::uint64_t, nb::ndim<1>> benchmark(nb::handle inputs, nb::handle outputs,
                                                               std::size_t repeat) {
    auto durations = std::make_unique<std::uint64_t[]>(repeat);
    {
      const Buffers in(inputs, false), out(outputs, true);
      const nb::gil_scoped_release release;
      const std::lock_guard lock(mutex_);
      check(in, out);
      for (std::size_t i = 0; i < repeat; ++i) {
        const auto start = std::chrono::steady_clock::now();
        if (!run_once(in.pointers(), out.pointers()))
          throw sofie::Error("there is not room enough yet: run the model before");
        const auto stop = std::chrono::steady_clock::now();
        durations[i] = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(stop - start).count());
      }
    }
    std::uint64_t* data = durations.release();
    const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<std::uint64_t*>(p); });
    return {data, {repeat}, owner};
  }

  std::size_t arena_bytes() {
    const nb::gil_scoped_release release;
    const std::lock_guard lock(mutex_);
    return model_->table().arena_bytes(session_);
  }

  nb::list profile() {
    const pysofie_model& table = model_->table();
    const auto count = static_cast<std::size_t>(table.profile_count);
    std::vector<std::uint64_t> nanoseconds(count), calls(count), operations(count), bytes(count);
    if (count != 0) {
      const nb::gil_scoped_release release;
      const std::lock_guard lock(mutex_);
      table.profile(session_, nanoseconds.data(), calls.data());
      if (prepared_) table.costs(session_, operations.data(), bytes.data());
    }
    nb::list rows;
    for (std::size_t i = 0; i < count; ++i)
      rows.append(nb::make_tuple(table.profile_labels[i], nanoseconds[i], calls[i], operations[i], bytes[i]));
    return rows;
  }

 private:
  void prepare_locked(const std::vector<std::int64_t>& symbols) {
    prepared_ = false;
    Message message{};
    if (model_->table().prepare(session_, symbols.data(), message.data(), message.size()) != 0)
      throw sofie::ShapeError(message.data());
    measure(symbols);
    symbols_ = symbols;
    prepared_ = true;
  }

  /// Computes the sizes that arrays must have for these symbols.
  void measure(const std::vector<std::int64_t>& symbols) {
    const pysofie_model& table = model_->table();
    input_bytes_.clear();
    for (const Tensor& tensor : model_->inputs()) {
      std::size_t bytes = tensor.itemsize;
      for (const auto& dim : tensor.shape) {
        const std::size_t* symbol = std::get_if<std::size_t>(&dim);
        bytes *= static_cast<std::size_t>(symbol != nullptr ? symbols[*symbol] : std::get<std::int64_t>(dim));
      }
      input_bytes_.push_back(bytes);
    }
    output_bytes_.clear();
    output_shapes_ = shapes(table.output_shape);
    for (const Tensor& tensor : model_->outputs()) {
      std::size_t bytes = tensor.itemsize;
      for (const std::int64_t dim : output_shapes_[output_bytes_.size()])
        bytes *= static_cast<std::size_t>(dim);
      output_bytes_.push_back(bytes);
    }
  }

  /// What a function of the table says of each output.
  template <class Ask>
  std::vector<std::vector<std::int64_t>> shapes(Ask ask) const {
    std::vector<std::vector<std::int64_t>> result;
    for (const Tensor& tensor : model_->outputs()) {
      std::vector<std::int64_t> shape(tensor.rank);
      ask(session_, static_cast<std::int32_t>(result.size()), shape.data());
      result.push_back(std::move(shape));
    }
    return result;
  }

  void require_prepared() const {
    if (!prepared_) throw sofie::Error("prepare must succeed before anything else is asked of a runner");
  }

  void check(const Buffers& inputs, const Buffers& outputs) const {
    require_prepared();
    inputs.check(model_->inputs(), input_bytes_, "input");
    outputs.check(model_->outputs(), output_bytes_, "output");
  }

  static std::vector<std::size_t> times(std::vector<std::size_t> bytes, std::size_t items) {
    for (std::size_t& size : bytes) size *= items;
    return bytes;
  }

  static void advance(std::vector<void*>& pointers, const std::vector<std::size_t>& bytes) {
    for (std::size_t i = 0; i < pointers.size(); ++i)
      pointers[i] = static_cast<unsigned char*>(pointers[i]) + bytes[i];
  }

  bool run_once(const void* const* inputs, void* const* outputs) {
    const int fault = model_->table().run(session_, inputs, outputs);
    if (fault == 4) return false;
    if (fault == 1) throw std::out_of_range("an index computed by the model lies outside its tensor");
    if (fault == 3)
      throw sofie::ShapeError(
          "sizes that the data decide do not fit: each other, or the bounds given by dims=");
    if (fault != 0) throw sofie::Error("the model reported fault " + std::to_string(fault));
    return true;
  }

  std::shared_ptr<const Model> model_;
  pysofie_session* session_ = nullptr;
  std::mutex mutex_;
  bool prepared_ = false;
  std::vector<std::int64_t> symbols_;
  std::vector<std::size_t> input_bytes_, output_bytes_;
  std::vector<std::vector<std::int64_t>> output_shapes_;
};

/// A runner whose arrays are fixed, so that a call has nothing to look up and nothing to check.
class Bound {
 public:
  Bound(Runner& runner, nb::handle inputs, nb::handle outputs, nb::object result)
      : runner_(runner), inputs_(inputs, false), outputs_(outputs, true), result_(std::move(result)) {
    runner_.require_fit(inputs_, outputs_);
  }

  nb::object run() {
    if (trials_ > 0)
      try_out();
    else if (is_long_)
      run_without_gil();
    else
      runner_.run_fitting(inputs_, outputs_);
    return result_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// To give the GIL away and to take it back costs some 100 ns, more when other threads want it.
  static constexpr Clock::duration worth_releasing = std::chrono::microseconds(10);

  void run_without_gil() {
    const nb::gil_scoped_release release;
    runner_.run_fitting(inputs_, outputs_);
  }

  void try_out() {
    const auto start = Clock::now();
    run_without_gil();
    is_long_ = is_long_ && Clock::now() - start > worth_releasing;
    --trials_;
  }

  Runner& runner_;
  Buffers inputs_, outputs_;
  nb::object result_;
  int trials_ = 3;
  bool is_long_ = true;  ///< no trial was short
};

/// What Python holds: the model, which its runners keep loaded.
class Library {
 public:
  Library(const std::string& path, const std::string& symbol)
      : model_(std::make_shared<const Model>(path, symbol)) {}
  explicit Library(const pysofie_model* table) : model_(std::make_shared<const Model>(table)) {}

  std::string description() const { return model_->table().description; }
  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(&model_->table()); }
  std::unique_ptr<Runner> session(const std::string& weights) const {
    return std::make_unique<Runner>(model_, weights);
  }

 private:
  std::shared_ptr<const Model> model_;
};

}  // namespace

void register_library(nb::module_& m) {
  nb::class_<Library>(m, "Library", "A compiled model in a shared library.")
      .def(nb::init<const std::string&, const std::string&>(), "path"_a, "symbol"_a = "pysofie_get_model")
      .def_static(
          "from_address",
          [](std::uintptr_t address) { return Library(reinterpret_cast<const pysofie_model*>(address)); },
          "address"_a, "The model whose table lies at this address, where it must stay.")
      .def_prop_ro("description", &Library::description, "JSON: name, target, inputs, outputs, symbols.")
      .def_prop_ro("address", &Library::address,
                   "Where the model's table (pysofie_model) lies; valid as long as the library lives.")
      .def("session", &Library::session, "weights"_a, "A runner with memory of its own.");

  nb::class_<Runner>(m, "Runner", nb::is_weak_referenceable(),
                     "One session of a compiled model; arrays must be dense and row-major.")
      .def("prepare", &Runner::prepare, "symbols"_a, "Sets the values of the symbols, in order.")
      .def("set_weights", &Runner::set_weights, "weights"_a,
           "Replaces the weights by those of another file for the same code, between two runs.")
      .def("output_shapes", &Runner::output_shapes,
           "The shapes of the outputs, the largest ones where the data decide; valid after prepare.")
      .def("result_shapes", &Runner::result_shapes, "The shapes that the outputs had in the last run.")
      .def("run", &Runner::run, "inputs"_a, "outputs"_a,
           "Computes the outputs without holding the GIL. False when the data ask for larger sizes than "
           "there is "
           "room for: prepare makes it, for the same symbols, and perhaps larger outputs.",
           nb::sig("def run(self, inputs: collections.abc.Sequence[object], "
                   "outputs: collections.abc.Sequence[object]) -> bool"))
      .def("run_each", &Runner::run_each, "inputs"_a, "outputs"_a, "items"_a,
           "Runs once for each item, without holding the GIL; the items of an array lie one after the other.",
           nb::sig("def run_each(self, inputs: collections.abc.Sequence[object], "
                   "outputs: collections.abc.Sequence[object], items: int) -> None"))
      .def("benchmark", &Runner::benchmark, "inputs"_a, "outputs"_a, "repeat"_a,
           "The duration of each of `repeat` runs in nanoseconds.",
           nb::sig("def benchmark(self, inputs: collections.abc.Sequence[object], "
                   "outputs: collections.abc.Sequence[object], "
                   "repeat: int) -> numpy.typing.NDArray[numpy.uint64]"))
      .def(
          "bind",
          [](Runner& runner, nb::handle inputs, nb::handle outputs, nb::object result) {
            return std::make_unique<Bound>(runner, inputs, outputs, std::move(result));
          },
          "inputs"_a, "outputs"_a, "result"_a, nb::keep_alive<0, 1>(),
          "The runner with these arrays for good; it must not be used otherwise from then on.",
          nb::sig("def bind(self, inputs: collections.abc.Sequence[object], "
                  "outputs: collections.abc.Sequence[object], result: object) -> Bound"))
      .def_prop_ro("arena_bytes", &Runner::arena_bytes, "Bytes held for intermediate tensors.")
      .def("profile", &Runner::profile,
           "Label, nanoseconds and calls of each kernel, and operations and bytes of the last call.",
           nb::sig("def profile(self) -> list[tuple[str, int, int, int, int]]"));

  nb::class_<Bound>(
      m, "Bound",
      "A runner with its arrays. Calls from several threads wait for each other. Runs of more than "
      "10 us, as the first three of them tell, do not hold the GIL.")
      .def("__call__", &Bound::run, "Computes the outputs and returns the result that was given with them.",
           nb::sig("def __call__(self) -> typing.Any"));
}
