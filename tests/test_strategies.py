"""Is each class of message really drawn?"""

from hypothesis import given, settings
from strategies import CLASSES, messages


def test_every_class_is_drawn():
    seen = dict.fromkeys(CLASSES, 0)

    @settings(max_examples=1500, derandomize=True, database=None)
    @given(messages)
    def look(raw):
        for name, belongs in CLASSES.items():
            seen[name] += bool(belongs(raw))

    look()
    assert {name: n for name, n in seen.items() if n < 15} == {}
