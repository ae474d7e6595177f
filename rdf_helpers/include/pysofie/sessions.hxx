/// \file sessions.hxx
/// The sessions of event loops: what adapter.hxx calls. pysofie's Python module has it compiled.
#ifndef PYSOFIE_SESSIONS_HXX
#define PYSOFIE_SESSIONS_HXX

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#ifndef PYSOFIE_ABI_VERSION  // a generated header brings its own copy
#include "abi.h"
#endif
#include "pysofie/adapter.hxx"
#include "pysofie/rdf.hxx"

namespace pysofie::rdf {

/// Session of a model that is known by its C table alone, with memory for its inputs and outputs.
class TableSession : public HeldSession {
 public:
  /// What must be known of an output to make room for it.
  struct Output {
    std::size_t itemsize;  ///< bytes
    std::size_t rank;
    bool isMeasured;  ///< the data decide its shape
  };

  /// \param symbols values for the first events
  /// \throws std::runtime_error with the model's own words, e.g. for a wrong weights file
  TableSession(const pysofie_model& table, const std::string& name, const std::string& weights,
               const std::vector<std::int64_t>& symbols, const std::vector<Output>& known)
      : table_(table),
        name_(name),
        inputMemory_(static_cast<std::size_t>(table.input_count)),
        outputs_(known.begin(), known.end()),
        inputPointers_(inputMemory_.size()),
        inputBytes_(inputMemory_.size()),
        outputPointers_(outputs_.size()) {
    run = table.run;
    inputs = inputPointers_.data();
    inputBytes = inputBytes_.data();
    outputs = outputPointers_.data();
    hasRun = false;
    for (std::size_t i = 0; i < inputMemory_.size(); ++i) enlarge(i, 1);
    char error[512] = "";
    session = table.create(weights.c_str(), error, sizeof error);
    if (session == nullptr) throw std::runtime_error(message(error));
    try {
      prepareFor(symbols);
    } catch (...) {
      table.destroy(session);
      throw;
    }
  }
  TableSession(const TableSession&) = delete;
  TableSession& operator=(const TableSession&) = delete;
  ~TableSession() { table_.destroy(session); }

  /// \throws std::length_error if columns that lie along one axis do not agree
  void requireCommon(const Length* lengths, std::size_t count) const {
    const Length& first = *lengths;
    for (const Length* length = lengths; length != lengths + count; ++length)
      if (length->entries != first.entries)
        throw std::length_error(message("column '" + std::string(first.column) + "' has " +
                                        std::to_string(first.entries) + " entries, column '" +
                                        length->column + "' has " + std::to_string(length->entries)));
  }

  /// \throws std::length_error if the model does not take as many entries
  void requireWithin(std::size_t entries, std::size_t low, std::size_t high, const char* columns) const {
    if (entries < low || entries > high)
      throw std::length_error(message("the event has " + std::to_string(entries) + " entries in " + columns +
                                      ", of which the model takes " + std::to_string(low) + " to " +
                                      std::to_string(high) + ": give pad="));
  }

  /// Gives the symbols their values; costs next to nothing when they have them already.
  void prepare(const std::int64_t* symbols) {
    if (symbols_.size() != symbolCount() || !std::equal(symbols_.begin(), symbols_.end(), symbols))
      prepareFor(std::vector<std::int64_t>(symbols, symbols + symbolCount()));
  }

  void enlarge(std::size_t input, std::size_t bytes) {
    inputPointers_[input] = inputMemory_[input].room(bytes);
    inputBytes_[input] = bytes;
  }

  /// \throws std::out_of_range, std::length_error, std::runtime_error for what the run gave
  void recover(int fault) {
    while (fault == 4) {  // the data ask for larger sizes than ever before
      prepareFor(std::vector<std::int64_t>(symbols_));
      fault = run(session, inputs, outputs);
    }
    if (fault == 1) throw std::out_of_range(message("an index that it computed lies outside its tensor"));
    if (fault == 3) throw std::length_error(message("sizes that the data decide do not fit"));
    if (fault != 0) throw std::runtime_error(message("fault " + std::to_string(fault)));
  }

