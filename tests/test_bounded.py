from monitor.bounded import Bounded


def test_the_newest_are_kept():
    kept: Bounded[int, str] = Bounded(2)
    for number in range(5):
        kept[number] = str(number)
    assert list(kept.items()) == [(3, "3"), (4, "4")]


def test_an_item_that_is_set_again_keeps_its_place_unless_it_is_renewed():
    kept: Bounded[str, int] = Bounded(2)
    kept["a"], kept["b"], kept["a"] = 1, 2, 3
    kept["c"] = 4
    assert list(kept) == ["b", "c"]
    kept.renew("b", 5)
    kept.setdefault("d", 6)
    assert dict(kept) == {"b": 5, "d": 6}
