"""How TOML becomes structs, and how every mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from edged import tables
from edged.errors import ConfigError


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    """A table in a table."""

    size_px: Annotated[int, msgspec.Meta(ge=1, le=9)] = 5
    ratio: float = 0.5
    kind: Literal["round", "square"] = "round"


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z]+\Z", description="lower-case letters")]
    inner: Inner = Inner()
    maybe: Inner | None = None
    shelf: dict[str, Inner] = {}
    rows: tuple[Inner, ...] = ()
    pair: tuple[int, int] = (0, 0)
    file: Path | None = None
    password: str = ""


def problems(text: str, cls: type[msgspec.Struct] = Outer) -> list[str]:
    walk = tables.Walk(Path("/base"), root=cls)
    tables.build(cls, tables.parse(text.encode(), Path("x.toml")), walk)
    return walk.problems


def built(text: str) -> Outer:
    walk = tables.Walk(Path("/base"))
    made = tables.build(Outer, tables.parse(text.encode(), Path("x.toml")), walk)
    assert walk.problems == []
    return made


def test_a_good_file_becomes_structs_with_absolute_paths():
    """Nested tables, tables of names, lists of tables, optional tables, paths."""
    made = built(
        'name = "a"\nfile = "x/y"\npair = [1, 2]\n[inner]\nsize_px = 3\n[maybe]\n'
        "[shelf.s]\nratio = 1\n[[rows]]\nsize_px = 2\n[[rows]]"
    )
    assert made.inner == Inner(size_px=3)
    assert made.maybe == Inner()
    assert made.shelf == {"s": Inner(ratio=1.0)}
    assert made.rows == (Inner(size_px=2), Inner())
    assert made.file == Path("/base/x/y")


def test_all_mistakes_are_told_at_once_with_path_and_value():
    """Six mistakes, six lines, in the order of the file's tables."""
    found = problems(
        'name = "A b"\npair = [1, 2, 3]\n[inner]\nsize_px = 99\nratio = "x"\nkind = "rund"\n'
        '[shelf."a b"]\nsize_pxx = 1\n'
    )
    assert found == [
        'name = "A b": needs lower-case letters',
        "inner.size_px = 99: needs a whole number <= 9",
        'inner.ratio = "x": needs a number, got text in quotes',
        'inner.kind = "rund": must be one of "round", "square" (did you mean "round"?)',
        'shelf."a b".size_pxx: unknown key (did you mean "size_px"?)',
        "pair = [1, 2, 3]: needs exactly 2 values",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "name: is missing"),
        ('name = "a"\ninner = 5', "inner = 5: needs a table [inner]"),
        ('name = "a"\nrows = [{size_px = 0}]', "rows[0].size_px = 0: needs a whole number >= 1"),
        ('name = "a"\nshelf = 1', "shelf = 1: needs a table, got a whole number"),
        ('name = "a"\n[inner]\nratio = nan', "inner.ratio = NaN: needs a finite number"),
        ('name = "a"\nfile = 1', "file = 1: needs the path of a file or folder, in quotes"),
        ('name = "a"\nfile = "a\\u0000b"', 'file = "a\\u0000b": needs the path of a file or'),
        ("name = 2020-01-01", 'name = "2020-01-01": needs lower-case letters'),
        ('name = "a"\nsize-px = 1', "size-px: unknown key"),
        ('name = "a"\n[inner]\nsize_px = true', "inner.size_px = true: needs a whole number, got"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(text, line):
    """Each kind of mistake has words of its own, and stands alone."""
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(line)


def test_a_key_in_the_wrong_table_is_sent_home():
    """TOML's most common slip: a key after the wrong heading."""
    assert problems('name = "a"\nratio = 1.0', Outer) == ["ratio: unknown key"]  # three homes

    class Lone(msgspec.Struct, frozen=True):
        inner: Inner = Inner()

    assert problems("ratio = 1.0", Lone) == ["ratio: unknown key (it belongs in [inner])"]


def test_a_secret_is_never_shown():
    """The value of a key called password is masked."""
    found = problems('name = "a"\npassword = 5')
    assert found == ["password = ***: needs text in quotes, got a whole number"]


def test_a_long_value_is_cut_to_one_short_line():
    """A kilobyte of text or a line break cannot flood the terminal."""
    found = problems(f'name = """{"x" * 1000}\n!"""')
    assert len(found) == 1
    assert len(found[0]) < 120
    assert "\n" not in found[0]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff", "byte 0 is not UTF-8"),
        (b"a = ", "not valid TOML"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_one_problem_of_the_file(raw, reason):
    """Bad bytes, bad syntax, a nesting attack and a giant integer name the file."""
    with pytest.raises(ConfigError, match=f"x.toml: .*{reason}"):
        tables.parse(raw, Path("x.toml"))


def test_a_key_with_a_line_break_stays_on_one_line():
    """A problem is one line, whatever the key."""
    (found,) = problems('"name\\n" = 1\nname = "a"')
    assert found.startswith('"name\\n": unknown key')


@pytest.mark.parametrize("text", ["%s = 1" % ("a" * 5000), '["%s"]' % ("b" * 5000)])
def test_a_problem_is_short_whatever_is_wrong(text):
    """Keys and texts of a file are shown up to a bound, also where TOML's reader shows them."""
    try:
        found = problems(text)
    except ConfigError as error:
        found = list(error.problems)
    assert found
    assert max(map(len, found)) < 400


def test_only_the_first_hundred_problems_are_told():
    """A wrong file costs no search for hints for each of its lines."""
    found = problems("".join(f"key{n} = 1\n" for n in range(5000)))
    assert len(found) == 101
    assert "only the first 100 are shown" in found[-1]


def test_a_giant_file_is_not_read_to_its_end(tmp_path):
    """A gigabyte given by mistake costs half a mebibyte."""
    path = tmp_path / "big.toml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ConfigError, match="larger than 512 KiB"):
        tables.read(path)


def test_credentials_are_found_where_systemd_puts_them(monkeypatch):
    """`$CREDENTIALS_DIRECTORY/x` is expanded where it is set and kept where it is not."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/u")
    assert tables.resolve("$CREDENTIALS_DIRECTORY/p", Path("/b")) == Path("/run/credentials/u/p")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert str(tables.resolve("$CREDENTIALS_DIRECTORY/p", Path("/b"))).startswith("$CRED")