  /// A dim of an output of the last run.
  std::size_t dim(std::size_t index, std::size_t axis) {
    return static_cast<std::size_t>(shape(index)[axis]);
  }

  /// Elements of an output of the last run.
  std::size_t size(std::size_t index) { return product(shape(index)); }

 private:
  /// Memory that grows. What is written in one thread shares no cache line with anything of another.
  class Memory {
   public:
    void* room(std::size_t bytes) {
      if (bytes > lines_.size() * sizeof(Line)) lines_.resize((bytes + sizeof(Line) - 1) / sizeof(Line));
      return lines_.data();
    }

   private:
    struct alignas(64) Line {
      unsigned char bytes[64];
    };
    std::vector<Line> lines_;
  };

  struct Result : Output {
    explicit Result(const Output& output) : Output(output), shape(output.rank) {}
    std::vector<std::int64_t> shape;
    Memory memory;
  };

  std::size_t symbolCount() const { return static_cast<std::size_t>(table_.symbol_count); }

  static std::size_t product(const std::vector<std::int64_t>& shape) {
    std::size_t count = 1;
    for (const std::int64_t dim : shape) count *= static_cast<std::size_t>(dim);
    return count;
  }

  const std::vector<std::int64_t>& shape(std::size_t index) {
    Result& result = outputs_[index];
    if (!result.isMeasured) return result.shape;
    if (hasRun)
      table_.result_shape(session, static_cast<std::int32_t>(index), result.shape.data());
    else
      std::fill(result.shape.begin(), result.shape.end(), 0);
    return result.shape;
  }

  void prepareFor(const std::vector<std::int64_t>& symbols) {
    char error[512] = "";
    symbols_.clear();
    if (table_.prepare(session, symbols.data(), error, sizeof error) != 0)
      throw std::runtime_error(message(error));
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      Result& output = outputs_[i];
      table_.output_shape(session, static_cast<std::int32_t>(i), output.shape.data());
      outputPointers_[i] =
          output.memory.room(std::max<std::size_t>(product(output.shape), 1) * output.itemsize);
    }
    symbols_ = symbols;
  }

  std::string message(const std::string& what) const { return "model '" + name_ + "': " + what; }

  const pysofie_model& table_;
  const std::string& name_;
  std::vector<std::int64_t> symbols_;
  std::vector<Memory> inputMemory_;
  std::vector<Result> outputs_;
  std::vector<void*> inputPointers_;
  std::vector<std::size_t> inputBytes_;
  std::vector<void*> outputPointers_;
};

/// Pools hold sessions as adapters know them.
struct DeleteSession {
  void operator()(HeldSession* session) const { delete static_cast<TableSession*>(session); }
};
using SessionPool = Pool<HeldSession, DeleteSession>;

/// A model that event loops are to use.
struct Source {
  const pysofie_model* table;  ///< valid for the life of the process: its library is never unloaded
  std::string name;
  std::string weights;
  std::vector<std::int64_t> symbols;  ///< values for the first events
  std::vector<TableSession::Output> outputs;
};

namespace detail {

/// What all threads of all event loops that use one model share.
class Model {
 public:
  /// \throws std::runtime_error if the table is of another version or no session can be made
  explicit Model(Source source)
      : source_(std::move(source)), pool_([this] {
          return std::unique_ptr<HeldSession, DeleteSession>(new TableSession(
              *source_.table, source_.name, source_.weights, source_.symbols, source_.outputs));
        }) {
    if (source_.table->abi_version != PYSOFIE_ABI_VERSION)
      throw std::runtime_error("model '" + source_.name + "' was compiled by another version of pysofie");
    pool_.lease(0);  // so that a wrong weights file is an error here, not in the event loop
  }

