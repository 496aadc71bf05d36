"""HIPAA's duties (45 CFR 164.400-414), and those of GDPR articles 33 and 34."""

from __future__ import annotations

from datetime import date
from typing import Final

from confide.incidents.duties import Duty, Standing
from confide.incidents.facts import Harm
from confide.incidents.reckoning import Reach, Reckoning, Term
from confide.incidents.statutes import UNKNOWN

EUROPEAN: Final = ("gdpr-33", "gdpr-34")
"""The duties that hang on data subjects under GDPR alone."""

_BREACH: Final = ("hipaa-individual", "hipaa-media", "hipaa-secretary-large", "hipaa-secretary-small")
_WHAT: Final = {
    "hipaa-individual": "letters to the individuals",
    "hipaa-media": "media notice",
    "hipaa-secretary-large": "notice to the Secretary (500 or more)",
    "hipaa-secretary-small": "notice to the Secretary (fewer than 500)",
    "hipaa-business-associate": "business associate tells the covered entities",
    "hipaa-substitute-10plus": "substitute notice for {amount} days",
    "hipaa-records": "keep the papers for {amount} {unit}",
    "part2": "the same for records of substance use treatment",
    "gdpr-33": "notice to the supervisory authority",
    "gdpr-34": "letters to the data subjects",
}


def duties(reckoning: Reckoning) -> list[Duty]:
    """Return the federal and European duties of an incident, those that do not apply among them."""
    return [*_hipaa(reckoning), *_gdpr(reckoning)]


def _duty(
    reckoning: Reckoning, name: str, standing: Standing, why: str, term: Term | None = None,
    reach: Reach | None = None, code: str = "", notes: tuple[str, ...] = (),
) -> Duty:  # fmt: skip
    clock, counting = reckoning.law.clocks[name], reckoning.law.rules.clocks[name]
    term, reach = term or Term(), reach or Reach((), 0)
    what = _WHAT[name].format(amount=clock.amount, unit=clock.unit)
    if code:
        what += f", {reckoning.law.states[code].state}"
    if standing is Standing.DUE and not reckoning.law.confirmed(clock.cert):
        standing = Standing.UNCONFIRMED
    return Duty(
        id=f"{name}:{code}" if code else name,
        what=what,
        to=clock.to or clock.effect,
        standing=standing,
        cite=clock.cite,
        certainty=clock.cert,
        law_as_of=counting.since or date.min,
        state=code,
        entities=reach.entities,
        persons=reach.persons,
        start=term.start,
        started=term.started,
        until=term.until,
        strict=term.strict,
        ends=term.ends,
        prompt=bool(clock.also) or "undue" in clock.unit,
        projected=term.projected,
        why=why,
        questions=(reach.question,) if standing is Standing.DECIDE and reach.question else (),
        notes=tuple(note for note in (clock.also, clock.cond, reach.note, *notes) if note),
        zone=term.zone,
    )


def _hipaa(reckoning: Reckoning) -> list[Duty]:
    if not reckoning.hipaa_applies:
        why = _why_not(reckoning)
        return [_duty(reckoning, name, Standing.NONE, why) for name in (*_BREACH, "hipaa-business-associate")]
    found = [_individuals(reckoning), *_media(reckoning), *_secretary(reckoning), _associate(reckoning)]
    unreachable = reckoning.reach("", reckoning.law.rules.clocks["hipaa-substitute-10plus"])
    if unreachable.entities:
        why = "a covered entity lacks the addresses of 10 persons or more"
        found.append(_duty(reckoning, "hipaa-substitute-10plus", Standing.DUE, why, reach=unreachable))
    if reckoning.incident.part2:
        why = "records of substance use disorder treatment are among them"
        found.append(_duty(reckoning, "part2", Standing.DUE, why, reckoning.hipaa_letters))
    found.append(_duty(reckoning, "hipaa-records", Standing.DUE, "the burden of proof is the entity's"))
    return found


def _why_not(reckoning: Reckoning) -> str:
    incident = reckoning.incident
    if not incident.hipaa:
        return "not under HIPAA, as was said"
    if incident.secured:
        return "encrypted with its key safe: not unsecured PHI (45 CFR 164.402)"
    return "a low probability of compromise was decided and signed (45 CFR 164.402(2))"


def _presumed(reckoning: Reckoning) -> tuple[str, ...]:
    incident = reckoning.incident
    if incident.encryption == "key-safe":
        return ("a valid login opens what is encrypted, so encryption is no safe harbour here",)
    if incident.assessment is Harm.PRESUMED:
        return ("a breach is presumed until the four factors of 45 CFR 164.402(2) are decided and signed",)
    return ()


