/// \file RSofieReader.hxx
/// TMVA SOFIE's names for what pysofie/reader.hxx offers. Where ROOT has TMVA of its own, include that
/// instead.
#ifndef PYSOFIE_TMVA_RSOFIEREADER_HXX
#define PYSOFIE_TMVA_RSOFIEREADER_HXX

#include "pysofie/reader.hxx"

namespace TMVA::Experimental {

using RSofieReader = pysofie::rdf::Reader;
using pysofie::rdf::Compute;

}  // namespace TMVA::Experimental

#endif
