"""The states' duties: letters, regulators, consumer reporting agencies, a vendor's word to the owners."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final

from confide.incidents.duties import Duty, Standing
from confide.incidents.facts import Harm, Moment, day
from confide.incidents.reckoning import Reach, Reckoning, Term
from confide.incidents.statutes import UNKNOWN, Certainty, Counting, Effect, Kind, State, Unit

_WHAT: Final[dict[Kind, str]] = {
    "individual": "letters to residents",
    "regulator": "regulator",
    "agencies": "consumer reporting agencies",
    "owner": "vendor tells the owners of the data",
}
_QUALIFIED: Final = re.compile(r"(\w+)(?:\((.+)\))?")


@dataclass
class Case:
    """What is found on the way to one duty."""

    reckoning: Reckoning
    state: State
    kind: Kind
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        return self.state.code

    def exempt(
        self, certainty: Certainty, effects: dict[Kind, Effect], why: str
    ) -> tuple[Standing, str] | None:
        """What an exemption makes of the duty; one that is unconfirmed is told, and never applied."""
        effect = effects.get(self.kind)
        if effect is None:
            return None
        if not self.reckoning.law.confirmed(certainty):
            said = self.reckoning.law.rules.certainties[certainty]
            self.notes.append(f"not applied, because it is unconfirmed ({said}): {why}")
            return None
        if effect == "decide":
            self.questions.append(f"does this fall away too? {why}")
            return None
        return (Standing.MET if effect == "met" else Standing.NONE), why


def duties(reckoning: Reckoning) -> list[Duty]:
    """Return the duties under the laws of the states in which somebody affected lives."""
    found: list[Duty] = []
    for code in sorted(reckoning.incident.totals):
        if code == UNKNOWN or not reckoning.incident.totals[code]:
            continue
        state = reckoning.law.states[code]
        found += [_individual(reckoning, state), _regulator(reckoning, state), _agencies(reckoning, state)]
        if reckoning.incident.vendor:
            found.append(_owner(reckoning, state))
    return found


def _common(case: Case) -> tuple[Standing, str] | None:
    """What takes a state's duty away, in the order in which one asks."""
    incident, state, law = case.reckoning.incident, case.state, case.reckoning.law
    every: dict[Kind, Effect] = dict.fromkeys(_WHAT, "none")
    if incident.secured and state.enc_safe_harbor == "Y":
        note = f" ({state.enc_note})" if state.enc_note else ""
        if gone := case.exempt(state.enc_cert, every, f"encrypted with its key safe{note}"):
            return gone
    if gone := _elements(case, every):
        return gone
    effects = law.rules.harm_tests[state.harm_test]
    if incident.harm is Harm.UNLIKELY:
        if gone := case.exempt(state.harm_cert, effects, "harm was decided to be unlikely, and signed"):
            return gone
    elif effects:
        case.notes.append(
            f"harm test ({state.harm_test.replace('_', ' ')}): harm is presumed until a person decides"
        )
    if incident.hipaa:
        return _under_hipaa(case)
    return None


def _under_hipaa(case: Case) -> tuple[Standing, str] | None:
    state, law = case.state, case.reckoning.law
    effects = law.rules.hipaa_effects[state.hipaa_effect]
    why = f"HIPAA entity: {state.hipaa_effect.replace('_', ' ')}"
    why += f" ({state.hipaa_note})" if state.hipaa_note else ""
    gone = case.exempt(state.hipaa_cert, effects, why)
    if gone and not case.reckoning.hipaa_applies:
        case.questions.append(f"HIPAA asks for no notice here; does it still stand for this law's? {why}")
        return None
    if not effects and state.hipaa_note:
        case.notes.append(state.hipaa_note)
    return gone


def _elements(case: Case, every: dict[Kind, Effect]) -> tuple[Standing, str] | None:
    """Whether anything that this law protects was shown; if that is not known, everything was."""
    incident, state, law = case.reckoning.incident, case.state, case.reckoning.law
    if incident.elements is None:
        case.notes.append("which elements were shown is not known, so this law's are presumed")
        return None
    shown = set().union(*(law.rules.elements.get(each, (each,)) for each in incident.elements))
    named = {m[1]: m[2] for each in state.elements.split(";") if (m := _QUALIFIED.fullmatch(each))}
    hit = sorted(shown & set(named))
    unread = [law.rules.unread[each] for each in sorted(incident.elements & law.rules.unread.keys())]
    if not hit and not (unread and law.confirmed(state.elements_cert)):
        return case.exempt(state.elements_cert, every, "none of the shown elements is among this law's")
    if all(named[each] for each in hit):
        if unread:
            held = ", ".join(law.rules.words[each] for each in named if not named[each])
            case.questions.append(
                f"{' and '.join(unread)} may hold what this law protects; look into it ({held})"
            )
        case.questions += [f"is {law.rules.words[each]} meant here? ({named[each]})" for each in hit]
    if "name" not in incident.elements and not state.nameless_trigger.startswith("Y"):
        case.questions.append("no name was shown, and this law speaks of elements together with a name")
    if hit:
        case.notes.append("shown: " + ", ".join(law.rules.words[each] for each in hit))
    return None


