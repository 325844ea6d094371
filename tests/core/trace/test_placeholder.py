"""What stands for an object of the program."""

from sigil.core.trace.placeholder import SHOWN_MAX, Placeholder, placeholder


class Treacherous:
    """An object whose texts raise."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_the_type_is_named_and_the_object_is_not_asked() -> None:
    assert placeholder(Treacherous()) == Placeholder(f"{__name__}.Treacherous")


def test_one_that_was_read_is_itself() -> None:
    read = Placeholder("builtins.generator")
    assert placeholder(read) is read


def test_names_are_bounded() -> None:
    kind = type("T" * 1_000, (), {})
    assert len(placeholder(kind()).kind) == SHOWN_MAX
