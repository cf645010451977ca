"""A CSV of learners is taken whole, or refused with every fault."""

import pytest

from streams.badges import User
from streams.errors import ConfigurationError
from streams.operate import learners as csv_learners
from streams.operate.learners import learners

ADA = User(7, True, "ada", "ada@example.org", "Ada Lövelace")
HEAD = b"learner,username,email,name\n"


def refused(raw: bytes) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        learners(raw)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + "7,ada,ada@example.org,Ada Lövelace\n8,,,\n".encode(),
        b"\xef\xbb\xbf" + HEAD + "7,ada,ada@example.org,Ada Lövelace\r\n8,,,\r\n".encode(),
        b"\n\nLearner , Name,Email,Username\n 7 , Ada L\xc3\xb6velace ,ada@example.org,ada\n\n , , ,\n8,,,",
    ],
    ids=["plain", "from a spreadsheet", "with blanks and other columns first"],
)
def test_a_file_names_learners_and_what_is_known_of_those_never_seen(raw: bytes) -> None:
    assert list(learners(raw).items()) == [(7, ADA), (8, None)]


def test_a_column_of_ids_is_enough() -> None:
    assert learners(b"learner\n8\n007\n9223372036854775807\n") == dict.fromkeys((8, 7, 2**63 - 1))


@pytest.mark.parametrize(
    "id", ["", "-1", "+1", "1.0", "1_0", "٣", "1e3", "ada", "9223372036854775808", "9" * 5_000]
)
def test_what_is_no_id_is_a_fault(id: str) -> None:
    [fault] = refused(HEAD + f"{id},ada,ada@example.org,Ada".encode())
    assert fault.startswith("--csv: line 2: learner: ")
    assert fault.endswith("is no LMS user id")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"7,ada,,Ada", "email: missing; give username, email and name, or none of them"),
        (b"7,ada,Ada,ada@example.org", "email: 'Ada' is no e-mail address"),
        (b"7,ada,ada @example.org,Ada", "email: 'ada @example.org' is no e-mail address"),
        (b'7,ada,ada@example.org,"A\n8,b"', "name: not one line of at most 255 characters"),
        (b"7,ada,ada@example.org," + b"A" * 256, "name: not one line of at most 255 characters"),
        (b"7,ada", "2 columns, and 4 in the head"),
        (b"7,ada,ada@example.org,Lovelace, Ada", "5 columns, and 4 in the head"),
        (b"7,ada,ada@example.org,A\xf6", "not UTF-8; save it as CSV UTF-8"),
        (b'7,ada,ada@example.org,"Ada', "no CSV: unexpected end of data"),
    ],
)
def test_a_line_that_is_not_right_is_a_fault(line: bytes, fault: str) -> None:
    [said] = refused(HEAD + line)
    assert said.endswith(fault)


def test_every_fault_is_said_and_who_is_named_twice() -> None:
    assert refused(b"learner\n8\nx\n8\n") == [
        "--csv: line 3: learner: 'x' is no LMS user id",
        "--csv: line 4: learner 8 is on line 2 already",
    ]


def test_of_many_faults_the_first_are_said() -> None:
    assert refused(b"learner\n" + b"x\n" * 25)[-1] == "--csv: and 5 more"


@pytest.mark.parametrize(
    "head", ["7", "learner;name", "learner,learner", "name", "learner,,", "learner,grade"]
)
def test_the_head_names_the_columns(head: str) -> None:
    [said] = refused(f"{head}\n8,a\n".encode())
    assert said.startswith("--csv: line 1: the head names the columns")


@pytest.mark.parametrize("raw", [b"", b"\n", HEAD, b"learner\n \n"])
def test_a_file_without_learners_is_refused(raw: bytes) -> None:
    assert refused(raw) == ["--csv: names no learner"]


def test_a_file_is_as_long_as_one_transaction_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_learners, "MOST", 2)
    assert len(learners(b"learner\n1\n2\n")) == 2
    assert refused(b"learner\n1\n2\n3\n") == ["--csv: names 3 learners: give at most 2 at once"]


def test_a_name_may_have_joiners() -> None:
    name = "نرگس\u200cسادات"
    found = learners(HEAD + f"7,n,n@example.org,{name}".encode())[7]
    assert found is not None
    assert found.name == name
