"""An opened resource in, the resource as it leaves the house out."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from confide.protect.documents import PSEUDED
from confide.protect.elements import Element
from confide.protect.exports.ages import OLDEST_AGE, settle
from confide.protect.exports.keys import ExportKeys
from confide.protect.exports.plan import ExportPlan, person_types
from confide.protect.exports.policy import ExportPolicy, Method, Released
from confide.protect.exports.rules import ExportWork
from confide.protect.owners import owners
from confide.protect.rules import MASKED, protect_object


@dataclass(frozen=True, slots=True)
class Exported:
    """A resource as it leaves.

    Attributes:
        type: Its FHIR type.
        id: Its handle in this export.
        patient: The handle of the person whose it is; empty where it is nobody's, or several people's.
        resource: Valid FHIR R4, labelled PSEUDED.
        elements: The data elements that are in it, and in which form; for the journal. What is not named here
            was taken out, or was never there.
    """

    type: str
    id: str
    patient: str
    resource: dict[str, Any]
    elements: Mapping[Element, Released]


class Exporter:
    """Prepares the resources of one export.

    It remembers which people are in the class of 90 and over: hand over a person's Patient before the rest of
    the chart, or an age at some event could tell the year of birth that the class hides.

    Args:
        policy: What is done with each element.
        keys: Of this export alone.
        cohort: The ids of the patients who are exported; a reference to anybody else does not go out. None if
            references to all patients may.
    """

    def __init__(self, policy: ExportPolicy, keys: ExportKeys, cohort: Container[str] | None = None) -> None:
        self._policy = policy
        self._keys = keys
        self._cohort = cohort
        self._plan = _plan()
        self._shown = person_types(self._plan.policy) | policy.shared_types
        self._oldest: set[str] = set()

    def export(self, resource: Mapping[str, Any], patient_id: str, today: date) -> Exported | None:
        """Return what goes out of *resource*; None if nothing does.

        Args:
            resource: A valid, clear resource as the vault opens it; not changed.
            patient_id: The one patient to whom the resource belongs; empty where it is nobody's or several
                people's. Such a resource goes out only if the policy lists its type.
            today: For the class of 90 and over.

        Raises:
            Invalid: The resource's id is not one of ours.
        """
        kind = resource["resourceType"]
        whose = owners(self._plan.policy, resource)
        if (whose != (patient_id,) or not patient_id) and kind not in self._policy.shared_types:
            return None
        patient = patient_id if whose == (patient_id,) else ""
        work = self._work(patient, kind, today)
        if (
            kind == "Patient"
            and str(resource.get("birthDate", "9999"))[:4] <= f"{max(work.oldest_year, 0):04}"
        ):
            self._oldest.add(patient)
            work.oldest = True
        remove = work.oldest or self._policy.method("age") is Method.REMOVE
        clear = settle(resource, remove=remove) if self._policy.method("age") is not Method.KEEP else resource
        out = protect_object(clear, self._plan.root(kind), (), work)
        out["id"] = self._keys.handle(resource["id"])
        _label(out)
        return Exported(
            kind, out["id"], self._keys.handle(patient) if patient else "", out, dict(work.released)
        )

    def _work(self, patient: str, kind: str, today: date) -> ExportWork:
        keep_ages = self._policy.method("age") is Method.KEEP
        named = patient and kind == "Patient" and self._policy.method(Element.NAME) is Method.PSEUDONYM
        return ExportWork(
            key=None,
            stand_ins=self._keys.stand_ins,
            oldest_year=-1 if keep_ages else today.year - OLDEST_AGE,
            oldest_class=self._plan.policy.oldest_class,
            pseudonym=self._keys.pseudonym(patient) if named else ("", ""),
            policy=self._policy,
            keys=self._keys,
            days=self._keys.shift(patient) if patient else None,
            shown=self._shown,
            cohort=self._cohort,
            oldest=patient in self._oldest,
        )


@cache
def _plan() -> ExportPlan:
    return ExportPlan()


def _label(resource: dict[str, Any]) -> None:
    """Label a resource PSEUDED, under every policy: we keep the key that leads back, which ANONYED denies.

    Source:
        HL7 v3 ObservationValue: PSEUDED, "custodian may retain a key to relink"; ANONYED, "no key to relink
        the data is retained".
    """
    meta = resource["meta"] = {} if resource.get("meta") == MASKED else {**resource.get("meta", {})}
    labels = [label for label in meta.get("security", ()) if label.get("code") != PSEUDED["code"]]
    meta["security"] = [*labels, PSEUDED]
