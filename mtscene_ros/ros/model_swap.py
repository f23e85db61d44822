"""The model that runs, the one that is being loaded, and the one that is to take its place.

All calls come from the executor's thread; the loading itself has a thread of its own (loading.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rclpy.impl.rcutils_logger import RcutilsLogger

from mtscene_ros.estimator import SceneEstimator, decoders_of
from mtscene_ros.models.catalogue import spec_of_file
from mtscene_ros.models.spec import SpecError
from mtscene_ros.ros.loading import Loading, PendingReply, opener
from mtscene_ros.ros.parameter_table import NodeParams
from mtscene_ros.ros.worker import Pipeline

BUNDLED = 'the bundled model'


class Models:
    """make_line: publishers for a model that was opened; in_use: whether a worker runs, which then
    closes the model that it leaves."""

    def __init__(
        self,
        logger: RcutilsLogger,
        make_line: Callable[[SceneEstimator], Pipeline],
        in_use: Callable[[], bool],
    ) -> None:
        self._logger, self._make_line, self._in_use = logger, make_line, in_use
        self.line: Pipeline | None = None
        self._loading: Loading | None = None
        self._swap: tuple[Loading, PendingReply] | None = None
        self._told_phase = ''
        self.error = ''  # why the last attempt to configure came to nothing

    @property
    def loading(self) -> Loading | None:
        """What is on its way, if anything is."""
        if self._swap is not None:
            return self._swap[0]
        return self._loading if self.line is None else None

    def load(self, params: NodeParams) -> None:
        """Begins to."""
        self.error = ''
        self._loading = Loading(params.model or BUNDLED, opener(params))

    async def swap(self, params: NodeParams, path: str) -> str:
        """Loads another one beside the one that runs and changes over; '' or why not."""
        if self.line is None or self._swap is not None:
            why = 'another is being loaded' if self.loading else 'none is loaded'
            return f'No model can be swapped: {why}.'
        try:
            decoders_of(spec_of_file(path), path)
        except SpecError as error:
            return str(error)
        answer = PendingReply()
        loading = Loading(path or BUNDLED, opener(replace(params, model=path)))
        self._swap = (loading, answer)
        return await answer

    def look(self) -> str:
        """What the loading threads have to say. The sentence why the first model cannot be loaded,
        otherwise ''."""
        loading = self.loading
        if loading is None:
            return ''
        if not loading.is_done:
            if loading.phase != self._told_phase:
                self._told_phase = loading.phase
                self._logger.info(f'{loading.model}: {loading.phase}')
            return ''
        self._told_phase = ''
        answer = None
        if self._swap is not None:
            (_, answer), self._swap = self._swap, None
        why_not = loading.error
        if loading.estimator is not None:
            why_not = self._take_over(loading.estimator)
        if answer is not None:
            answer.text = why_not
            return ''
        if why_not:
            self._loading, self.error = None, why_not
        return why_not

    def cancel(self, wait_s: float = 0.0) -> None:
        """Ends whatever is on its way."""
        if self.loading is not None:
            self.loading.cancel(wait_s)
        if self._swap is not None:
            self._swap[1].text = 'The node was cleaned up.'
        self._loading = self._swap = None

    def leave_behind(self, line: Pipeline | None) -> None:
        """To the worker that hangs in it: forgotten here without being freed."""
        if self.line is line:
            self.line = self._loading = None

    def release(self, wait_s: float = 0.0) -> None:
        """Frees everything. The worker has ended before."""
        self.cancel(wait_s)
        if self.line is not None:
            self.line.estimator.backend.close()
        self.line = None

    def _take_over(self, estimator: SceneEstimator) -> str:
        old = self.line
        try:
            self.line = self._make_line(estimator)
        except Exception as error:  # a topic that cannot be made
            estimator.backend.close()
            return str(error)
        if old is not None and not self._in_use():
            old.estimator.backend.close()
        spec = estimator.spec
        self._logger.info(
            f'Model {spec.name} {spec.version}: {", ".join(estimator.decoders)} at '
            f'{spec.width_px}x{spec.height_px} px on {estimator.backend.description}'
        )
        return ''
