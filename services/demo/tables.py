"""The demo's answer to a person: what happened to how many, and each special case with its why."""

import re
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.demo.data import Case, Counts
from services.demo.instance import Delivery
from services.demo.outcome import Facts, case_differences

#: How the product's words read to someone who sees them for the first time.
_WORDS = {
    "reassurance": "detractor reassured",
    "internal_alert": "alert to the team",
    "thanks": "thanks for a comment",
    "call_back": "call that was asked for",
    "review_invite": "promoter asked for a review",
    "referral_invite": "promoter asked for a referral",
    "loyalty_invite": "promoter invited to the club",
    "privilege": "privilege for a promoter",
    "discount": "discount for a passive",
}
_STYLES = {"accepted": "green", "suppressed": "yellow", "expired": "yellow"}
_ANSWERS = {
    "accepted": "202, durable before it was answered",
    "quarantined": "202, kept in quarantine",
    "400": "400, not decodable",
    "401": "401, not authentic",
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\.\d+Z")


def show(
    console: Console,
    facts: Facts,
    cases: Sequence[Case],
    found: Counts,
    wrong: Sequence[str],
    *,
    added: int,
    base_url: str,
) -> None:
    """Print everything."""
    console.print(_totals(facts, found))
    console.print(_special(facts, cases))
    console.print(
        f"[bold]{added}[/] actions reached the sandbox in this run.{_again(added, wrong)}",
        highlight=False,
    )
    console.print(
        f"Look at them: [link={base_url}/sandbox]{base_url}/sandbox[/link] — make it answer 503 "
        "or cut connections there, and post more.",
        highlight=False,
    )
    if wrong:
        console.print(f"[bold red]{len(wrong)} not as expected:[/]")
        for line in wrong:
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print(
            "Was a switch of the sandbox turned? Set it to OK: what waits is sent when its next "
            "attempt is due."
        )


def _again(added: int, wrong: Sequence[str]) -> str:
    if wrong:
        return ""
    if added:
        return " Run it again: none will, for the same answers are the same causes."
    return " It had them before: the same answers are the same causes."


def _totals(facts: Facts, found: Counts) -> Table:
    table = Table(title="What happened", title_justify="left", title_style="bold", expand=False)
    table.add_column("what")
    table.add_column("how often", justify="right")
    table.add_column("for example, because")
    table.add_row("webhooks posted", str(found.posted), "")
    for said in sorted(found.answers, key=_place):
        table.add_row(f"answered {_ANSWERS.get(said, said)}", str(found.answers[said]), "")
    table.add_section()
    for segment, number in found.customers.items():
        table.add_row(f"customers: {segment}", str(number), "")
    table.add_section()
    rows = [row for some in facts.deliveries.values() for row in some]
    for name, number in found.deliveries.items():
        what, _, state = name.partition(": ")
        example = next(r.reason for r in rows if (r.what, r.state) == (what, state))
        table.add_row(_told(what, state), str(number), "" if state == "accepted" else Text(example))
    table.add_section()
    table.add_row("kept in quarantine", str(found.quarantine), "")
    return table


def _special(facts: Facts, cases: Iterable[Case]) -> Table:
    table = Table(title="Special cases", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("posted", ratio=3)
    table.add_column("what happened", ratio=5)
    table.add_column("why", ratio=4)
    for case in cases:
        happened = Text("\n").join(_happened(case, facts))
        mark = "" if not case_differences(case, facts) else " [bold red](not as expected)[/]"
        table.add_row(case.title + mark, happened, case.why)
    return table


def _happened(case: Case, facts: Facts) -> Iterable[Text]:
    said = [answer.said for answer in facts.answers.get(case.email, ())]
    yield Text(" · ".join(_ANSWERS.get(one, one).partition(",")[0] for one in said))
    customer = facts.customers.get(case.email)
    if customer is None:
        yield Text("no customer was made", style="dim")
        return
    yield Text(f"customer {customer.id[:8]}, {customer.segment or 'no segment'}")
    for row in reversed(facts.deliveries.get(case.email, ())):
        yield _line(row)


def _line(row: Delivery) -> Text:
    line = _told(row.what, row.state)
    if row.state != "accepted":
        line.append(f" ({_short(row.reason)})", style="dim")
    return line


def _place(said: str) -> int:
    return list(_ANSWERS).index(said) if said in _ANSWERS else len(_ANSWERS)


def _short(reason: str) -> str:
    """Write the times in a reason to the minute."""
    return _TIME.sub(r"\1 \2 UTC", reason)


def _told(what: str, state: str) -> Text:
    action, _, variant = what.partition("/")
    words = _WORDS.get(action, action.replace("_", " "))
    if variant != "default":
        words += f", variant {variant}"
    return Text.assemble(words, ": ", (state.replace("_", " "), _STYLES.get(state, "red")))
