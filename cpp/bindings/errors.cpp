/// \file
/// Errors of the core become the Python classes of pysofie.errors.
#include <nanobind/nanobind.h>

#include <cstring>
#include <exception>

#include "register.hxx"
#include "sofie/error.hxx"

namespace nb = nanobind;

namespace {

/// Sets the Python error; the class is looked up here, because the stub generator imports this module alone.
/// A message may quote a model's bytes, which need not be UTF-8.
void raise(const char* name, const std::exception& error) {
  const nb::object type = nb::module_::import_("pysofie.errors").attr(name);
  const auto size = static_cast<Py_ssize_t>(std::strlen(error.what()));
  const nb::object message = nb::steal(PyUnicode_DecodeUTF8(error.what(), size, "backslashreplace"));
  PyErr_SetObject(type.ptr(), message.ptr());
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
