"""One person's chart, from the first visit to the next appointment."""

from __future__ import annotations

from datetime import date, timedelta

from confide.drill.care import Care
from confide.drill.diary import Diary, appointment
from confide.drill.dice import YEAR, age, anniversary, instant
from confide.drill.measurements import LABORATORY, REPORT, VITAL, Body
from confide.drill.notes import Writer
from confide.drill.people import Household, Person
from confide.drill.practice import Practice, entry
from confide.drill.registration import Registration
from confide.drill.visits import Finding, Visit, problems, visits
from confide.drill.vocabulary import Json, Problem, Term, clinic


class Chart:
    """Collects the entries of one patient's part of a transaction."""

    def __init__(
        self,
        person: Person,
        home: Household,
        number: int,
        uuids: tuple[str, str],
        practice: Practice,
        today: date,
    ) -> None:
        dice = home.dice
        self.person, self.home, self.number = person, home, number
        self.practice, self.dice, self.today = practice, dice, today
        self.uuid = uuids[0]
        self.first = f"urn:uuid:{uuids[1]}"
        self.patient = f"urn:uuid:{self.uuid}"
        self.usual = practice.clinicians[number % len(practice.clinicians)]
        self.last = person.died - timedelta(days=1) if person.died else today - timedelta(days=1)
        self.care = Care(person, self.patient, practice, dice)
        self.findings = problems(person, dice, self.last)
        burden = len(self.findings)
        self.visits = visits(person, self.usual, practice.clinicians, dice, self.last, burden)
        since = {finding.problem.key: finding.since for finding in self.findings}
        self.body = Body(person, since, dice, today)
        self.entries: list[Json] = []

    def write(self, diary: Diary) -> list[Json]:
        papers = Registration(self.person, self.home, self.number, self.dice, self.today)
        self._add(papers.patient(self.practice, self.usual), self.uuid)
        self._add(papers.coverage(self.practice, self.patient, self.first))
        if papers.age < 18 and self.home.parents:
            self._add(papers.parent(self.patient))
        for visit in self.visits:
            self._visit(visit)
        for allergy in self.care.allergies(self.visits[0]):
            self._add(allergy)
        for finding in self.findings:
            self._problem(finding)
        self._laboratory()
        self._immunizations(papers.age)
        self._procedures(papers.age)
        self._writing(Writer(self.person, self.home, self.dice, papers.age))
        self._appointments(diary)
        return self.entries

    def _add(self, resource: Json, uuid: str = "") -> str:
        """Adds an entry; the answer is what other resources refer to it by."""
        made = entry(uuid or self.dice.uuid(), resource)
        self.entries.append(made)
        return str(made["fullUrl"])

    def _visit(self, visit: Visit) -> None:
        self._add(self.care.encounter(visit), visit.uuid)
        if visit.illness:
            self._illness(visit.illness, visit)
        elif (visit.day - self.person.birth).days < 28 and visit is self.visits[0]:
            self._add(self.care.born(visit))
        fever = visit.illness is not None and visit.illness.fever
        for code, value in self.body.vitals(visit.day, check=visit.check, fever=fever):
            self._add(self.care.observation(VITAL, code, value, visit))

    def _illness(self, illness: Problem, visit: Visit) -> None:
        onset = visit.day - timedelta(days=self.dice.between(1, 4))
        end = visit.day + timedelta(days=self.dice.between(7, 18))
        over = end if end <= self.last else None
        reference = self._add(self.care.illness(illness, visit, onset, over))
        if illness.medicines:
            status = "completed" if over else "active"
            self._add(self.care.medicine(illness.medicines[0], status, visit, reference))
        if illness.procedure:
            self._add(self.care.procedure(illness.procedure, visit, reference))

    def _problem(self, finding: Finding) -> None:
        """The problem, its present medicine, and sometimes one that was tried before."""
        dice, medicines = self.dice, finding.problem.medicines
        after = [visit for visit in self.visits if visit.day >= finding.since]
        condition = self.care.problem(finding, self.usual, after[0] if after else None)
        reference = self._add(condition, finding.uuid)
        if not medicines or not after:
            return
        current = dice.pick(medicines)
        earlier = dice.pick(medicines)
        if earlier is not current and len(after) > 2 and dice.chance(0.6):
            self._add(self.care.medicine(earlier, "stopped", after[0], reference))
        status = "completed" if self.person.died else "active"
        self._add(self.care.medicine(current, status, after[min(1, len(after) - 1)], reference))

    def _laboratory(self) -> None:
        """Panels for the problems; for other adults one now and then."""
        checks = [visit for visit in self.visits if visit.check]
        if not checks or age(self.person.birth, checks[-1].day) < 14:
            return
        wanted = list(dict.fromkeys(key for finding in self.findings for key in finding.problem.panels))
        if not wanted and self.dice.chance(0.55):
            wanted = [self.dice.pick(("lipids", "metabolic", "blood"))]
        for key in wanted[:2]:
            for visit in checks[-4:] if key == "sugar" else checks[-1:]:
                self._panel(key, visit)

    def _panel(self, key: str, visit: Visit) -> None:
        panel, results = self.body.panel(key, visit.day)
        found: list[Json] = []
        for code, value in results:
            reference = self._add(self.care.observation(LABORATORY, code, value, visit))
            found.append({"reference": reference, "display": code.display})
        if len(found) > 1:
            self._add(
                {
                    "resourceType": "DiagnosticReport",
                    "status": "final",
                    "category": [REPORT.concept()],
                    "code": panel.term.concept(),
                    "subject": self.care.subject(),
                    "encounter": visit.link(),
                    "effectiveDateTime": visit.start,
                    "issued": visit.end,
                    "performer": [self.practice.organization.link()],
                    "result": found,
                }
            )

    def _immunizations(self, years: int) -> None:
        """Childhood shots by age in days (the latest four), and one or two at visits."""
        birth, dice = self.person.birth, self.dice
        given: dict[Term, tuple[date, Visit | None]] = {}
        if years < 19:
            due = [(each.term, birth + timedelta(days=each.days)) for each in clinic().vaccines if each.days]
            given = {term: (day, None) for term, day in [pair for pair in due if pair[1] <= self.last][-4:]}
        for visit in self.visits[-2:]:
            then = age(birth, visit.day)
            fits = [each.term for each in clinic().vaccines if not each.days and each.ages[0] <= then]
            if fits and dice.chance(0.55):
                given.setdefault(dice.pick(fits), (visit.day, visit))
        for term, (day, where) in given.items():
            self._add(self.care.immunization(term, day, where))

    def _procedures(self, years: int) -> None:
        fits = [each.term for each in clinic().procedures if each.ages[0] <= years <= each.ages[1]]
        if fits and self.dice.chance(0.6):
            self._add(self.care.procedure(self.dice.pick(fits), self.visits[-1]))

    def _writing(self, writer: Writer) -> None:
        """Notes of the last visits; a plan and a goal for some who have something to plan for."""
        dice = self.dice
        for visit in self.visits[-2 if dice.chance(0.25) else -1 :]:
            self._add(writer.document(self.patient, visit, self.practice.organization))
        planned = [finding for finding in self.findings if finding.problem.plan]
        if planned and not self.person.died and dice.chance(0.45):
            finding = planned[0]
            plan = clinic().plans[finding.problem.plan]
            start = max(finding.since, self.today - timedelta(days=int(YEAR)))
            due = anniversary(self.today, 1)
            goal = self._add(writer.goal(plan, self.patient, self.usual, start, due))
            self._add(writer.plan(plan, self.patient, f"urn:uuid:{finding.uuid}", goal, start))

    def _appointments(self, diary: Diary) -> None:
        """The appointment of the last visit, or one that came to nothing; then what lies ahead."""
        dice, visit = self.dice, self.visits[-1]
        luck = dice.fraction()
        clinician = self.practice.clinicians.index(visit.clinician)
        if luck < 0.5:
            self._appointment("fulfilled", (visit.day, visit.minute, clinician))
        elif luck < 0.6 and visit.day - timedelta(days=7) > self.person.birth:
            status = "noshow" if luck < 0.55 else "cancelled"
            self._appointment(status, (visit.day - timedelta(days=7), visit.minute, clinician))
        if self.person.died:
            return
        later = dice.chance(0.35)
        if diary.comes_today(self.number):
            place = diary.next_today()
            early = place[1] < 9 * 60
            self._appointment(dice.pick(("arrived", "checked-in")) if early else "booked", place)
        elif later:
            upcoming = diary.next_later()
            if upcoming:
                self._appointment("booked", upcoming)

    def _appointment(self, status: str, place: tuple[date, int, int]) -> None:
        day, minute, clinician = place
        dice, person = self.dice, self.person
        if (self.today - person.birth).days < 730:
            words = dice.pick(("Infant check-up", "Shots"))
        else:
            words = dice.pick(("Yearly check-up", "Blood pressure", "Review of results", "Medicines"))
        if dice.chance(0.3):
            words += f"; {person.called} asked for a reminder"
        self._add(
            appointment(
                status,
                dice.pick(("CHECKUP", "FOLLOWUP", "ROUTINE")),
                (instant(day, minute), instant(day, minute + 20)),
                self.care.named(),
                self.practice.clinicians[clinician],
                self.practice,
                words,
            )
        )
