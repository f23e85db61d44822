"""The decoders of all tasks of a model, made from what its file states about itself."""

from __future__ import annotations

from mtscene_ros.models.spec import MALFORMED, ModelSpec, SpecError
from mtscene_ros.tasks import OWN_KINDS, TASKS, Decode, task_of


def decoders_of(spec: ModelSpec, path: str) -> dict[str, Decode]:
    """Returns the decoding function of each of the model's tasks, by task name.

    spec: the model's contract; path: of the model file, for error messages. Raises SpecError for a
    task that is not known and for options that cannot be used.
    """
    promised = {tensor.name for tensor in spec.outputs}
    decoders = {}
    for name, options in spec.tasks.items():
        try:
            task = task_of(name, options)
        except KeyError:
            raise SpecError(
                f'{path} has the task {name!r}, unknown here; known: {", ".join(TASKS)}, and '
                f'tasks of kind {", ".join(OWN_KINDS)}.'
            ) from None
        missing = set(task.OUTPUTS) - promised
        if missing:
            raise SpecError(
                f'{path}: task {name!r} needs the outputs {sorted(missing)}; export it again.'
            )
        try:
            decoders[name] = task.decoder(options)
        except MALFORMED as error:
            raise SpecError(f'{path}: options of task {name!r} are unusable ({error}).') from error
    return decoders
