"""Consents by which patients ask that something be kept from a purpose (45 CFR 164.522)."""


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


def consent(patient, provision, **changes):
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": provision,
        **changes,
    }


def deny(*purposes, elements=(), **more):
    found = {"type": "deny", **more}
    if purposes:
        system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
        found["purpose"] = [{"system": system, "code": code} for code in purposes]
    if elements:
        found["code"] = [concept("urn:confide:element", e.value) for e in elements]
    return found
