"""The block scheme of a regulation as text: actors, times, clauses, branches, slips.

The drawings of the resolution's annexes (R2 7, R3 8, R4 7) are not in its text; this one is made
from the clauses themselves, so it cannot say anything that they do not.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator

from shared.identifiers import Channel
from shared.procedures.due import TimeLimit, TimeUnit
from shared.procedures.kinds import ProcessKind, Said
from shared.procedures.models import Procedure
from shared.procedures.parts import ChannelProcess, Language, ProcedureStep, RefusalMessage
from shared.procedures.wording import (
    CHANNELS,
    PARTICIPANTS,
    PROCESS_KINDS,
    REFUSALS,
    ROLES,
    SCHEME,
    STEPS,
    spell,
    spell_clause,
)

_WIDTH = 78
_HARD_SPACE = "\u00a0"
_CLAUSE = re.compile(r"\b(RES|R[0-9]) [0-9]")
_BRANCH_INDENT = 14
_PLAIN = ("┌", "─", "┐", "│", "└", "┘")
_DOUBLE = ("╔", "═", "╗", "║", "╚", "╝")


def draw(procedure: Procedure, language: Language = "en") -> str:
    """The whole scheme: the channels' own processes, the steps of the office, the notes."""
    lines = [
        *_heading(procedure, language),
        *_channel(procedure, Channel.STATE_CORPORATION, language),
        *_channel(procedure, Channel.PORTAL, language),
        *_steps(procedure, language),
        *_kinds_of_result(procedure, language),
        *_notes(procedure, language),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _heading(procedure: Procedure, language: Language) -> Iterator[str]:
    edition = _word("edition", language)
    yield f"{procedure.regulation} · {procedure.procedure} · {edition} {procedure.edition}"
    yield from _wrapped(procedure.title.in_language(language), _WIDTH)
    provider = procedure.provider
    text = provider.text.in_language(language)
    yield from _wrapped(
        f"{_word('provider', language)}: {text} ({spell_clause(provider.clause, language)})", _WIDTH
    )
    channels = ", ".join(
        f"{CHANNELS[item.channel].in_language(language)} ({spell_clause(item.clause, language)})"
        for item in procedure.channels
    )
    yield from _wrapped(f"{_word('application', language)}: {channels}", _WIDTH)


def _channel(procedure: Procedure, channel: Channel, language: Language) -> Iterator[str]:
    processes = procedure.processes_of(channel)
    if not processes:
        return
    yield from _section(CHANNELS[channel].in_language(language))
    on_branch = {item.otherwise for item in processes if item.otherwise}
    trunk = [item for item in processes if item.id not in on_branch]
    for place, item in enumerate(trunk):
        yield from _process(procedure, item, language)
        if place < len(trunk) - 1:
            yield from _arrow(_word("yes", language) if item.otherwise else "")


def _process(procedure: Procedure, item: ChannelProcess, language: Language) -> Iterator[str]:
    yield from _box(
        _process_text(procedure, item, language),
        _process_time(procedure, item, language),
        _WIDTH,
        _DOUBLE if item.otherwise else _PLAIN,
    )
    if item.otherwise is None:
        return
    refusal = procedure.process(item.otherwise)
    text = _process_text(procedure, refusal, language)
    if refusal.raises is not None:
        text = [*text, _message(procedure.message(refusal.raises), language)]
    time = _process_time(procedure, refusal, language)
    branch = list(_box(text, time, _WIDTH - _BRANCH_INDENT, _PLAIN))
    arm = f"   ├── {_word('no', language)} ".ljust(_BRANCH_INDENT - 1, "─") + "▶"
    for index, line in enumerate(branch):
        yield (arm if index == 1 else "   │".ljust(_BRANCH_INDENT)) + line


def _message(message: RefusalMessage, language: Language) -> str:
    """The message's wording stands in its process; here its name, and who raises it."""
    raised = PARTICIPANTS[message.raised_by].in_language(language)
    if message.raised_by_said is not Said.LAW:
        raised += f" ({_word('inferred', language)})"
    return f"{message.id} · {REFUSALS[message.refuses].in_language(language)} · {raised}"


def _process_text(procedure: Procedure, item: ChannelProcess, language: Language) -> list[str]:
    kind = PROCESS_KINDS[item.kind]
    if item.kind is ProcessKind.PROCESS and procedure.process_word is not None:
        kind = procedure.process_word
    name = kind.in_language(language)
    if item.number:
        name = f"{item.number}-{name}" if language == "kk" else f"{name} {item.number}"
    actor = PARTICIPANTS[item.actor].in_language(language)
    return [f"{name} · {actor}", item.text.in_language(language)]


def _process_time(procedure: Procedure, item: ChannelProcess, language: Language) -> str:
    timed = any(other.within for other in procedure.processes_of(item.channel))
    if item.within is not None:
        return f"{spell(item.within, language)} · {spell_clause(item.clause, language)}"
    return (
        f"{_word('no-time', language)} · {spell_clause(item.clause, language)}"
        if timed
        else spell_clause(item.clause, language)
    )


def _steps(procedure: Procedure, language: Language) -> Iterator[str]:
    yield from _section(_word("steps", language))
    last = len(procedure.steps)
    for number, step in enumerate(procedure.steps, start=1):
        yield from _box(
            _step_text(step, number, language),
            f"{spell(step.within, language)} · {spell_clause(step.clause, language)}",
            _WIDTH,
            _PLAIN,
        )
        result = (
            f"{step.result.in_language(language)} · {spell_clause(step.result_clause, language)}"
        )
        if number < last:
            yield from _arrow(result)
        else:
            yield from _wrapped(f"   ■ {result}", _WIDTH, "     ")
    yield ""
    yield f"{_word('sum', language)}: {_sum(procedure, language)}"
    if not any(item.channel is Channel.OFFICE for item in procedure.refusal_messages):
        channel = CHANNELS[Channel.OFFICE].in_language(language)
        yield f"{channel}: {_word('no-refusal', language)}"


def _step_text(step: ProcedureStep, number: int, language: Language) -> list[str]:
    name = STEPS[step.step].in_language(language)
    actor = ROLES[step.actor].in_language(language)
    return [f"{number} {name} · {actor}", step.action.in_language(language)]


def _sum(procedure: Procedure, language: Language) -> str:
    total = procedure.sum_of_steps
    parts = [
        spell(TimeLimit(amount=amount, unit=unit), language)
        for amount, unit in (
            (total.minutes, TimeUnit.MINUTES),
            (total.working_days, TimeUnit.WORKING_DAYS),
        )
        if amount
    ]
    return " + ".join(parts)


def _kinds_of_result(procedure: Procedure, language: Language) -> Iterator[str]:
    yield from _section(_word("kinds", language))
    for item in procedure.result_kinds:
        clause = spell_clause(item.clause, language)
        yield from _item(f"{item.text.in_language(language)} · {item.kind.value} · {clause}")


def _notes(procedure: Procedure, language: Language) -> Iterator[str]:
    yield from _section(_word("notes", language))
    for note in procedure.notes:
        yield from _item(
            f"{spell_clause(note.clause, language)}: {note.text.in_language(language)}"
        )


def _item(text: str) -> Iterator[str]:
    yield from _wrapped(f" • {text}", _WIDTH, "   ")


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"── {title} ".ljust(_WIDTH, "─")


def _arrow(text: str) -> Iterator[str]:
    if text:
        yield from _wrapped(f"   │ {text}", _WIDTH, "   │ ")
    else:
        yield "   │"
    yield "   ▼"


def _box(text: Iterable[str], corner: str, width: int, border: tuple[str, ...]) -> Iterator[str]:
    """A box of wrapped paragraphs; its last line holds the time and the clause, to the right."""
    left, across, right, side, low_left, low_right = border
    inner = width - 4
    yield left + across * (width - 2) + right
    for paragraph in text:
        for line in _wrapped(paragraph, inner):
            yield f"{side} {line.ljust(inner)} {side}"
    yield f"{side} {corner.rjust(inner)} {side}"
    yield low_left + across * (width - 2) + low_right


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width`; a clause such as `R3 5.2` stays whole."""
    whole = _CLAUSE.sub(lambda clause: clause.group().replace(" ", _HARD_SPACE), text)
    lines = textwrap.wrap(whole, width, subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace(_HARD_SPACE, " ") for line in lines]


def _word(key: str, language: Language) -> str:
    return SCHEME[key].in_language(language)
