// Conversions of storage types, for tests of their codes against ml_dtypes: reads the elements of a type from
// the standard input and writes them as another type, one by one or in vectors.

#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "storage_vector.hxx"

namespace rt = sofie_runtime;

namespace {

template <class To, class From>
void convert(bool vectors) {
  std::vector<From> from;
  for (From x; std::fread(&x, sizeof x, 1, stdin) == 1;) from.push_back(x);
  std::vector<To> to(from.size());
  using Number = std::conditional_t<std::is_same_v<From, double>, double, float>;
  constexpr int n = rt::lanes<Number>;
  using V = rt::Vec<Number, n>;
  std::size_t i = 0;
  if (vectors)
    for (; i + n <= from.size(); i += n)
      rt::store<rt::Rebind<To, V>>(&to[i], rt::cast<To>(rt::load<rt::Rebind<From, V>>(&from[i])));
  for (; i < from.size(); ++i) to[i] = rt::cast<To>(from[i]);
  std::fwrite(to.data(), sizeof(To), to.size(), stdout);
}

template <class T>
void convert(const std::string& direction, bool vectors) {
  if (direction == "decode") convert<float, T>(vectors);
  if (direction == "encode") convert<T, float>(vectors);
  if (direction == "from_double") convert<T, double>(vectors);
  if (direction == "from_integer") convert<T, std::int32_t>(vectors);
}

}  // namespace

int main(int, char** arguments) {
  const std::string type = arguments[1];
  const std::string direction = arguments[2];
  const bool vectors = arguments[3] == std::string("vectors");
#define TYPE(name, T) \
  if (type == name) convert<rt::T>(direction, vectors)
  TYPE("float16", Float16);
  TYPE("bfloat16", BFloat16);
  TYPE("float8_e4m3fn", Float8E4M3FN);
  TYPE("float8_e4m3fnuz", Float8E4M3FNUZ);
  TYPE("float8_e5m2", Float8E5M2);
  TYPE("float8_e5m2fnuz", Float8E5M2FNUZ);
  TYPE("float8_e8m0fnu", Float8E8M0);
  TYPE("float6_e2m3fn", Float6E2M3);
  TYPE("float6_e3m2fn", Float6E3M2);
  TYPE("float4_e2m1fn", Float4E2M1);
  TYPE("int4", Int4);
  TYPE("uint4", UInt4);
  TYPE("int2", Int2);
  TYPE("uint2", UInt2);
}