  SessionPool& pool() { return pool_; }

 private:
  Source source_;
  SessionPool pool_;
};

class CountedModels : public SharedModels {
 public:
  CountedModels(const Calls& table, std::vector<Source> sources) : SharedModels{&table, 0, nullptr} {
    for (Source& source : sources) {
      models_.push_back(std::make_unique<Model>(std::move(source)));
      modelPlaces_.push_back(models_.back()->pool().places());
    }
    count = models_.size();
    places = modelPlaces_.data();
  }

  /// \throws std::out_of_range if there is no model at the position
  SessionPool& pool(std::int64_t position) {
    if (position < 0 || static_cast<std::size_t>(position) >= count)
      throw std::out_of_range("an event chooses model " + std::to_string(position) + " of " +
                              std::to_string(count));
    return models_[static_cast<std::size_t>(position)]->pool();
  }

  std::atomic<std::size_t> holders{1};

 private:
  std::vector<std::unique_ptr<Model>> models_;
  std::vector<Place<HeldSession>*> modelPlaces_;
};

inline CountedModels& own(SharedModels* models) { return *static_cast<CountedModels*>(models); }

inline TableSession& own(HeldSession* session) { return *static_cast<TableSession*>(session); }

/// Exceptions do not cross the calls.
template <class Action>
void guarded(Failure& failure, Action action) noexcept {
  const auto fail = [&](Fault fault, const std::exception& error) {
    failure.fault = fault;
    std::snprintf(failure.message, sizeof failure.message, "pysofie: %s", error.what());
  };
  try {
    action();
  } catch (const std::out_of_range& error) {
    fail(Fault::Range, error);
  } catch (const std::length_error& error) {
    fail(Fault::Length, error);
  } catch (const std::exception& error) {
    fail(Fault::Other, error);
  }
}

inline void retain(SharedModels* models) { ++own(models).holders; }

inline void drop(SharedModels* models) {
  if (--own(models).holders == 0) delete &own(models);
}

inline Place<HeldSession>* acquire(SharedModels* shared, std::int64_t position, unsigned slot,
                                   Failure* failure) {
  Place<HeldSession>* place = nullptr;
  guarded(*failure, [&] { place = own(shared).pool(position).acquire(slot); });
  return place;
}

inline const Calls calls = {
    retain,
    drop,
    acquire,
    SessionPool::release,
    [](HeldSession* session, const Length* lengths, std::size_t count, Failure* failure) {
      guarded(*failure, [&] { own(session).requireCommon(lengths, count); });
    },
    [](HeldSession* session, std::size_t entries, std::size_t low, std::size_t high, const char* columns,
       Failure* failure) {
      guarded(*failure, [&] { own(session).requireWithin(entries, low, high, columns); });
    },
    [](HeldSession* session, const std::int64_t* symbols, Failure* failure) {
      guarded(*failure, [&] { own(session).prepare(symbols); });
    },
    [](HeldSession* session, std::size_t input, std::size_t bytes) { own(session).enlarge(input, bytes); },
    [](HeldSession* session, int fault, Failure* failure) {
      guarded(*failure, [&] { own(session).recover(fault); });
    },
    [](HeldSession* session, std::size_t index, std::size_t axis) { return own(session).dim(index, axis); },
    [](HeldSession* session, std::size_t index) { return own(session).size(index); },
};

}  // namespace detail

/// Models for an adapter.
/// \throws std::runtime_error with a model's own words, e.g. for a wrong weights file
inline Models open(std::vector<Source> sources) {
  const std::unique_ptr<detail::CountedModels, void (*)(SharedModels*)> shared(
      new detail::CountedModels(detail::calls, std::move(sources)), detail::drop);
  return Models(reinterpret_cast<std::uintptr_t>(static_cast<SharedModels*>(shared.get())));
}

}  // namespace pysofie::rdf

#endif
