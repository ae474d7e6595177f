/// \file adapter.hxx
/// What the code that pysofie generates for Cling needs. Cling compiles it at every start, so that it is
/// little: sessions are compiled ahead of time, in pysofie's Python module, and reached by `Calls`.
#ifndef PYSOFIE_ADAPTER_HXX
#define PYSOFIE_ADAPTER_HXX

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "pysofie/convert.hxx"
#include "pysofie/place.hxx"

extern "C" typedef struct pysofie_session pysofie_session;

namespace pysofie::rdf {

/// How many entries the lists of a column have in an event.
struct Length {
  const char* column;
  std::size_t entries;
};

/// A session with memory for its inputs and outputs: what an adapter reads without a call.
struct HeldSession {
  pysofie_session* session;
  int (*run)(pysofie_session*, const void* const* inputs, void* const* outputs);
  void** inputs;
  std::size_t* inputBytes;  ///< how much memory each input has
  void** outputs;
  bool hasRun;  ///< false: outputs whose shape the data decide have none
};

struct Calls;

/// The models among which an event chooses: one, or the folds of a cross-validation.
struct SharedModels {
  const Calls* calls;
  std::size_t count;
  Place<HeldSession>* const* places;  ///< of each model, `placeCount`
};

enum class Fault : int { None, Range, Length, Other };

/// What went wrong in a call.
struct Failure {
  Fault fault = Fault::None;
  char message[1024];

  /// Throws it, here, where ROOT can catch it.
  void check() const {
    if (fault != Fault::None) raise();
  }

 private:
  [[noreturn]] void raise() const {
    if (fault == Fault::Range) throw std::out_of_range(message);
    if (fault == Fault::Length) throw std::length_error(message);
    throw std::runtime_error(message);
  }
};

/// What is done with sessions. Only C types cross it: Cling and pysofie may use different standard libraries.
struct Calls {
  void (*retain)(SharedModels*);
  void (*drop)(SharedModels*);

  /// A place whose session belongs to its holder until the release; null on failure.
  Place<HeldSession>* (*acquire)(SharedModels*, std::int64_t position, unsigned slot, Failure*);
  void (*release)(Place<HeldSession>*);

  void (*requireCommon)(HeldSession*, const Length* lengths, std::size_t count, Failure*);
  void (*requireWithin)(HeldSession*, std::size_t entries, std::size_t low, std::size_t high,
                        const char* columns, Failure*);
  void (*prepare)(HeldSession*, const std::int64_t* symbols, Failure*);
  void (*enlarge)(HeldSession*, std::size_t input, std::size_t bytes);

  /// What follows a run that gave a fault: it runs again if that helps.
  void (*recover)(HeldSession*, int fault, Failure*);

  std::size_t (*dim)(HeldSession*, std::size_t index, std::size_t axis);
  std::size_t (*size)(HeldSession*, std::size_t index);
};

/// A session that belongs to its holder until the end of the scope.
class Lease {
 public:
  Lease(const Calls& calls, Place<HeldSession>* place) noexcept
      : calls_(calls), place_(place), session_(place->session) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (place_->isTemporary)
      calls_.release(place_);
    else
      place_->leave();
  }

  /// Entries of columns that lie along one axis.
  /// \throws std::length_error if the columns do not agree
  std::size_t common(std::initializer_list<Length> lengths) const {
    Failure failure;
    calls_.requireCommon(session_, lengths.begin(), lengths.size(), &failure);
    failure.check();
    return lengths.begin()->entries;
  }

  /// The entries themselves, where there is no padding.
  /// \throws std::length_error if the model does not take as many
  std::size_t within(std::size_t entries, std::size_t low, std::size_t high, const char* columns) const {
    Failure failure;
    calls_.requireWithin(session_, entries, low, high, columns, &failure);
    failure.check();
    return entries;
  }

  /// Gives the symbols their values; costs next to nothing when they have them already.
  void prepare(std::initializer_list<std::int64_t> symbols) const {
    Failure failure;
    calls_.prepare(session_, symbols.begin(), &failure);
    failure.check();
  }

  /// Room for that many elements of an input, to be written before every run.
  template <class T>
  T* input(std::size_t index, std::size_t count) const {
    if (count * sizeof(T) > session_->inputBytes[index]) calls_.enlarge(session_, index, count * sizeof(T));
    return static_cast<T*>(session_->inputs[index]);
  }

