"""The FHIR R4 API, for programs: a bearer token, a scope, a grant; never a cookie."""
