/// \file
/// One function per binding file; module.cpp calls them all.
#pragma once
#include <nanobind/nanobind.h>

/// Translates the errors of the core into the classes of pysofie.errors.
void register_errors();

/// Dim and Call: what the rules of users' operators work with.
void register_custom(nanobind::module_& m);

/// Graph and Program: the compiler.
void register_graph(nanobind::module_& m);

/// What became of a model, as data.
void register_description(nanobind::module_& m);
/// Description of programs.

/// Library and Runner: compiled models.
void register_library(nanobind::module_& m);

/// AdapterModels: compiled models as event loops see them.
void register_adapters(nanobind::module_& m);
