"""What joins a compiled model to ROOT's RDataFrame.

The C++ side is one header, ``include/pysofie/rdf.hxx``. The Python side decides which column feeds which
element of which input (`columns`), writes the few lines of C++ that carry an event from columns to a session
and back (`adapter`), has Cling compile them (`cling`), and lets ``Define`` take the result (`hook`), on
distributed data frames too (`distributed`).
"""

# The two packages import each other, pysofie first: a worker may begin with a module of this one.
import pysofie  # noqa: F401
from pysofie.toolchains import cling as stand_in

from . import cling

if stand_in.is_needed():
    cling.allocate_registers()  # here, because Cling starts when ROOT is first used
