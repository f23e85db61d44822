"""The precision in which an engine really computes, from TensorRT's inspector, layer by layer."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

# Words of "Format/Datatype" in TensorRT 8 to 11.
WORDS = {
    'int8': ('INT8', 'Int8'),
    'fp8': ('FP8', 'Fp8'),
    'bf16': ('BF16', 'BFloat16'),
    'fp16': ('FP16', 'Half'),
    'fp32': ('FP32', 'Float'),
}


def precision_of_engine(trt: Any, engine: Any, of_file: str) -> str:
    """Returns the precision of most layers.

    of_file: the precision of the weights, returned where the inspector gives no details; strongly
    typed engines follow the file.
    """
    counts = layers_of(trt, engine)
    return max(counts, key=lambda kind: counts[kind], default=of_file)


def layers_of(trt: Any, engine: Any) -> Counter[str]:
    """Returns precision → number of layers."""
    inspector = engine.create_engine_inspector()
    return layer_precisions(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def layer_precisions(text: str) -> Counter[str]:
    """Returns precision → number of layers with such an output; empty without details."""
    try:
        layers = json.loads(text)['Layers']
    except (ValueError, KeyError, TypeError):
        return Counter()
    detailed = [layer for layer in layers if isinstance(layer, dict)]
    kinds = (
        kind_of(str(output.get('Format/Datatype', '')))
        for layer in detailed
        for output in layer.get('Outputs', ())
    )
    return Counter(kind for kind in kinds if kind)


def kind_of(words: str) -> str:
    """'Row major linear FP16 format' → 'fp16'; '' for formats without arithmetic."""
    found = (kind for kind, spelt in WORDS.items() if any(word in words for word in spelt))
    return next(found, '')
