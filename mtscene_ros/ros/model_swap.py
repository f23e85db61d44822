"""The model that runs, the one that is being loaded, and the swap between them.

All calls come from the executor's thread; loading has a thread of its own (loading.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rclpy.impl.rcutils_logger import RcutilsLogger

from mtscene_ros.estimator import SceneEstimator
from mtscene_ros.models.catalogue import licence_remark, spec_of_file
from mtscene_ros.models.spec import SpecError
from mtscene_ros.ros.loading import Loading, PendingReply, opener
from mtscene_ros.ros.parameter_values import NodeParams
from mtscene_ros.ros.pipeline import Pipeline
from mtscene_ros.tasks.task_decoders import decoders_of

BUNDLED = 'the bundled model'


class Models:
    """Holds the running model and loads others.

    make_pipeline: makes the publishers for an opened model; in_use: whether a worker runs, which
    then closes the model that it replaces.
    """

    def __init__(
        self,
        logger: RcutilsLogger,
        make_pipeline: Callable[[SceneEstimator], Pipeline],
        in_use: Callable[[], bool],
    ) -> None:
        self._logger, self._make_pipeline, self._in_use = logger, make_pipeline, in_use
        self.pipeline: Pipeline | None = None
        self._loading: Loading | None = None
        self._swap: tuple[Loading, PendingReply] | None = None
        self._logged_phase = ''
        self.error = ''  # why the last configure failed

    @property
    def loading(self) -> Loading | None:
        """The loading in progress, None where there is none."""
        if self._swap is not None:
            return self._swap[0]
        return self._loading if self.pipeline is None else None

    @property
    def running(self) -> str:
        """One line about the model that runs; '' for none."""
        if self.pipeline is None:
            return ''
        estimator, spec = self.pipeline.estimator, self.pipeline.estimator.spec
        return (
            f'Model {spec.name} {spec.version}: {", ".join(estimator.decoders)} at '
            f'{spec.width_px}x{spec.height_px} px on {estimator.backend.description}'
        )

    def load(self, params: NodeParams) -> None:
        """Starts loading the model that the parameters name."""
        self.error = ''
        self._loading = Loading(params.model or BUNDLED, opener(params))

    async def swap(self, params: NodeParams, path: str) -> str:
        """Loads another model beside the running one and switches to it; returns '' or why not."""
        if self.pipeline is None or self._swap is not None:
            why = 'another model is being loaded' if self.loading else 'no model is loaded yet'
            return f'The model cannot be swapped: {why}.'
        try:
            decoders_of(spec_of_file(path), path)
        except SpecError as error:
            return str(error)
        reply = PendingReply()
        loading = Loading(path or BUNDLED, opener(replace(params, model=path)))
        self._swap = (loading, reply)
        return await reply

    def poll(self) -> str:
        """Takes over what the loading threads have finished.

        Returns the sentence why the first model cannot be loaded, otherwise ''.
        """
        loading = self.loading
        if loading is None:
            return ''
        if not loading.is_done:
            if loading.phase != self._logged_phase:
                self._logged_phase = loading.phase
                self._logger.info(f'{loading.model}: {loading.phase}')
            return ''
        self._logged_phase = ''
        reply = None
        if self._swap is not None:
            (_, reply), self._swap = self._swap, None
        why_not = loading.error
        if loading.estimator is not None:
            why_not = self._take_over(loading.estimator, loading.model)
        if reply is not None:
            reply.text = why_not
            return ''
        if why_not:
            self._loading, self.error = None, why_not
        return why_not

    def cancel(self, wait_s: float = 0.0) -> None:
        """Cancels any loading in progress."""
        if self.loading is not None:
            self.loading.cancel(wait_s)
        if self._swap is not None:
            self._swap[1].text = 'The node was cleaned up.'
        self._loading = self._swap = None

    def abandon(self, pipeline: Pipeline | None) -> None:
        """Forgets the model in which a worker hangs, without freeing it."""
        if self.pipeline is pipeline:
            self.pipeline = self._loading = None

    def release(self, wait_s: float = 0.0) -> None:
        """Frees everything. The worker must have ended before."""
        self.cancel(wait_s)
        if self.pipeline is not None:
            self.pipeline.estimator.backend.close()
        self.pipeline = None

    def _take_over(self, estimator: SceneEstimator, model: str) -> str:
        old = self.pipeline
        try:
            self.pipeline = self._make_pipeline(estimator)
        except Exception as error:  # a publisher that cannot be created
            estimator.backend.close()
            return str(error)
        if old is not None and not self._in_use():
            old.estimator.backend.close()
        self._logger.info(self.running)
        if remark := licence_remark('' if model == BUNDLED else model):
            self._logger.warning(remark)
        return ''