  /// \throws std::out_of_range naming the model, when an input holds an index that the model cannot look up
  void run() const {
    const int fault = session_->run(session_->session, session_->inputs, session_->outputs);
    session_->hasRun = true;
    if (fault == 0) return;
    Failure failure;
    calls_.recover(session_, fault, &failure);
    failure.check();
  }

  /// In place of a run: an output of which every element is the same.
  template <class T>
  void fill(std::size_t index, T value) const {
    session_->hasRun = false;
    std::fill_n(static_cast<T*>(session_->outputs[index]), size(index), value);
  }

  template <class T>
  const T* output(std::size_t index) const {
    return static_cast<const T*>(session_->outputs[index]);
  }

  /// A dim of an output of the last run.
  std::size_t dim(std::size_t index, std::size_t axis) const { return calls_.dim(session_, index, axis); }

  /// Elements of an output of the last run.
  std::size_t size(std::size_t index) const { return calls_.size(session_, index); }

 private:
  const Calls& calls_;
  Place<HeldSession>* place_;
  HeldSession* session_;
};

/// Copies share the models, which live as long as one of them.
class Models {
 public:
  /// \param address of SharedModels
  explicit Models(std::uintptr_t address) : shared_(reinterpret_cast<SharedModels*>(address)) {
    shared_->calls->retain(shared_);
  }
  Models(const Models& other) : shared_(other.shared_) { shared_->calls->retain(shared_); }
  Models& operator=(const Models&) = delete;
  ~Models() { shared_->calls->drop(shared_); }

  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(shared_); }

  /// A session of the model at a position.
  /// \throws std::out_of_range if there is none
  template <class Position>
  Lease session(Position position, unsigned slot) const {
    std::int64_t whole = convert<std::int64_t>(position);
    if (!(position >= Position{})) whole = std::min<std::int64_t>(whole, -1);
    Place<HeldSession>* const own = ownPlace(whole, slot);
    return Lease(*shared_->calls, own != nullptr ? own : acquire(whole, slot));
  }

 private:
  /// The place of a slot, if it is free and has a session: what nearly every event finds.
  Place<HeldSession>* ownPlace(std::int64_t position, unsigned slot) const {
    if (position < 0 || static_cast<std::size_t>(position) >= shared_->count) return nullptr;
    Place<HeldSession>* const place = shared_->places[position] + slot % placeCount;
    if (!place->take()) return nullptr;
    if (place->session != nullptr) return place;
    place->leave();
    return nullptr;
  }

  Place<HeldSession>* acquire(std::int64_t position, unsigned slot) const {
    Failure failure;
    Place<HeldSession>* const place = shared_->calls->acquire(shared_, position, slot, &failure);
    failure.check();
    return place;
  }

  SharedModels* shared_;
};

/// Lays entries along an axis of an input; what is left of the axis is padding, entries that are left over
/// are dropped.
/// \param stride from one place of the axis to the next
/// \param size of the axis
/// \param value of the entry at a place
template <class T, class Value>
void lay(T* target, std::size_t stride, std::size_t size, std::size_t entries, T padding, Value value) {
  const std::size_t filled = std::min(entries, size);
  for (std::size_t i = 0; i < filled; ++i) target[i * stride] = value(i);
  for (std::size_t i = filled; i < size; ++i) target[i * stride] = padding;
}

/// Positions of the entries for which a column is true.
template <class Column>
std::vector<std::size_t> positions(const Column& column) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < column.size(); ++i)
    if (column[i]) result.push_back(i);
  return result;
}

/// Every stride-th of the values.
template <class Vector, class T>
Vector list(const T* values, std::size_t count, std::size_t stride) {
  Vector result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = values[i * stride];
  return result;
}

/// Every stride-th of the values, as so many lists.
template <class Vectors, class T>
Vectors rows(const T* values, std::size_t count, std::size_t length, std::size_t stride) {
  Vectors result(count);
  for (std::size_t i = 0; i < count; ++i)
    result[i] = list<typename Vectors::value_type>(values + i * length * stride, length, stride);
  return result;
}

/// The values at their places among others that are all the same.
template <class Vector>
Vector scattered(const Vector& values, const std::vector<std::size_t>& places, std::size_t count,
                 const typename Vector::value_type& other) {
  Vector result(count, other);
  for (std::size_t i = 0; i < places.size(); ++i) result[places[i]] = values[i];
  return result;
}

}  // namespace pysofie::rdf

#endif
