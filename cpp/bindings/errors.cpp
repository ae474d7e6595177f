/// \file
/// Errors of the core become the Python classes of pysofie.errors.
#include <nanobind/nanobind.h>

#include <exception>

#include "register.hxx"
#include "sofie/error.hxx"
#include "types.hxx"

namespace nb = nanobind;

namespace {

/// Sets the Python error; the class is looked up here, because the stub generator imports this module alone.
void raise(const char* name, const std::exception& error) {
  const nb::object type = nb::module_::import_("pysofie.errors").attr(name);
  PyErr_SetObject(type.ptr(), lossyText(error.what()).ptr());
}

void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const sofie::InvalidModelError& error) {
    raise("InvalidModelError", error);
  } catch (const sofie::UnsupportedError& error) {
    raise("UnsupportedError", error);
  } catch (const sofie::ShapeError& error) {
    raise("ShapeError", error);
  } catch (const sofie::Error& error) {
    raise("Error", error);
  }
}

}  // namespace

void register_errors() { nb::register_exception_translator(translate); }
