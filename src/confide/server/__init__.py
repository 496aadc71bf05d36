"""HTTP: FHIR API, pages, sign-in."""
