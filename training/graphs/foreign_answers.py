"""What a foreign graph says on generated images, and whether its depths can be metres."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from training.graphs.wrapped import Foreign

REVERSED = -0.3  # rank correlation below which an output falls with the distance


def run(model: onnx.ModelProto, inputs: dict[str, NDArray[Any]], output: str) -> NDArray[Any]:
    """Runs a graph on ONNX Runtime. Raises ValueError where it does not run."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), settings, providers=['CPUExecutionProvider']
        )
        return np.asarray(session.run([output], inputs)[0])
    except (
        Exception
    ) as error:  # ONNX Runtime has a class for each of its errors, and no common one
        text = ' '.join(str(error).split())[:200]
        raise ValueError(f'The graph does not run on two images at once ({text}).') from None


def answers(
    model: onnx.ModelProto, foreign: Foreign, given: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Returns what the original says, image by image. Raises ValueError for what is not finite."""
    names = [foreign.output] if foreign.output else [v.name for v in model.graph.output]
    found = {
        name: np.concatenate([run(model, {foreign.input: image[None]}, name) for image in given])
        for name in names
    }
    for name, raw in found.items():
        if raw.dtype.kind == 'f' and not np.isfinite(raw).all():
            raise ValueError(f'{name} is not finite on an image; check --mean and --std.')
    return found


def check_order(depth_m: NDArray[Any], true_m: NDArray[Any], is_inverse: bool) -> None:
    """Prints how far the order of depths is the true one on generated images. Raises ValueError
    where it is reversed: an inverse depth must not be published as metres."""
    known = np.isfinite(true_m)
    ranks = [np.argsort(np.argsort(values[known])) for values in (depth_m, true_m)]
    same = float(np.asarray(np.corrcoef(ranks))[0, 1]) if np.ptp(depth_m[known]) > 0 else 0.0
    if same < REVERSED and not is_inverse:
        raise ValueError(
            f'The output falls where the true depth rises (rank correlation {same:.2f} on two '
            'generated images), so it is no depth in metres. An inverse relative depth needs '
            '--inverse SCALE SHIFT, measured on a scene of known depth.'
        )
    if same < REVERSED:
        raise ValueError(
            f'With --inverse the depth falls where the true one rises (rank correlation '
            f'{same:.2f}); leave --inverse out, or check the sign of SCALE.'
        )
    print(f'Order of depths on two generated images: rank correlation {same:.2f} with the truth.')
