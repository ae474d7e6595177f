"""TMVA's weight files: XML that is read with care, and what every method says in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from pysofie.errors import InvalidModelError

Element: TypeAlias = ElementTree.Element

# What the values of the attribute AnalysisType mean.
REGRESSION = 1


class _Builder(ElementTree.TreeBuilder):
    """Refuses document types: TMVA writes none, and entities can be made to fill the memory."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise InvalidModelError("the XML has a document type, which TMVA does not write")


class WeightFile:
    """A weight file of TMVA.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Attributes
    ----------
    method : str
        The kind of method, such as BDT.
    options : dict of str to str
        What it was booked with.
    variables, targets, classes : list of str
        Their names, in order.
    analysis : str
        Classification, Regression or Multiclass.
    release : tuple of int
        Of TMVA.

    Raises
    ------
    InvalidModelError
        It is no XML, or no weight file of TMVA.
    """

    def __init__(self, path: Path) -> None:
        try:
            root = ElementTree.fromstring(
                path.read_bytes().lstrip(), ElementTree.XMLParser(target=_Builder())
            )
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise InvalidModelError(f"{path.name} is no XML: {error}") from error
        if root.tag != "MethodSetup":
            raise InvalidModelError(
                f"{path.name} is XML, but no weight file of TMVA: it begins with <{root.tag[:40]}>, not "
                f"<MethodSetup>"
            )
        self.root = root
        self.method = text(root, "Method").partition("::")[0]
        self.options = {text(option, "name"): (option.text or "").strip() for option in root.iter("Option")}
        self.variables = self._names("Variables", "Variable", "Label")
        self.targets = self._names("Targets", "Target", "Label")
        self.classes = self._names("Classes", "Class", "Name")
        info = {text(entry, "name"): text(entry, "value") for entry in child(root, "GeneralInfo")}
        self.analysis = info.get("AnalysisType", "Classification").capitalize()
        release = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", info.get("TMVA Release", ""))
        self.release = tuple(map(int, release.groups())) if release else (0, 0, 0)

    def _names(self, group: str, tag: str, attribute: str) -> list[str]:
        found = self.root.find(group)
        return [] if found is None else [text(entry, attribute) for entry in found.iter(tag)]

    @property
    def weights(self) -> Element:
        """What training found."""
        return child(self.root, "Weights")

    def option(self, name: str, default: str) -> str:
        """An option in lower case: TMVA writes some as they were given, some so."""
        return self.options.get(name, default).lower()


def child(element: Element, tag: str) -> Element:
    """The first child with a tag."""
    found = element.find(tag)
    if found is None:
        raise InvalidModelError(f"<{element.tag}> lacks <{tag}>")
    return found


def text(element: Element, name: str) -> str:
    """An attribute."""
    value = element.get(name)
    if value is None:
        raise InvalidModelError(f"<{element.tag}> lacks the attribute {name!r}")
    return value


def integer(element: Element, name: str) -> int:
    """An attribute that is a whole number."""
    value = text(element, name).strip()
    if not re.fullmatch(r"[+-]?\d{1,9}", value):
        raise InvalidModelError(
            f"the attribute {name!r} of <{element.tag}> is {value[:40]!r}, no whole number"
        )
    return int(value)


def real(element: Element, name: str) -> float:
    """An attribute that is a finite number of float32, which is what TMVA computes with."""
    return float(_finite([text(element, name)], f"the attribute {name!r} of <{element.tag}>")[0])


def reals(element: Element, count: int) -> NDArray[np.float64]:
    """The numbers that an element holds."""
    words = (element.text or "").split()
    if len(words) != count:
        raise InvalidModelError(f"<{element.tag}> holds {len(words)} numbers in place of {count}")
    return _finite(words, f"what <{element.tag}> holds")


def _finite(words: list[str], what: str) -> NDArray[np.float64]:
    try:
        values = np.asarray(words, np.float64)
    except ValueError as error:
        raise InvalidModelError(f"{what} is no number: {error}") from error
    with np.errstate(over="ignore"):
        if not np.all(np.isfinite(values.astype(np.float32))):
            raise InvalidModelError(f"{what} is not finite")
    return values


def last_class(elements: Iterator[Element]) -> Element | None:
    """The element for all classes together, which is the last one and what TMVA's reader takes."""
    return max(elements, key=lambda element: integer(element, "ClassIndex"), default=None)
