"""Loads a model, or builds its engine, beside the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from mtscene_ros.backends import BackendError, BackendOptions
from mtscene_ros.estimator import SceneEstimator, open_estimator
from mtscene_ros.models.spec import SpecError
from mtscene_ros.ros.parameter_values import NodeParams

Progress = Callable[[str, float], bool]


class Loading:
    """A thread that opens one model.

    open_model: called with a `progress` that returns False once loading was cancelled. When
    is_done, exactly one of estimator and error is set; cancelled loading closes what it opened.
    """

    def __init__(self, model: str, open_model: Callable[[Progress], SceneEstimator]) -> None:
        self.model, self.phase, self.share = model, 'opening', 0.0
        self.estimator: SceneEstimator | None = None
        self.error = ''
        self._open, self._cancelled = open_model, threading.Event()
        self._lock = threading.Lock()
        # A daemon: a runtime that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='model-loading', daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def cancel(self, wait_s: float = 0.0) -> None:
        """Cancels without waiting for the runtime: the thread cleans up by itself."""
        with self._lock:
            self._cancelled.set()
            opened, self.estimator = self.estimator, None
        if opened is not None:
            opened.backend.close()
        self._thread.join(wait_s)

    def _progress(self, phase: str, share: float) -> bool:
        self.phase, self.share = phase, share
        return not self._cancelled.is_set()

    def _run(self) -> None:
        try:
            opened = self._open(self._progress)
        except (BackendError, SpecError) as error:
            self.error = str(error)
            return
        except Exception as error:  # from a runtime: the node must report it
            self.error = f'Unexpected {type(error).__name__} while loading: {error}'
            return
        with self._lock:
            if not self._cancelled.is_set():
                self.estimator = opened
                return
        opened.backend.close()
        self.error = 'Loading was cancelled.'


class PendingReply:
    """The text that a service awaits in an `async` callback.

    Waiting never holds up the executor for more than a few milliseconds at a time.
    """

    def __init__(self) -> None:
        self.text: str | None = None
        self._pause = threading.Event()

    def __await__(self) -> Generator[None, None, str]:
        while self.text is None:
            # The executor polls continuously; without the pause it would occupy a core.
            self._pause.wait(0.003)
            yield
        return self.text


def opener(params: NodeParams) -> Callable[[Progress], SceneEstimator]:
    """Returns a function that opens a model for every batch size that the cameras may need."""

    def open_model(progress: Progress) -> SceneEstimator:
        options = BackendOptions(
            threads=params.threads,
            gpu_id=params.gpu_id,
            max_batch=len(params.cameras),
            precision=params.precision,
            dla_core=params.dla_core,
            engine_folder=params.engine_folder,
            progress=progress,
        )
        estimator = open_estimator(
            params.model,
            params.backend,
            options,
            stretched=params.resize == 'stretch',
            output_scale=params.output_scale,
        )
        estimator.warm_up(len(params.cameras))  # the memory stays constant from here on
        return estimator

    return open_model
