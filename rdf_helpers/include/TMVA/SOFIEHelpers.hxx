/// \file SOFIEHelpers.hxx
/// TMVA SOFIE's name for what pysofie/sofie.hxx offers, so that a macro needs no change but the folder that
/// its includes are looked up in. Where ROOT has TMVA of its own, include pysofie/sofie.hxx, which claims
/// none of its names.
#ifndef PYSOFIE_TMVA_SOFIEHELPERS_HXX
#define PYSOFIE_TMVA_SOFIEHELPERS_HXX

#include "pysofie/sofie.hxx"

namespace TMVA::Experimental {

using pysofie::rdf::SofieFunctor;

}  // namespace TMVA::Experimental

#endif
