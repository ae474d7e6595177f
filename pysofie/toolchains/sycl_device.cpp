// The device pass of the wheels' tool chain: compiles an ordinary SYCL source with libsycl-jit, which writes
// the integration header (as an option asks) and, under SYCL_DUMP_IMAGES, the SPIR-V into the working folder.
#include <fstream>
#include <iostream>
#include <sstream>
#include <sycl/sycl.hpp>

namespace experimental = sycl::ext::oneapi::experimental;

int main(int count, char** arguments) {
  std::ostringstream source;
  source << std::ifstream(arguments[1]).rdbuf();
  const std::vector<std::string> options(arguments + 2, arguments + count);
  std::string log;
  try {
    const sycl::queue queue;
    auto bundle = experimental::create_kernel_bundle_from_source(
        queue.get_context(), experimental::source_language::sycl, source.str());
    experimental::build(
        bundle, experimental::properties{experimental::build_options{options}, experimental::save_log{&log}});
    std::cerr << log;
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n" << log << "\n";
    return 1;
  }
}
