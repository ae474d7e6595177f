"""A compiled model that is called with arrays."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysofie.arrays import has_events, require_in_place
from pysofie.errors import Error, InvalidModelError, ShapeError
from pysofie.gradient import Gradients
from pysofie.profiling import KernelProfile
from pysofie.runners import PerThread, Runners
from pysofie.signature import Signature

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pysofie._core import Library
    from pysofie.importers import ModelLike
    from pysofie.verify import Comparison
    from pysofie.weights import Origin

    Array = NDArray[Any]


class Session:
    """A compiled model, made by `pysofie.compile`.

    Call it with one array for each input, in order or by name; it returns an array, or a named tuple if the
    model has several outputs. It may be called from many threads at once: each has memory of its own, and
    the weights are shared. The GIL is released while the model runs.

    Arrays are taken as they are if they are dense, row-major and of the model's dtype, and copied if not.
    A dtype that converts without loss is converted (float32 for a float64 input, int16 for an int64 input);
    any other is refused, so that precision is never lost in silence: write ``x.astype("float32")``. Lists and
    Python's own numbers have no dtype and take that of the model.

    Attributes
    ----------
    name, target, precision : str
        What was compiled, for what, and what may be rounded, see `pysofie.compile`.
    origin : pysofie.weights.Origin or None
        What it was compiled from; None if only the result is known.
    has_fixed_weights : bool
        Whether `set_weights` is refused, as of the session of a functor.
    gradients : pysofie.gradient.Gradients
        The sessions of its gradients that have been asked for.
    inputs, outputs : tuple of Tensor
        Names, dtypes and shapes.
    input_values, output_values : list of Value
        What they are in the model file, if it has sequences or optionals; else empty.
    symbols : list of str
        The dims that the shapes of the inputs decide, in the order in which a runner takes them.
    measured : list of str
        The outputs whose shapes the data decide while the model runs.
    library : pysofie._core.Library
        The compiled code.
    weights : pathlib.Path
        The weights file that the code was generated with.
    """

    def __init__(self, library: Library, weights: Path, origin: Origin | None = None) -> None:
        description = json.loads(library.description)
        self.name: str = description["name"]
        self.target: str = description["target"]
        self.precision: str = description["precision"]
        self.origin = origin
        self.has_fixed_weights = False
        self.gradients = Gradients()
        self.library = library
        self.weights = weights
        self._signature = Signature.of(description)
        self.inputs, self.outputs = self._signature.inputs, self._signature.outputs
        self.input_values = self._signature.input_values
        self.output_values = self._signature.output_values
        self.symbols, self.measured = self._signature.symbols, self._signature.measured
        self._result = self._signature.result_type()
        self._replacing = threading.Lock()
        self._runners = Runners(library, weights, self._signature)
        # The first runner is made here, so that a broken weights file is reported here.
        self._of_thread = PerThread(self._runners)

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """Compute the outputs.

        Parameters
        ----------
        *arrays, **named : array_like
            The inputs, in order or by name; a sequence is a list, an absent optional None. Or events: records
            of awkward, or one awkward array for each column, by the rules of `pysofie.functor`. Their columns
            are named as the inputs, or stand in the order in which the one input takes them.

        Returns
        -------
        numpy.ndarray or named tuple of numpy.ndarray
            The output, or all of them; the tensors of a sequence one by one. Of events what a functor
            returns.

        Raises
        ------
        ShapeError
            Name, dtype, rank or dim of an input does not fit; the message names the input, what came and
            what is expected.
        IndexError
            The model computed an index that lies outside its tensor.
        """
        for array in arrays:
            if type(array) is not np.ndarray and has_events(array):
                return self._score_events(arrays, named)
        if named or self.input_values or len(arrays) != len(self.inputs):
            arrays = tuple(self._signature.ordered(arrays, named))
        outputs = self.compute(arrays)
        return outputs[0] if self._result is None else self._result(*outputs)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Compute the outputs from a dict.

        Parameters
        ----------
        feeds : dict of str to array_like
            The inputs by name, as in the model file; a sequence is a list, an absent optional None.

        Returns
        -------
        dict of str to numpy.ndarray
            The outputs by name; a sequence is a list, an absent optional None.

        Raises
        ------
        ShapeError, IndexError
            As a call.
        """
        return self._signature.named(self.compute(self._signature.ordered((), feeds)))

    def run_each(self, feeds: Mapping[str, Any]) -> dict[str, Array]:
        """Compute the outputs of many events, one event after the other, in a loop inside C++.

        The results are those of one `run` for each event, bit by bit. A batch of events need not give these,
        as its sums may be taken in another order; it may be faster.

        Parameters
        ----------
        feeds : dict of str to array_like
            The inputs by name, with an axis of events in front of the model's own dims.

        Returns
        -------
        dict of str to numpy.ndarray
            The outputs by name, with the axis of events in front.

        Raises
        ------
        ShapeError, IndexError
            As a call; or the model takes or gives sequences, or the data decide the shape of an output.
        """
        if self.measured or self.input_values or self.output_values:
            raise ShapeError(f"{self.name}: run_each needs tensors of known shapes")
        arrays = self._signature.ready(self._signature.ordered((), feeds))
        return self._signature.named(self._of_thread.runner.compute_each(arrays))

    def bind(
        self, feeds: Mapping[str, Any], outputs: Mapping[str, Array] | None = None
    ) -> Callable[[], dict[str, Array]]:
        """Fix inputs and outputs once, so that a call costs next to nothing beside the model itself.

        Parameters
        ----------
        feeds : dict of str to numpy.ndarray
            The inputs by name, as in the model file. A call reads what the arrays then hold, so an array
            that had to be copied is refused: it must be dense, row-major and of the model's dtype.
        outputs : dict of str to numpy.ndarray, optional
            Where results go, by the name of the tensor; what is left out gets an array of its own. They may
            not overlap with inputs or with each other.

        Returns
        -------
        callable
            Called without arguments, it computes the outputs and returns what `run` returns: always the same
            dict of the same arrays, which the next call overwrites. It keeps all arrays alive, and has
            memory of its own for intermediate tensors: bound objects of different threads do not wait for
            each other, calls of the same one do. Runs of more than 10 us do not hold the GIL; for shorter
            ones releasing it would cost more than it gives.

        Raises
        ------
        ShapeError
            As a call; or an array cannot be used where it lies; or the data decide the shape of an output.

        Examples
        --------
        >>> x = np.empty((1, 7), "float32")  # doctest: +SKIP
        >>> score = session.bind({"x": x})  # doctest: +SKIP
        >>> for x[0] in events:  # doctest: +SKIP
        ...     print(score()["y"])
        """
        if self.measured:
            raise ShapeError(
                f"{self.name}: bind needs outputs of known shapes; the data decide {self.measured}"
            )
        runner, signature = self._runners.new(), self._signature
        given = signature.ordered((), feeds)
        inputs = signature.ready(given)
        shapes = runner.output_shapes([array.shape for array in inputs])
        for value, array, tensor in zip(given, inputs, self.inputs, strict=True):
            require_in_place(value, array, tensor)
        return runner.bind(inputs, signature.places(shapes, outputs or {}, inputs))

    def benchmark(self, feeds: Any, repeat: int = 1000) -> NDArray[np.uint64]:
        """Time calls of the model in a loop inside C++.

        Parameters
        ----------
        feeds : dict, sequence of arrays, or array
            The inputs.
        repeat : int
            How often to run.

        Returns
        -------
        numpy.ndarray of uint64, shape (repeat,)
            The duration of each call in nanoseconds.

        Raises
        ------
        ShapeError, IndexError
            As a call.
        """
        if repeat < 1:
            raise ValueError(f"repeat={repeat}: must be at least 1")
        return self._of_thread.runner.benchmark(self.arrays_of(feeds), repeat)

    def gradient(
        self,
        feeds: Any,
        *,
        output: str | None = None,
        seed: Any = None,
        wrt: str | Sequence[str] | None = None,
    ) -> dict[str, Array]:
        """Compute the gradients of an output by the inputs.

        Parameters
        ----------
        feeds : dict, sequence of arrays, or array
            The inputs.
        output : str, optional
            What is differentiated; needed if several outputs are of floating types.
        seed : array_like, or dict of str to array_like, optional
            Weights of the elements of the output, whose weighted sum is differentiated: an array that
            broadcasts to the shape of the output, by default ones. Or one for each of several outputs.
        wrt : str or sequence of str, optional
            The inputs by which it is differentiated, by default all of floating types.

        Returns
        -------
        dict of str to numpy.ndarray
            By the name of the input an array of its shape and dtype: the sum over the elements y of the
            output of seed * dy / dx. In a batch whose items do not depend on each other, these are the
            gradients of each item.

        Raises
        ------
        UnsupportedError
            Something between input and output has no derivative; all of it is listed.
        Error
            There is no such output or input, or it is not of a floating type.
        ShapeError, IndexError
            As a call; or a seed does not fit the output.

        Notes
        -----
        The first call for a choice of outputs and inputs compiles the gradient, unless
        ``pysofie.compile(..., gradient=True)`` did. Integers, comparisons and steps have the gradient zero;
        where a function has a kink, its gradient is that of PyTorch.

        Examples
        --------
        >>> session.gradient(jet)["image"]  # a saliency map  # doctest: +SKIP
        """
        return self.value_and_gradient(feeds, output=output, seed=seed, wrt=wrt)[1]

    def value_and_gradient(
        self,
        feeds: Any,
        *,
        output: str | None = None,
        seed: Any = None,
        wrt: str | Sequence[str] | None = None,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Compute outputs and their gradients in one go.

        Parameters and errors are those of `gradient`.

        Returns
        -------
        values : dict of str to numpy.ndarray
            The outputs that are differentiated, by name.
        gradients : dict of str to numpy.ndarray
            What `gradient` returns.
        """
        from pysofie.gradient import evaluate

        return evaluate(self, feeds, output, seed, wrt)

    def clone(self) -> Session:
        """Make a session with memory of its own that shares code and weights; it costs microseconds."""
        origin = self.origin  # before the weights, which may be replaced meanwhile and know theirs
        replaced = self._runners.replaced
        session = Session(self.library, self.weights, origin if replaced is None else replaced.origin)
        session.gradients = self.gradients.clone()
        if replaced is not None:
            session._runners.replace(replaced)
        return session

    def set_weights(self, weights: Mapping[str, ArrayLike] | ModelLike) -> None:
        """Replace the weights, without compiling anything again.

        All threads that use this session, and what `bind` returned, have the new weights from their next call
        on; a call that is under way ends with the old ones, none sees some of both. Clones and functors that
        were made before keep theirs.

        Parameters
        ----------
        weights : dict of str to array_like, or a model as for `pysofie.load`
            New values of initializers, by their name in the ONNX model, in their dtype and shape; the others
            keep their values. Or the same model with other weights, as after another training.

        Raises
        ------
        ShapeError
            A dtype or shape is not that of the initializer.
        Error
            There is no such initializer; or the values ask for other code: of a constant without axes, which
            became a number in the code, of one that decides shapes, such as the scales of a Resize, or of
            another architecture. Nothing has changed then.

        Examples
        --------
        >>> session.set_weights({"fc1.weight": array})  # doctest: +SKIP
        >>> session.set_weights("retrained.onnx")  # doctest: +SKIP
        """
        if self.has_fixed_weights:
            raise Error(
                f"{self.name}: data frames may be using this functor, so that its weights stay; make another "
                "one of a model with other weights"
            )
        if self.origin is None:
            raise Error(f"{self.name}: this session does not know the model that it was compiled from")
        with self._replacing:
            self._take(self.origin.with_weights(self.name, weights))

    def take_weights(self, origin: Origin) -> None:
        """Replace the weights by those of the same model with other ones; see `set_weights`."""
        with self._replacing:
            self._take(origin)

    def _take(self, origin: Origin) -> None:
        from pysofie.weights import WeightsFile, other_code

        try:
            self._runners.replace(WeightsFile(origin))
        except InvalidModelError:
            raise
        except Error as error:
            raise other_code(self.name, self.origin, origin, error) from error
        self.origin = origin
        self.__dict__.pop("precision_error", None)

    def compare_precision(self, *feeds: Mapping[str, Any]) -> list[Comparison]:
        """Measure what the rounding of `precision` costs, against the same model compiled without it.

        Parameters
        ----------
        *feeds : dict of str to array_like
            Inputs as for `run`; without any, random ones of several sizes.

        Returns
        -------
        list of Comparison
            The largest absolute and relative differences of every output for each of the inputs; empty for
            float32.
        """
        from pysofie.sequences import tensors
        from pysofie.verify import compare, random_feeds

        if self.precision == "float32" or self.origin is None:
            return []
        exact = self.origin.exact()
        cases = [({}, given) for given in feeds] if feeds else random_feeds(self)
        results = []
        for size, given in cases:
            expected = tensors(exact.run(given))
            for name, array in tensors(self.run(given)).items():
                results.append(compare(name, size, array, expected[name]))
        return results

    @cached_property
    def precision_error(self) -> list[Comparison]:
        """What `compare_precision` measures on random inputs; the first use compiles the exact model."""
        return self.compare_precision()

    @property
    def input_names(self) -> list[str]:
        """The names that `run` takes."""
        return [value.name for value in self.input_values or self.inputs]

    @property
    def arena_bytes(self) -> int:
        """Bytes that this thread holds for intermediate tensors."""
        return int(self._of_thread.runner.core.arena_bytes)

    def profile(self) -> list[KernelProfile]:
        """What each kernel has taken in this thread so far; empty without ``profile=True``."""
        return [KernelProfile(*row) for row in self._of_thread.runner.core.profile()]

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        outputs = ", ".join(map(str, self.outputs))
        return f"<pysofie.Session {self.name} on {self.target}: ({inputs}) -> ({outputs})>"

    def _score_events(self, arrays: Sequence[Any], named: Mapping[str, Any]) -> Any:
        from pysofie.functor import Functor
        from rdf_helpers.event import Request

        if named:
            raise ShapeError(f"{self.name}: events are given as records, or column by column, without names")
        functor = Functor.of_session(self, Request())
        fields = getattr(arrays[0], "fields", None)
        if len(arrays) != 1 or not fields:
            return functor(*arrays)
        names = [tensor.name for tensor in self.inputs]
        order = names if set(names) <= set(fields) else fields
        return functor(*(arrays[0][field] for field in order))

    # --- the way of a call ------------------------------------------------------------------------------

    def arrays_of(self, feeds: Any) -> list[Array]:
        """Arrays, one for each input, of a dict, a sequence of arrays, or one array.

        Raises
        ------
        ShapeError
            As a call.
        """
        if isinstance(feeds, Mapping):
            return self._signature.ready(self._signature.ordered((), feeds))
        arrays = feeds if isinstance(feeds, (tuple, list)) else (feeds,)
        return self._signature.ready(self._signature.ordered(arrays, {}))

    def shapes_of(self, arrays: Sequence[Array]) -> list[tuple[int, ...]]:
        """Shapes of the outputs for arrays that `arrays_of` gave; if the data decide them, by a run.

        Raises
        ------
        ShapeError, IndexError
            As a call.
        """
        if self.measured:
            return [output.shape for output in self.compute(arrays)]
        return self._of_thread.runner.output_shapes([array.shape for array in arrays])

    def compute(self, arrays: Sequence[Any]) -> list[Array]:
        """Compute the outputs of arrays, one for each input, in order."""
        return self._of_thread.runner.compute(arrays)