def _individuals(reckoning: Reckoning) -> Duty:
    reach = reckoning.reach("", reckoning.law.rules.clocks["hipaa-individual"])
    return _duty(
        reckoning, "hipaa-individual", Standing.DUE if reach.entities else Standing.NONE,
        f"{reach.persons:,} individuals of unsecured PHI" if reach.entities else "no individual is affected",
        reckoning.hipaa_letters, reach, notes=_presumed(reckoning),
    )  # fmt: skip


def _media(reckoning: Reckoning) -> list[Duty]:
    counting = reckoning.law.rules.clocks["hipaa-media"]
    term = reckoning.hipaa(reckoning.law.clocks["hipaa-media"], reckoning.covered)
    found = []
    limit = f"{counting.n:,}"
    for code in sorted(reckoning.incident.totals):
        if code == UNKNOWN or not reckoning.incident.totals[code]:
            continue
        reach = reckoning.reach(code, counting)
        if reach.question:
            why = f"with those of unknown residence it can be more than {limit} residents of one state"
            found.append(_duty(reckoning, "hipaa-media", Standing.DECIDE, why, term, reach, code))
        elif reach.entities:
            why = f"a covered entity has more than {limit} residents of {code} among the affected"
            found.append(_duty(reckoning, "hipaa-media", Standing.DUE, why, term, reach, code))
        else:
            why = f"no covered entity has more than {limit} residents of {code} among the affected"
            found.append(_duty(reckoning, "hipaa-media", Standing.NONE, why, code=code))
    alone = [
        each for each in reckoning.incident.entities
        if each.residents.get(UNKNOWN, 0) > (counting.n or 0)
    ]  # fmt: skip
    if alone:
        reach = Reach(
            tuple(each.name for each in alone), sum(each.residents[UNKNOWN] for each in alone),
            "in which states do they live?",
        )  # fmt: skip
        why = f"more than {limit} persons of unknown residence may live in one state"
        found.append(_duty(reckoning, "hipaa-media", Standing.DECIDE, why, term, reach))
    return found


def _secretary(reckoning: Reckoning) -> list[Duty]:
    found = []
    for name, anchor in (("hipaa-secretary-large", None), ("hipaa-secretary-small", "year")):
        clock, counting = reckoning.law.clocks[name], reckoning.law.rules.clocks[name]
        reach = reckoning.reach("", counting)
        if not reach.entities:
            why = f"no covered entity has {counting.op} {counting.n} affected individuals"
            found.append(_duty(reckoning, name, Standing.NONE, why))
            continue
        start = reckoning.covered if anchor is None else reckoning.year_end
        why = (
            f"covered entities with {counting.op} {counting.n} affected individuals: {len(reach.entities):,}"
        )
        found.append(_duty(reckoning, name, Standing.DUE, why, reckoning.hipaa(clock, start), reach))
    return found


def _associate(reckoning: Reckoning) -> Duty:
    name = "hipaa-business-associate"
    if not reckoning.incident.vendor:
        return _duty(reckoning, name, Standing.NONE, "the covered entities had the breach themselves")
    clock = reckoning.law.clocks[name]
    term = reckoning.hipaa(clock, reckoning.discovered(reckoning.zones))
    reach = reckoning.reach("", reckoning.law.rules.clocks["hipaa-individual"])
    why = f"a business associate had the breach: {len(reach.entities):,} to tell, each of its own persons"
    return _duty(reckoning, name, Standing.DUE, why, term, reach)


def _gdpr(reckoning: Reckoning) -> list[Duty]:
    incident, law = reckoning.incident, reckoning.law
    reach = Reach((), incident.europeans)
    if not incident.europeans:
        return [_duty(reckoning, name, Standing.NONE, "no data subject under GDPR") for name in EUROPEAN]
    clock = law.clocks["gdpr-33"]
    words = law.anchor(clock.anchor).words
    known = words if incident.aware is not None else f"{words} (not known: discovery)"
    term = reckoning.hours(incident.aware, clock.amount or 0, known, reckoning.zones)
    why = f"{incident.europeans:,} data subjects under GDPR; risk is presumed until a person decides"
    found = [_duty(reckoning, "gdpr-33", Standing.DUE, why, term, reach)]
    if incident.secured:
        why = "unintelligible to whoever has it: encrypted with its key safe (article 34(3)(a))"
        return [*found, _duty(reckoning, "gdpr-34", Standing.NONE, why)]
    asked = Reach((), incident.europeans, "is a high risk to the rights of the data subjects likely?")
    why = f"{incident.europeans:,} data subjects under GDPR"
    return [*found, _duty(reckoning, "gdpr-34", Standing.DECIDE, why, reach=asked)]
