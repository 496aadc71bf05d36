"""What FHIR R4 says: types, validation, search parameters, compartments. No storage."""
