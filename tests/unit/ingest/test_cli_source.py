"""`nps source check` and `nps source try` as a person or a script calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.ingest.examples import GENERIC
from services.ingest.tryout.cli import source
from services.ingest.verify.signatures import sign

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config"
SHOP = """sources:
  shop:
    preset: generic
    secrets: [env:NPS_SECRET_SHOP]
"""
BODY = {
    "survey": "relational",
    "response_id": "R-1",
    "answered_at": "2026-11-20T10:00:00Z",
    "email": "camille@example.com",
    "score": 9,
    "basket": 3,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configuration, with the secret of the shop set."""
    monkeypatch.setenv("NPS_SECRET_SHOP", "a secret of the shop")
    (tmp_path / "sources.yaml").write_text(SHOP, encoding="utf-8")
    (tmp_path / "body.json").write_text(json.dumps(BODY), encoding="utf-8")
    return tmp_path


def run(*arguments: str | Path, stdin: bytes | None = None) -> tuple[int, str]:
    """Run a command; its exit code and everything it wrote."""
    result = CliRunner().invoke(source, [str(one) for one in arguments], input=stdin)
    return result.exit_code, result.output


def run_json(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Run a command with --json; its exit code and the object it wrote."""
    code, output = run(*arguments, "--json")
    told: dict[str, Any] = json.loads(output)
    return code, told


def test_the_shipped_sources_have_no_mistake() -> None:
    """Out of the box it is only told what the comments of the file tell as well."""
    code, told = run_json("check", "--config", SHIPPED)

    assert (code, told["ok"], told["errors"]) == (0, True, [])
    assert all(".complete: a partial answer" in line for line in told["warnings"])
    assert {one["name"] for one in told["sources"]} == {"typeform-nps", "formbricks-nps", "shop"}


def test_every_mistake_of_every_source_is_told_at_once(folder: Path) -> None:
    """With file, line and fix; one run is enough to mend them all."""
    (folder / "sources.yaml").write_text(
        "sources:\n"
        "  a: {preset: nothing}\n"
        "  b:\n"
        "    preset: generic\n"
        "    answers: {score: question:q1}\n"
        '    json_in: ["a[0]"]\n'
        "  c: {unsigned: true, survey: s, answers: {score: n}}\n",
        encoding="utf-8",
    )
    code, told = run_json("check", "--config", folder)

    assert code == 2
    text = "\n".join(told["errors"])
    for line, wrong in (
        (2, "unknown preset"),
        (5, "unknown shorthand"),
        (6, "expected keys alone"),
        (3, "secrets: missing"),
        (7, "response_id: missing"),
    ):
        assert f"sources.yaml:{line}: " in text
        assert wrong in text


def test_a_file_of_another_shape_is_told_as_at_the_start(folder: Path) -> None:
    """The same lines as those with which a service refuses to start."""
    (folder / "sources.yaml").write_text("sources:\n  a: {presett: x}\n", encoding="utf-8")

    code, told = run_json("check", "--config", folder)
    assert code == 2
    assert "presett" in told["errors"][0]


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        pytest.param(
            "    identifiers: {email: null, external_id: null, phone: null}\n",
            "none: an answer",
            id="nobody",
        ),
        pytest.param("    answers: {score: null}\n", "no score", id="no score"),
        pytest.param("    answered_at: null\n", "time of receipt", id="no time"),
        pytest.param("    consents: []\n", "none read", id="no consents"),
        pytest.param(
            "    complete: unknown\n", "not said: an answer counts as whole", id="never whole"
        ),
        pytest.param(
            "    secrets: [env:NPS_SECRET_SHOP, env:NPS_SECRET_SHOP]\n", "two are active", id="two"
        ),
        pytest.param("    secrets: []\n    unsigned: true\n", "whoever knows", id="unsigned"),
        pytest.param(
            "    answers: {comments: text}\n", "do you mean 'comment'?", id="nearly a known name"
        ),
        pytest.param(
            "    kinds:\n"
            "      - {when: {from: type, is: [a, B]}, becomes: response}\n"
            "      - {when: {from: type, is: [b, c]}, becomes: decline}\n",
            "sources.shop.kinds.1.when: 'b' never comes here: the kind at 0 takes it",
            id="a kind behind another",
        ),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(folder: Path, more: str, warning: str) -> None:
    """It starts, so the exit code is 0; a pipeline that wants more asks for --strict."""
    lines = [line for line in SHOP.splitlines() if line.split(":")[0] not in more]
    text = "\n".join(lines) + "\n" + more
    (folder / "sources.yaml").write_text(text, encoding="utf-8")

    code, told = run_json("check", "--config", folder)
    assert (code, told["errors"]) == (0, [])
    assert any(warning in line for line in told["warnings"])
    assert run("check", "--config", folder, "--strict")[0] == 1


def test_a_secret_that_is_not_set_here_is_a_note_unless_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who edits the file has not the secrets of production; the deployment has."""
    monkeypatch.delenv("NPS_SECRET_SHOP")

    code, told = run_json("check", "--config", folder)
    assert (code, told["notes"]) == (0, ["shop: env:NPS_SECRET_SHOP is not set here"])
    assert run("check", "--config", folder, "--secrets")[0] == 2


def test_a_signed_delivery_is_told_field_by_field(folder: Path) -> None:
    """What maps to what, what nobody reads, that it is signed, and that all is well."""
    content = (folder / "body.json").read_bytes()
    (signature,) = sign(GENERIC, b"a secret of the shop", content).items()
    header = ": ".join(signature)
    arguments = ("try", "shop", folder / "body.json", "-H", header, "--config", folder)

    code, told = run_json(*arguments)
    assert (code, told["ok"], told["answer"]) == (0, True, "202")
    (message,) = told["messages"]
    assert message["event"]["data"]["answers"] == {"score": 9}
    assert message["unread"] == [{"path": "basket", "value": 3}]
    assert {"name", "path", "value", "micros", "state", "note"} <= message["fields"][0].keys()

    code, text = run(*arguments)
    assert code == 0
    for said in ("holds", "answers.score", "camille@example.com", "read by no field", "basket"):
        assert said in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_delivery_that_would_be_refused_ends_with_1(folder: Path) -> None:
    """A script that checks its mapping sees it by the exit code."""
    body, config = folder / "body.json", ("--config", folder)
    code, text = run("try", "shop", body, "-H", "X-Signature: sha256=00", *config)
    assert (code, "DOES NOT HOLD" in text) == (1, True)

    body.write_text(json.dumps({**BODY, "score": 11}), encoding="utf-8")
    code, text = run("try", "shop", body, *config)
    assert (code, "QUARANTINE score" in text) == (1, True)


def test_a_body_may_come_by_standard_input_and_headers_by_file(folder: Path) -> None:
    """As from a pipe, and as a request bin shows headers."""
    (folder / "headers.txt").write_text("Content-Type: text/plain\nX-Other: 1\n", encoding="utf-8")
    result = CliRunner().invoke(
        source,
        [
            *("try", "shop", "-", "--json", "--config", str(folder)),
            *("--header-file", str(folder / "headers.txt")),
        ],
        input=json.dumps(BODY).encode(),
    )

    assert json.loads(result.stdout)["signature"]["why"] == [
        "the signature is missing: the header 'X-Signature' is not there"
    ]


def test_a_whole_request_may_be_given(folder: Path) -> None:
    """Saved as it went over the wire."""
    (folder / "request.http").write_bytes(
        b"POST /v1/webhooks/shop HTTP/1.1\nX-Signature: sha256=00\n\n" + json.dumps(BODY).encode()
    )
    _, told = run_json("try", "shop", folder / "request.http", "--http", "--config", folder)

    assert told["signature"]["holds"] is False
    assert told["messages"][0]["outcome"] == "event"


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        pytest.param(("other", "body.json"), "choose one of shop", id="unknown source"),
        pytest.param(("shop", "none.json"), "No such file", id="no file"),
        pytest.param(("shop", "body.json", "-H", "nothing"), "Name: value", id="no header"),
        pytest.param(("shop", "body.json", "--at", "soon"), "--at: not a time", id="no time"),
        pytest.param(("shop", "body.json", "--http"), "request line", id="no request"),
        pytest.param(("shop", "body.json", "--fetched"), "has no `fetch`", id="nothing fetched"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    folder: Path, arguments: tuple[str, ...], wrong: str
) -> None:
    """Exit code 2, and no traceback."""
    named = [str(folder / one) if one.endswith(".json") else one for one in arguments]
    code, text = run("try", *named, "--config", folder)

    assert (code, wrong in text) == (2, True)


def test_an_answer_of_the_platform_is_tried_as_fetch_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thin source the response itself is what must map."""
    monkeypatch.setenv("NPS_TOKEN_TOOL", "a token")
    (folder / "sources.yaml").write_text(
        "sources:\n  thin:\n    secrets: [env:NPS_SECRET_SHOP]\n    verify: {header: X-S}\n"
        "    kinds: [{becomes: thin, survey: s, response_id: r}]\n"
        "    fetch:\n      url: 'https://tool.example/v1/{survey}/{response_id}'\n"
        "      headers: {Authorization: 'Bearer {secret}'}\n      secret: env:NPS_TOKEN_TOOL\n"
        "      item: data\n      reads: {answers: {score: nps}, identifiers: {email: mail}}\n",
        encoding="utf-8",
    )
    answer = folder / "answer.json"
    answer.write_text('{"data": {"nps": 9, "mail": "c@example.com", "x": 1}}', encoding="utf-8")
    arguments = ("try", "thin", answer, "--fetched", "--config", folder)

    code, told = run_json(*arguments)
    (message,) = told["messages"]
    assert (code, told["ok"], message["outcome"]) == (0, True, "event")
    assert message["event"]["data"]["response_id"] == "asked for"
    assert message["unread"] == [{"path": "x", "value": 1}]
    answer.write_text('{"other": 1}', encoding="utf-8")
    code, told = run_json(*arguments)
    assert (code, "fetch.item" in told["undecodable"]) == (1, True)
    assert run("try", "thin", answer, "--config", folder)[0] == 1
