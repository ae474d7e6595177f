// Sessions used as the tutorials of TMVA SOFIE use them; prints what they return, for the test to compare.
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <vector>

#include "attention.hxx"
#include "attention_inline.hxx"
#include "conv.hxx"
#include "conv_inline.hxx"
#include "dynamic_mlp.hxx"
#include "gather.hxx"
#include "logic.hxx"
#include "mixed_outputs.hxx"
#include "mlp.hxx"
#include "mlp_inline.hxx"
#include "two_outputs.hxx"

namespace {

/// Eighths between -1 and 1, as the test feeds them to the reference.
std::vector<float> eighths(std::size_t count) {
  std::vector<float> result(count);
  for (std::size_t i = 0; i < count; ++i)
    result[i] = static_cast<float>(static_cast<int>(i * 7 % 17) - 8) / 8;
  return result;
}

template <class T>
void print(const char* name, const std::vector<T>& values) {
  std::printf("%s", name);
  for (const T value : values) std::printf(" %.9g", static_cast<double>(value));
  std::printf("\n");
}

void check(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void fixedSizes() {
  TMVA_SOFIE_mlp::Session s("mlp.dat");
  std::vector<float> x = eighths(7);
  auto y = s.infer(x.data());
  static_assert(std::is_same_v<decltype(y), std::vector<float>>);
  print("mlp", y);

  float out[1];
  static_assert(noexcept(s.infer(x.data(), out)));
  check(s.infer(x.data(), out) == 0 && out[0] == y[0], "the form with an out parameter gives the same");

  TMVA_SOFIE_mlp::Session byDefault;
  check(same(byDefault.infer(x.data()), y), "weights are found by the name of the model");
  TMVA_SOFIE_mlp_inline::Session inlined;
  check(same(inlined.infer(x.data()), y), "weights inside the header give the same bits");
}

void severalOutputs() {
  TMVA_SOFIE_two_outputs::Session s("two_outputs.dat");
  const std::vector<float> a = eighths(6), b{1, 2, 3, 4, 5, 6};
  const auto both = s.infer(a.data(), b.data());
  static_assert(std::is_same_v<decltype(both), const std::vector<std::vector<float>>>);
  print("two_outputs", both[0]);
  print("two_outputs", both[1]);

  TMVA_SOFIE_mixed_outputs::Session mixed("mixed_outputs.dat", 3);
  const auto result = mixed.infer(3, eighths(15).data());
  static_assert(
      std::is_same_v<decltype(result), const std::tuple<std::vector<float>, std::vector<std::int64_t>,
                                                        std::vector<std::uint8_t>>>);
  print("mixed_outputs", std::get<0>(result));
  print("mixed_outputs", std::get<1>(result));
  print("mixed_outputs", std::get<2>(result));

  TMVA_SOFIE_logic::Session logic;
  const bool p[] = {true, true, false, false}, q[] = {true, false, true, false};
  const std::int32_t x[] = {1, 2, 3, 4}, y[] = {-1, -2, -3, -4};
  const auto [equal, chosen] = logic.infer(4, p, q, x, y);
  check(equal == std::vector<std::uint8_t>{1, 0, 0, 1}, "bools in, bools out");
  check(chosen == std::vector<std::int32_t>{1, -2, -3, 4}, "chosen by bools");
}

void dynamicSizes() {
  TMVA_SOFIE_dynamic_mlp::Session s("dynamic_mlp.dat", 2);
  const std::vector<float> x = eighths(7 * 20);
  const auto all = s.infer(20, x.data());
  print("dynamic_mlp", all);
  check(s.infer(0, x.data()).empty(), "no events, no scores");
  std::vector<float> out(5);
  s.prepare(5);
  check(s.infer(x.data(), out.data()) == 0, "no fault");
  check(same(out, {all.begin(), all.begin() + 5}), "an event's score does not depend on the others");

  TMVA_SOFIE_attention::Session attention;
  TMVA_SOFIE_attention_inline::Session inlined;
  const std::vector<float> tokens = eighths(2 * 5 * 8);
  const auto mixed = attention.infer(2, 5, tokens.data());
  print("attention", mixed);
  check(same(inlined.infer(2, 5, tokens.data()), mixed), "inline: attention");

  TMVA_SOFIE_conv::Session conv;
  TMVA_SOFIE_conv_inline::Session convInlined;
  const std::vector<float> image = eighths(3 * 72);
  const auto classes = conv.infer(3, image.data());
  print("conv", classes);
  check(same(convInlined.infer(3, image.data()), classes), "inline: conv");
}

template <class Error, class Action>
bool fails(Action&& action) {
  try {
    action();
  } catch (const Error&) {
    return true;
  }
  return false;
}

void faults() {
  TMVA_SOFIE_gather::Session s;
  const std::int64_t good[] = {0, 9, -1}, bad[] = {0, 10, -11};
  std::vector<float> rows(9), mean(1);
  s.prepare(3);
  check(s.infer(good, rows.data(), mean.data()) == 0, "indices count from the end too");
  check(s.infer(bad, rows.data(), mean.data()) == 1, "an index out of range is reported");
  check(fails<std::out_of_range>([&] { s.infer(3, bad); }), "and thrown where there is no other way to tell");

  check(fails<std::runtime_error>([] { TMVA_SOFIE_mlp::Session("nowhere.dat"); }), "missing weights");
  check(fails<std::runtime_error>([] { TMVA_SOFIE_mlp::Session("conv.dat"); }), "weights of another model");
  TMVA_SOFIE_dynamic_mlp::Session dynamic;
  check(fails<std::invalid_argument>([&] { dynamic.prepare(static_cast<std::size_t>(-1)); }),
        "an absurd size");
  check(fails<std::invalid_argument>(
            [] { TMVA_SOFIE_attention::Session("attention.dat", 1ull << 40, 1ull << 40); }),
        "sizes whose product exceeds 64 bits");
  check(dynamic.infer(1, eighths(7).data()).size() == 1, "a refused size leaves the session whole");
}

}  // namespace

int main() {
  fixedSizes();
  severalOutputs();
  dynamicSizes();
  faults();
}
