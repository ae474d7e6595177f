/// \file sofie.hxx
/// A generated Session as a column of RDataFrame, as TMVA SOFIE's helpers make one. TMVA/SOFIEHelpers.hxx has
/// it under SOFIE's own name.
#ifndef PYSOFIE_SOFIE_HXX
#define PYSOFIE_SOFIE_HXX

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "pysofie/rdf.hxx"

namespace pysofie::rdf {

namespace detail {

/// What a Session's `infer` returns for one event; nothing, when it does not take one pointer to Input. The
/// last argument is 0, which prefers int to long to anything.
template <class Session, class Input>
auto inferOne(Session& session, const Input* values, int) -> decltype(session.infer(values)) {
  return session.infer(values);
}
template <class Session, class Input>
auto inferOne(Session& session, const Input* values, long) -> decltype(session.infer(1, values)) {
  return session.infer(1, values);  // the leading dim is of any size
}
template <class Session, class Input>
void inferOne(Session&, const Input*, ...) {}

/// Lays out memory for one event.
template <class Session>
auto prepareOne(Session& session, int) -> decltype(session.prepare()) {
  return session.prepare();
}
template <class Session>
void prepareOne(Session& session, long) {
  session.prepare(1);
}

/// The element type of one output tensor; void for several, which are vectors or tuples of them.
template <class Outputs>
struct OneOutput {
  using type = void;
};
template <class T>
struct OneOutput<std::vector<T>> {
  using type = std::conditional_t<std::is_arithmetic_v<T>, T, void>;
};

}  // namespace detail

/// Function object for `DefineSlot`: as many columns of type Input as there are indices feed the one input of
/// a model, and the value of its one output is the new column. Copies share their sessions.
template <class Session, class Input, class Indices>
class ColumnFunctor;

template <class Session, class Input, std::size_t... I>
class ColumnFunctor<Session, Input, std::index_sequence<I...>> {
  template <std::size_t>
  using Column = Input;
  using Outputs = decltype(detail::inferOne(std::declval<Session&>(), std::declval<const Input*>(), 0));
  using Output = typename detail::OneOutput<Outputs>::type;
  static_assert(!std::is_void_v<Outputs>,
                "SofieFunctor needs a model with one input, whose elements are of the columns' type");
  static_assert(std::is_void_v<Outputs> || !std::is_void_v<Output>,
                "SofieFunctor needs a model with one output: emit the one that is wanted");

  struct Slot {
    explicit Slot(std::unique_ptr<Session> made) : session(std::move(made)) {
      detail::prepareOne(*session, 0);
      const std::size_t needed = session->input_sizes().front();
      if (needed != sizeof...(I))
        throw std::invalid_argument("pysofie: the model reads " + std::to_string(needed) +
                                    " values per event, and is given " + std::to_string(sizeof...(I)) +
                                    " columns");
      const Input nothing[sizeof...(I)] = {};
      const Outputs outputs = detail::inferOne(*session, nothing, 0);
      if (outputs.size() != 1)
        throw std::runtime_error("pysofie: the model gives " + std::to_string(outputs.size()) +
                                 " values per event, where one is needed to make a column");
    }

    std::unique_ptr<Session> session;
  };

 public:
  /// \param weights path of the weights file; empty for the Session's own default
  /// \throws std::runtime_error if the weights do not fit, or the model gives several values
  /// \throws std::invalid_argument if the model reads another number of values
  explicit ColumnFunctor(const std::string& weights)
      : pool_(std::make_shared<Pool<Slot>>([weights] {
          return std::make_unique<Slot>(weights.empty() ? std::make_unique<Session>()
                                                        : std::make_unique<Session>(weights));
        })) {
    pool_->lease(0);
  }

  /// SOFIE's function returns a double, whatever the model's output is.
  /// \throws std::out_of_range when an input holds an index that the model cannot look up
  double operator()(unsigned slot, Column<I>... columns) const {
    const Input values[] = {columns...};
    const auto lease = pool_->lease(slot);
    Output output{};
    if (lease->session->infer(values, &output) != 0)
      throw std::out_of_range("pysofie: an index that the model computed lies outside its tensor");
    return static_cast<double>(output);
  }

 private:
  std::shared_ptr<Pool<Slot>> pool_;
};

/// Makes of a generated Session what `DefineSlot` takes, as SOFIE's function of this name does:
///
///     #include "higgs.hxx"
///     df.DefineSlot("score", pysofie::rdf::SofieFunctor<28, TMVA_SOFIE_higgs::Session>(slots, "higgs.dat"),
///     columns);
///
/// \tparam N number of columns
/// \tparam Session of a model with one input of N values and one output of one value, per event
/// \tparam Input type of the columns and of the model's input
/// \param weights path of the weights file; empty for `<name>.dat` in the working directory
/// The first parameter, SOFIE's number of slots, is not needed: sessions are made when they are.
template <std::size_t N, class Session, class Input = float>
ColumnFunctor<Session, Input, std::make_index_sequence<N>> SofieFunctor(unsigned = 0,
                                                                        const std::string& weights = "") {
  return ColumnFunctor<Session, Input, std::make_index_sequence<N>>(weights);
}

}  // namespace pysofie::rdf

#endif
