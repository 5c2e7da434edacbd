"""What a definition must fulfil as a whole: its parts must fit each other and the five steps."""

from collections.abc import Iterator

from shared.identifiers import Step
from shared.procedures import kinds
from shared.procedures.due import TimeUnit
from shared.procedures.models import Procedure
from shared.procedures.parts import ChannelProcess, SumOfSteps
from shared.procedures.reading import Fault, Place, Plain, Tree, entries

_CLAUSE_KEYS = ("clause", "result-clause", "form-clause", "named-in", "clauses")


def faults_in(procedure: Procedure, tree: Tree) -> list[Fault]:
    """Everything in the file that its parts contradict each other in."""
    return [
        *_steps(procedure, tree),
        *_sum(procedure, tree),
        *_channels(procedure, tree),
        *_processes(procedure, tree),
        *_messages(procedure, tree),
        *_systems(procedure, tree),
        *_clauses_of_this_regulation(procedure, tree),
        *unique(tree, "result-kinds", [item.kind.value for item in procedure.result_kinds]),
        *unique(tree, "channels", [item.channel.value for item in procedure.channels]),
        *unique(tree, "units", [item.role.value for item in procedure.units]),
        *unique(tree, "processes", [item.id for item in procedure.processes]),
        *unique(tree, "refusal-messages", [item.id for item in procedure.refusal_messages]),
        *unique(tree, "systems", [item.system.value for item in procedure.systems]),
        *unique(tree, "annexes", [str(item.number) for item in procedure.annexes]),
        *conditions_of_documents(tree),
    ]


