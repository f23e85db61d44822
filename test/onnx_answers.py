"""What a whole model file answers, whatever the size of the batch."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def answers(path: Path, rgb: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    found = session.run(None, {session.get_inputs()[0].name: rgb})
    return [np.asarray(value, np.float64) for value in found]


def images(path: Path, count: int) -> np.ndarray:
    shape = onnx.load(path, load_external_data=False).graph.input[0].type.tensor_type.shape
    size = [axis.dim_value for axis in shape.dim][1:]
    return np.random.default_rng(count).integers(0, 256, (count, *size), np.uint8)


def check_opset_17_and_batches(path: Path) -> None:
    onnx.checker.check_model(str(path), full_check=True)
    assert onnx.load(path).opset_import[0].version == 17
    rgb = images(path, 3)
    alone = [answers(path, rgb[k : k + 1]) for k in range(3)]
    for count in (2, 3):
        for k, found in enumerate(answers(path, rgb[:count])):
            want = np.concatenate([one[k] for one in alone[:count]])
            assert found.shape == want.shape
            assert np.mean(np.abs(found - want) > 1e-3 * max(1, np.abs(want).max())) < 1e-3