def make(
    case: Case, to: str, certainty: Certainty, standing: Standing, why: str, term: Term | None = None,
    reach: Reach | None = None,
) -> Duty:  # fmt: skip
    """Return the duty that a case comes to; what is open or unconfirmed is not due."""
    reckoning, state = case.reckoning, case.state
    term = term or Term()
    reach = reach or reckoning.reach(state.code, Counting())
    clock = reckoning.law.refinement(state.code, case.kind)
    if clock is not None and not reckoning.law.confirmed(clock.cert):
        certainty = clock.cert
        case.notes.append(clock.note or clock.cond)
    if standing is Standing.DUE:
        if reach.question:
            case.questions.append(reach.question)
        if not reckoning.law.confirmed(certainty):
            standing = Standing.UNCONFIRMED
        elif case.questions:
            standing = Standing.DECIDE
    extra = [state.notes] if case.kind in {"individual", "regulator"} else []
    if case.kind == "individual" and state.must_not_say:
        extra.append(f"a letter must not say: {state.must_not_say}")
    return Duty(
        id=f"{state.code}:{case.kind}",
        what=f"{_WHAT[case.kind]}, {state.state}",
        to=to,
        standing=standing,
        cite=clock.cite if clock is not None else state.statute,
        certainty=certainty,
        law_as_of=state.law_as_of,
        state=state.code,
        entities=reach.entities,
        persons=reach.persons,
        start=term.start,
        started=term.started,
        until=term.until,
        strict=term.strict,
        ends=term.ends,
        prompt=standing is not Standing.NONE,
        projected=term.projected,
        why=why,
        questions=tuple(case.questions) if standing in {Standing.DECIDE, Standing.UNCONFIRMED} else (),
        notes=tuple(note for note in (*case.notes, reach.note, *extra) if note),
        zone=term.zone,
    )


def count(case: Case, word: str, amount: int, unit: Unit = "calendar_days", *, waits: bool = True) -> Term:
    """Count a state's days or hours from its own starting moment, in its own time zone."""
    reckoning, zones = case.reckoning, case.reckoning.law.zones[case.code]
    anchor = reckoning.law.anchor(word)
    if unit == "hours":
        moment: Moment | None = getattr(reckoning.incident, anchor.facts[0])
        return reckoning.hours(moment, amount, anchor.words, zones)
    actual = anchor.unit if anchor.unit != "calendar_days" else unit
    start = reckoning.start(word, zones, case.code)
    if start is None:
        return Term(start=anchor.words)
    plain = reckoning.days(start, amount, actual, zones, case.code)
    if not waits or not isinstance(plain.until, date) or not isinstance(plain.strict, date):
        return plain
    until, strict = (reckoning.delayed(case.state, each) for each in (plain.until, plain.strict))
    for name in anchor.not_after:  # "if sooner": on that day at the latest
        if (moment := getattr(reckoning.incident, name)) is not None:
            until, strict = (min(each, day(moment, zones)) for each in (until, strict))
    return reckoning.term(until, strict, start, zones)


def _letters(case: Case) -> Term:
    """With the letters: on their day, or their last one; without a day where no law sets one."""
    zones = case.reckoning.law.zones[case.code]
    start = case.reckoning.start("individual_notice", zones, case.code)
    if start is None:
        return Term(start=case.reckoning.law.anchor("individual_notice").words)
    return case.reckoning.term(start.right, start.strict, start, zones)


def _individual(reckoning: Reckoning, state: State) -> Duty:
    """The letters; what else a state asks for is often counted from them, so their last day is told."""
    made = _individuals(reckoning, state)
    strictest = None
    if state.ind_days is not None and made.standing is not Standing.NONE:
        strictest = count(Case(reckoning, state, "individual"), state.ind_anchor, state.ind_days).strict
    applied = made.until if made.standing is Standing.DUE else None
    reckoning.tell_letters(state.code, _day(applied), _day(strictest))
    return made


def _day(moment: Moment | None) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _individuals(reckoning: Reckoning, state: State) -> Duty:
    case = Case(reckoning, state, "individual")
    gone = _common(case)
    if gone:
        met = gone[0] is Standing.MET and reckoning.hipaa_applies
        return make(case, "resident", state.ind_cert, *gone, reckoning.hipaa_letters if met else None)
    for statement in reckoning.incident.statements:
        if not statement.written and statement.cleared is None:
            case.notes.append("law enforcement's oral word does not move this day: ask for it in writing")
    if state.ind_days is None:
        why = f"no number of days in this law ({state.ind_anchor}): without unreasonable delay"
        if not reckoning.hipaa_applies:
            return make(case, "resident", state.ind_cert, Standing.DUE, why)
        case.notes.append("the day is HIPAA's for the same letter")
        term = replace(reckoning.hipaa_letters)
        return make(case, "resident", state.ind_cert, Standing.DUE, why, term)
    term = count(case, state.ind_anchor, state.ind_days)
    why = f"{state.ind_days} days from {reckoning.law.anchor(state.ind_anchor).words}"
    return make(case, "resident", state.ind_cert, Standing.DUE, why, term)


