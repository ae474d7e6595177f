"""What joins a compiled model to ROOT's RDataFrame.

The C++ side is headers in ``include/pysofie``, of which Cling sees only ``adapter.hxx``. The Python
side decides which columns feed which input (`columns`) and where their values lie in it (`layout`), what is
done to them first (`preprocessing`) and what becomes of the outputs (`results`); `event` puts that together,
for the `models` among which an event chooses. It writes the few lines of C++ that carry an event from columns
to a session and back (`adapter`, and `macro` for C++ users), has Cling compile them (`cling`), defines
columns with them (`frames`), and lets ``Define`` take the result (`hook`), on distributed data frames too
(`distributed`).
`arrays` does the same to arrays, which `tables` takes from what users have; `expressions` are evaluated over
them as ROOT would.
"""

# The two packages import each other, pysofie first: a worker may begin with a module of this one.
import pysofie  # noqa: F401
from pysofie.toolchains import cling as stand_in

from . import cling

if stand_in.is_needed():
    cling.allocate_registers()  # here, because Cling starts when ROOT is first used
