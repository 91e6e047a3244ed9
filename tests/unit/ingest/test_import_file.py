"""How files of rows are read: as spreadsheets and survey tools write them."""

from pathlib import Path

import pytest

from services.ingest.history.file import Row, look_at, sniffed
from shared.errors import ConfigError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [
        pytest.param("id,score\n1;2,9\n", ",", id="comma"),
        pytest.param("id;score;why\n", ";", id="semicolon, as French spreadsheets write"),
        pytest.param("id\tscore\n", "\t", id="tab"),
        pytest.param('"a,b,c";"d,e";f\n', ";", id="commas within quotes"),
        pytest.param('"two\nlines, and; more";b;c\n', ";", id="a line break within quotes"),
        pytest.param("id\n", ",", id="one column"),
    ],
)
def test_the_delimiter_is_that_of_the_first_record(head: str, delimiter: str) -> None:
    """The one that stands there most, outside quotes."""
    assert sniffed(head) == delimiter


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param("id;naïf\n1;été\n".encode(), "utf-8", id="UTF-8"),
        pytest.param(b"\xef\xbb\xbf" + "id;naïf\n1;été\n".encode(), "utf-8", id="with BOM"),
        pytest.param("id;naïf\r\n1;été\r\n".encode("latin-1"), "latin-1", id="latin-1"),
        pytest.param("id;naïf\n1;été\n".encode("utf-16"), "utf-16", id="UTF-16"),
    ],
)
def test_encodings_of_spreadsheets_are_read(tmp_path: Path, content: bytes, encoding: str) -> None:
    """A byte order mark is no part of a column's name."""
    looked = look_at(written(tmp_path, "a.csv", content), encoding=encoding)
    assert looked.columns == ("id", "naïf")
    assert [row.fields for row in looked.rows()] == [{"id": "1", "naïf": "été"}]


def test_rows_of_csv_keep_their_numbers(tmp_path: Path) -> None:
    """Quoted line breaks are part of a field, blank lines are none, a broken row is named."""
    text = 'id,why\n1,"two\nlines"\n\n2,"say ""hi"""\n3,a,b\n4\n'
    rows = list(look_at(written(tmp_path, "a.csv", text)).rows())
    assert rows == [
        Row(0, 3, {"id": "1", "why": "two\nlines"}, ["1", "two\nlines"]),
        Row(1, 5, {"id": "2", "why": 'say "hi"'}, ["2", 'say "hi"']),
        Row(2, 6, None, ["3", "a", "b"], "more fields than the header names"),
        Row(3, 7, {"id": "4"}, ["4"]),
    ]


def test_lines_of_jsonl_are_rows(tmp_path: Path) -> None:
    """Each an object; whatever is none is named, and the others are read."""
    text = '{"id": 1, "a": {"b": [null]}}\n\n[1]\n{"id": NaN}\n{"id": \n' + "[" * 100_000 + "\n"
    rows = list(look_at(written(tmp_path, "a.jsonl", text)).rows())
    assert [(row.number, row.line, row.fields, row.problem) for row in rows] == [
        (0, 1, {"id": 1, "a": {"b": [None]}}, None),
        (1, 3, None, "not an object of named fields"),
        (2, 4, None, "not JSON"),
        (3, 5, None, "not JSON"),
        (4, 6, None, "not JSON"),
    ]


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    """Under another name it is the same file."""
    one = look_at(written(tmp_path, "a.csv", "id\n1\n"))
    assert look_at(written(tmp_path, "b.csv", "id\n1\n")).sha256 == one.sha256
    assert look_at(written(tmp_path, "c.csv", "id\n2\n")).sha256 != one.sha256


@pytest.mark.parametrize(
    ("name", "content", "encoding", "says"),
    [
        pytest.param("a.csv", "naïf\n".encode("latin-1"), "utf-8", "latin-1", id="encoding"),
        pytest.param("a.csv", "", "utf-8", "must name the columns", id="empty"),
        pytest.param("a.csv", "a,b,a\n", "utf-8", "two columns are called 'a'", id="doubled"),
        pytest.param("a.xlsx", "", "utf-8", "--format", id="another kind"),
        pytest.param("a.csv", "id\n", "klingon", "--encoding: unknown", id="unknown encoding"),
        pytest.param("a.csv", 'id\n"1\n', "utf-8", "unclosed quote", id="unclosed quote"),
    ],
)
def test_what_is_no_file_of_rows_is_said(
    tmp_path: Path, name: str, content: str | bytes, encoding: str, says: str
) -> None:
    """With what to do about it."""
    with pytest.raises(ConfigError, match=says):
        list(look_at(written(tmp_path, name, content), encoding=encoding).rows())


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """In the system's words."""
    with pytest.raises(ConfigError, match="No such file"):
        look_at(tmp_path / "none.csv")