def _steps(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    expected = [step.value for step in Step]
    found = [step.step.value for step in procedure.steps]
    if found != expected:
        yield tree.fault(
            ("steps",), f"the five steps {', '.join(expected)}, in this order", ", ".join(found)
        )
    units = [unit.role for unit in procedure.units]
    for index, step in enumerate(procedure.steps):
        if step.actor not in units:
            allowed = ", ".join(unit.value for unit in units)
            yield tree.fault(
                ("steps", index, "actor"), f"one of the units ({allowed})", f"'{step.actor.value}'"
            )


def _sum(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    counted = {TimeUnit.MINUTES: 0, TimeUnit.WORKING_DAYS: 0}
    for step in procedure.steps:
        counted[step.within.unit] += step.within.amount
    total = SumOfSteps(
        minutes=counted[TimeUnit.MINUTES], working_days=counted[TimeUnit.WORKING_DAYS]
    )
    if procedure.sum_of_steps != total:
        yield tree.fault(
            ("sum-of-steps",),
            f"what the steps add up to, {_said(total)}",
            _said(procedure.sum_of_steps),
        )


def _said(total: SumOfSteps) -> str:
    return f"{total.minutes} minutes and {total.working_days} working-days"


def _channels(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    accepting = [item.channel.value for item in procedure.channels]
    allowed = ", ".join(accepting)
    for section in ("processes", "refusal-messages", "grounds", "documents"):
        for place, entry in entries(tree, section):
            channel = entry.get("channel")
            if channel is not None and channel not in accepting:
                yield tree.fault(
                    (*place, "channel"), f"a channel of this regulation ({allowed})", f"'{channel}'"
                )


def _processes(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    by_id = {item.id: item for item in procedure.processes}
    counts: dict[tuple[str, str], int] = {}
    for index, item in enumerate(procedure.processes):
        place = ("processes", index)
        yield from _numbering(item, counts, place, tree)
        if item.kind is not kinds.ProcessKind.CONDITION:
            if item.checks or item.otherwise:
                yield tree.fault(place, "checks only at a condition", f"a {item.kind.value}")
            continue
        branch = by_id.get(item.otherwise or "")
        if not item.checks:
            yield tree.fault(place, "what the condition checks", "no checks")
        if branch is None or branch.raises is None:
            yield tree.fault(
                (*place, "otherwise"),
                "the id of a process that raises a refusal message",
                f"'{item.otherwise}'",
            )


def _numbering(
    item: ChannelProcess,
    counts: dict[tuple[str, str], int],
    place: Place,
    tree: Tree,
) -> Iterator[Fault]:
    numbered = item.kind in {kinds.ProcessKind.PROCESS, kinds.ProcessKind.CONDITION}
    if not numbered:
        if item.number is not None:
            yield tree.fault((*place, "number"), "a number only at a process or condition", "one")
        return
    key = (item.channel.value, item.kind.value)
    counts[key] = counts.get(key, 0) + 1
    if item.number != counts[key]:
        yield tree.fault(
            (*place, "number"), f"{item.kind.value} {counts[key]} of this channel", f"{item.number}"
        )


def _messages(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    by_id = {item.id: item for item in procedure.processes}
    for index, message in enumerate(procedure.refusal_messages):
        condition = by_id.get(message.condition)
        former = by_id.get(message.formed_in)
        place = ("refusal-messages", index)
        if condition is None or condition.otherwise != message.formed_in:
            yield tree.fault(
                (*place, "condition"),
                f"the condition whose branch is {message.formed_in}",
                f"'{message.condition}'",
            )
        if former is None or former.raises != message.id:
            yield tree.fault(
                (*place, "formed-in"),
                f"the process that raises {message.id}",
                f"'{message.formed_in}'",
            )
        elif former.clause != message.clause:
            yield tree.fault((*place, "clause"), former.clause, f"'{message.clause}'")
    known = {message.id for message in procedure.refusal_messages}
    for index, process in enumerate(procedure.processes):
        if process.raises is not None and process.raises not in known:
            yield tree.fault(
                ("processes", index, "raises"),
                "the id of a refusal message of this file",
                f"'{process.raises}'",
            )


def _systems(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    named = {item.system for item in procedure.systems}
    for index, process in enumerate(procedure.processes):
        for system in process.systems:
            if system not in named:
                yield tree.fault(
                    ("processes", index, "systems"),
                    "systems listed under `systems`",
                    f"'{system.value}'",
                )
    receiving = procedure.receiving
    if receiving.system is kinds.ReceivingSystem.NONE:
        if receiving.clauses:
            yield tree.fault(("receiving", "clauses"), "no clauses without a system", "some")
        return
    if receiving.system.value not in {system.value for system in named}:
        yield tree.fault(
            ("receiving", "system"),
            "a system listed under `systems`",
            f"'{receiving.system.value}'",
        )
    if not receiving.clauses:
        yield tree.fault(("receiving", "clauses"), "the clauses that name it", "none")


def _clauses_of_this_regulation(procedure: Procedure, tree: Tree) -> Iterator[Fault]:
    allowed = {procedure.regulation, "RES"}
    for place, clause in _clauses(tree.data, ()):
        if clause.split(" ")[0] not in allowed:
            yield tree.fault(place, f"a clause of {procedure.regulation} or of RES", f"'{clause}'")


def _clauses(value: Plain, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if key not in _CLAUSE_KEYS:
                yield from _clauses(entry, (*place, key))
            elif isinstance(entry, list):
                yield from (((*place, key), str(clause)) for clause in entry)
            else:
                yield (*place, key), str(entry)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _clauses(entry, (*place, index))


def unique(tree: Tree, section: str, names: list[str]) -> Iterator[Fault]:
    """A fault for each entry of a section that repeats an earlier one."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield tree.fault((section, index), "each one once", f"'{name}' again")
        seen.add(name)


def conditions_of_documents(tree: Tree) -> Iterator[Fault]:
    """A conditional paper says when it is needed, and no other does."""
    for place, document in entries(tree, "documents"):
        conditional = document.get("need") == kinds.Need.CONDITIONAL.value
        if conditional and "when" not in document:
            yield tree.fault(place, "when the paper is needed", "no `when`")
        if not conditional and "when" in document:
            yield tree.fault((*place, "when"), "`when` only with need: conditional", "it")
