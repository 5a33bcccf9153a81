"""The error tree: what the docstring draws is what the module holds."""

from __future__ import annotations

import re

from edged import errors


def drawn() -> dict[str, int]:
    """Class names and exit codes as the module's docstring draws them."""
    lines = re.findall(r"^ +(?:[|`]-- )?(\w+Error) +(\d+) ", errors.__doc__ or "", re.MULTILINE)
    return {name: int(code) for name, code in lines}


def built() -> dict[str, int]:
    """The same, from the classes."""
    return {
        name: thing.exit_code
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, errors.EdgedError)
    }


def test_the_drawn_tree_is_the_tree():
    """Each class is drawn once, with its exit code, and none is drawn that is not there."""
    assert drawn() == built()


def test_there_are_at_most_seven_classes_a_remedy_each():
    """More classes than remedies would only be names; exit codes tell all of them apart."""
    codes = built()
    assert len(codes) <= 7
    assert len(set(codes.values())) == len(codes)


def test_all_errors_hang_on_one_root():
    """One except clause at the top of the command line is enough."""
    roots = {vars(errors)[name].__mro__[-4] for name in built() if name != "EdgedError"}
    assert roots == {errors.EdgedError}