def _threshold(case: Case, op: str, number: int | None) -> Reach:
    clock = case.reckoning.law.refinement(case.code, case.kind)
    if clock is not None and case.reckoning.law.rules.clocks[clock.id].op:
        return case.reckoning.reach(case.code, case.reckoning.law.rules.clocks[clock.id])
    return case.reckoning.reach(case.code, Counting(op=op, n=number))  # type: ignore[arg-type]


def _regulator(reckoning: Reckoning, state: State) -> Duty:
    case = Case(reckoning, state, "regulator")
    if not state.reg_op:
        standing = Standing.NONE
        if state.reg_order == "only_to_claim_no_harm":
            why = "only whoever claims that harm is unlikely writes to it"
            if reckoning.incident.harm is Harm.UNLIKELY and not reckoning.incident.secured:
                standing, why = Standing.DUE, "harm was decided to be unlikely: it is told so in writing"
        else:
            why = "this law names no regulator for private entities"
            if not reckoning.law.confirmed(state.reg_cert):
                standing = Standing.UNCONFIRMED
        return make(case, state.reg_recipient, state.reg_cert, standing, why)
    reach = _threshold(case, state.reg_op, state.reg_n)
    limit = f"{state.reg_op} {state.reg_n:,} residents"
    if not reach.entities and not reach.question:
        return make(
            case, state.reg_recipient, state.reg_cert, Standing.NONE, f"fewer than its threshold: {limit}"
        )
    gone = _common(case)
    if gone:
        return make(case, state.reg_recipient, state.reg_cert, *gone)
    if state.reg_days is None:
        term = _letters(case)
        why = f"{limit}: {state.reg_order.replace('_', ' ')} the letters"
    else:
        anchor = reckoning.law.anchor(state.reg_anchor)
        term = count(case, state.reg_anchor, state.reg_days, anchor.unit)
        why = f"{limit}: {state.reg_days} {anchor.unit.replace('_', ' ')} from {anchor.words}"
    return make(case, state.reg_recipient, state.reg_cert, Standing.DUE, why, term, reach)


def _agencies(reckoning: Reckoning, state: State) -> Duty:
    case, to = Case(reckoning, state, "agencies"), "nationwide consumer reporting agencies"
    if not state.cra_op:
        known = reckoning.law.confirmed(state.cra_cert)
        if not known:
            case.questions.append(f"must the agencies be told? {state.cra_src}")
        why = "this law does not ask for it" if known else "whether this law asks for it is unconfirmed"
        return make(case, to, state.cra_cert, Standing.NONE if known else Standing.UNCONFIRMED, why)
    named = state.cra_op in {"director", "coord"}
    reach = _threshold(case, "" if named else state.cra_op, state.cra_n)
    limit = state.cra_note if named else f"{state.cra_op} {state.cra_n:,}"
    if not reach.entities and not reach.question:
        return make(case, to, state.cra_cert, Standing.NONE, f"fewer than its threshold: {limit}")
    gone = _common(case)
    if gone:
        return make(case, to, state.cra_cert, *gone)
    if case.code in reckoning.law.rules.agencies_questions:
        case.questions.append(reckoning.law.rules.agencies_questions[case.code])
    case.notes.append(state.cra_note)
    clock = reckoning.law.refinement(case.code, "agencies")
    term = reckoning.law.rules.agencies.get(case.code)
    if clock is not None and clock.amount is not None:
        counted = count(case, clock.anchor, clock.amount, clock.unit)
    elif term is not None and term.days is not None:
        counted = count(case, term.anchor, term.days, term.unit)
    else:
        counted = _letters(case)
    return make(case, to, state.cra_cert, Standing.DUE, f"its threshold is reached: {limit}", counted, reach)


def _owner(reckoning: Reckoning, state: State) -> Duty:
    case, to = Case(reckoning, state, "owner"), "owner or licensee of the data"
    gone = _common(case)
    if gone:
        return make(case, to, state.vendor_cert, *gone)
    if not state.vendor_days.isdigit():
        return make(case, to, state.vendor_cert, Standing.DUE, f"a vendor tells it: {state.vendor_days}")
    term = count(case, "discovery", int(state.vendor_days), waits=False)
    why = f"a vendor tells it within {state.vendor_days} days of discovery"
    return make(case, to, state.vendor_cert, Standing.DUE, why, term)
