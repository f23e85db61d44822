"""config/fastdds.xml holds the sizes that benchmarks/fastdds_loss.py was measured with."""

from pathlib import Path
from xml.etree import ElementTree

PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds.xml'
NAMESPACE = {'dds': 'http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles'}


def value(name: str) -> str:
    (element,) = ElementTree.parse(PROFILE).iterfind(f'.//dds:{name}', NAMESPACE)
    return element.text or ''


def test_a_1080p_image_fits_whole() -> None:
    assert 1920 * 1080 * 3 < int(value('maxMessageSize')) == 16 * 2**20
    assert int(value('segment_size')) == 64 * 2**20


def test_only_our_transports_are_used() -> None:
    assert value('useBuiltinTransports') == 'false'
    tree = ElementTree.parse(PROFILE)
    declared, used = (
        {element.text for element in tree.iterfind(f'.//dds:{parent}/dds:transport_id', NAMESPACE)}
        for parent in ('transport_descriptor', 'userTransports')
    )
    assert declared == used == {'mtscene_shm', 'mtscene_udp'}
