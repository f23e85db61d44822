"""Classes of labels and of a model, matched by name."""

from mtscene_ros.datasets.class_match import label_match
from mtscene_ros.datasets.class_tables import coloured

MODEL = coloured(['road', 'vegetation', 'terrain', 'car', 'truck'])


def test_several_classes_of_the_model_in_one() -> None:
    true = coloured(['tree', 'car', 'lamp', 'sky'])
    class_map = {'tree': ('terrain', 'vegetation'), 'lamp': ('unknown',), 'car': ('truck', 'car')}
    found = label_match(true, MODEL, class_map)
    assert found.lookup[:4].tolist() == [2, 4, 255, 255]
    assert found.merged[:5].tolist() == [0, 2, 2, 4, 4]
    assert found.scored == (2, 4)
    assert found.lacking == ('sky',)


def test_the_same_table_in_another_order() -> None:
    found = label_match(MODEL[::-1], MODEL)
    assert found.lookup[:5].tolist() == [0, 1, 2, 3, 4]
    turned = coloured(['truck', 'road'])
    assert label_match(turned, MODEL).lookup[:2].tolist() == [4, 0]
