"""Weight files of TMVA: boosted decision trees and multilayer perceptrons."""

from __future__ import annotations

from pathlib import Path

from pysofie.errors import UnsupportedError
from pysofie.importers.frameworks import Exported, Wishes
from pysofie.importers.signature import label, with_shapes
from pysofie.importers.tmva_file import WeightFile
from pysofie.importers.tmva_network import write_network
from pysofie.importers.tmva_transforms import write_inverse, write_transforms
from pysofie.importers.tmva_trees import write_trees
from pysofie.importers.writer import Writer, describe, feature_names
from pysofie.model import Tensor

_METHODS = {"BDT": write_trees, "MLP": write_network}
_OUTPUTS = {"Classification": "score", "Regression": "prediction", "Multiclass": "probabilities"}


def export(source: Path, wishes: Wishes) -> Exported:
    """Write a weight file (``.weights.xml``) as ONNX.

    It computes what TMVA's Reader gives for the file, in float32.

    Returns
    -------
    Exported
        It takes ``features``, float32 of shape (batch, variables), and gives ``score`` of shape (batch, 1),
        ``prediction`` of shape (batch, targets) or ``probabilities`` of shape (batch, classes). No reference:
        TMVA is not there to ask.

    Raises
    ------
    InvalidModelError
        It is no weight file of TMVA, or a damaged one; the message names the element.
    UnsupportedError
        It is of a method, or uses a part of one, that is not taken.
    ShapeError
        `wishes` do not fit the model.
    """
    file = WeightFile(source)
    if file.method not in _METHODS or file.analysis not in _OUTPUTS:
        raise UnsupportedError(
            f"the method {file.method[:40]!r} of TMVA for {file.analysis[:40]!r} is not taken; those that "
            f"are: {', '.join(_METHODS)} for {', '.join(_OUTPUTS)}"
        )
    own = Tensor("features", "float32", ("batch", len(file.variables)))
    given = with_shapes([own], wishes.shapes)
    names = feature_names(wishes.columns, file.variables, len(file.variables))
    writer = Writer()
    answer = _METHODS[file.method](writer, write_transforms(writer, own.name, file), file)
    if file.analysis == "Regression":
        answer = write_inverse(writer, answer, file)
    proto = writer.model("tmva", own, {_OUTPUTS[file.analysis]: answer})
    label(proto, given, names)
    describe(proto, classes=file.classes if file.analysis == "Multiclass" else None)
    return Exported(proto, None)
