/// \file reader.hxx
/// Models that a macro chooses while it runs, as TMVA SOFIE's RSofieReader does. TMVA/RSofieReader.hxx has
/// this under SOFIE's own names.
///
/// The model has been emitted already (`pysofie emit`); ROOT's interpreter compiles its header when a Reader
/// is made. Where the model is known when the macro is written, include its header instead: a compiler makes
/// more of it.
#ifndef PYSOFIE_READER_HXX
#define PYSOFIE_READER_HXX

#include <TInterpreter.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "pysofie/sofie.hxx"

namespace pysofie::rdf {

namespace detail {

/// What a model computes for one event, whatever its Session is.
using Inference = std::function<std::vector<float>(const std::vector<float>&)>;

/// Called by code that the interpreter compiles.
template <class Session>
Inference inference(const std::string& weights) {
  static_assert(std::is_arithmetic_v<typename OneOutput<decltype(inferOne(
                    std::declval<Session&>(), std::declval<const float*>(), 0))>::type>,
                "Reader needs a model with one input of floats and one output");
  auto pool = std::make_shared<Pool<Session>>([weights] {
    auto session = std::make_unique<Session>(weights);
    prepareOne(*session, 0);
    return session;
  });
  const std::size_t needed = pool->lease(0)->input_sizes().front();
  return [pool, needed](const std::vector<float>& event) {
    if (event.size() != needed)
      throw std::invalid_argument("pysofie: the model reads " + std::to_string(needed) +
                                  " values per event, and is given " + std::to_string(event.size()));
    const auto slot = std::hash<std::thread::id>()(std::this_thread::get_id());
    const auto lease = pool->lease(static_cast<unsigned>(slot));
    const auto output = inferOne(*lease.operator->(), event.data(), 0);
    return std::vector<float>(output.begin(), output.end());
  };
}

}  // namespace detail

/// A model by the name of its file. Copies share their sessions; threads may share a Reader.
class Reader {
 public:
  /// \param path of the model, `<folder>/<name>.onnx`, as whose code `<folder>/<name>.hxx` has been emitted;
  /// the model itself is not read The other parameters, for SOFIE's parsers, are not needed.
  /// \throws std::runtime_error if there is no such code, or it does not fit
  explicit Reader(const std::string& path, const std::vector<std::vector<std::size_t>>& = {}, int = 0)
      : inference_(compile(std::filesystem::absolute(path))) {}

  /// The output for one event.
  /// \throws std::invalid_argument if the event has not as many values as the model reads
  std::vector<float> Compute(const std::vector<float>& event) const { return inference_(event); }

 private:
  static detail::Inference compile(const std::filesystem::path& model) {
    const std::string name = model.stem().string();
    const std::string stem = (model.parent_path() / name).string();
    if (!std::all_of(stem.begin(), stem.end(), isHarmless) || !std::filesystem::exists(stem + ".hxx"))
      throw std::runtime_error("pysofie: there is no " + stem + ".hxx: write it by pysofie emit " +
                               model.string() + " --dim batch=1 -o " + model.parent_path().string());
    const std::string include = "#pragma cling optimize(3)\n#include \"" + stem + ".hxx\"\n";
    const std::string address =
        "reinterpret_cast<long>(&pysofie::rdf::detail::inference<TMVA_SOFIE_" + name + "::Session>)";
    if (!gInterpreter->Declare((include + "#include \"pysofie/reader.hxx\"\n").c_str()))
      throw std::runtime_error("pysofie: ROOT's interpreter refuses " + stem + ".hxx");
    TInterpreter::EErrorCode error = TInterpreter::kNoError;
    const auto function = gInterpreter->Calc(address.c_str(), &error);
    if (error != TInterpreter::kNoError || function == 0)
      throw std::runtime_error("pysofie: no column can be made of the model " + stem);
    return reinterpret_cast<detail::Inference (*)(const std::string&)>(function)(stem + ".dat");
  }

  /// What can stand in a line of C++ as it is.
  static bool isHarmless(unsigned char c) { return std::isprint(c) && c != '"' && c != '\\'; }

  detail::Inference inference_;
};

namespace detail {

template <class Column, class Indices>
class ReaderFunctor;

template <class Column, std::size_t... I>
class ReaderFunctor<Column, std::index_sequence<I...>> {
  template <std::size_t>
  using ColumnOf = Column;

 public:
  explicit ReaderFunctor(Reader reader) : reader_(std::move(reader)) {}

  std::vector<Column> operator()(ColumnOf<I>... columns) const {
    const std::vector<float> output = reader_.Compute({static_cast<float>(columns)...});
    return std::vector<Column>(output.begin(), output.end());
  }

 private:
  Reader reader_;
};

}  // namespace detail

/// Makes of a Reader what `Define` takes: N columns in, a column with all values of the output.
template <std::size_t N, class Column>
detail::ReaderFunctor<Column, std::make_index_sequence<N>> Compute(const Reader& reader) {
  return detail::ReaderFunctor<Column, std::make_index_sequence<N>>(reader);
}

}  // namespace pysofie::rdf

#endif
