import pytest
from tests.server.laboratory import *

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "keys"])


def test_x(api):
    p = api.make(PATIENT)
    print(p)
    r = api.get(f"/Patient/{p['id']}")
    print(r.status_code, dict(r.headers), r.json())
    for q in (
        "name=quern",
        "birthdate=1963-05-04",
        "identifier=http://hl7.org/fhir/sid/us-ssn|123-45-6789",
        "gender=female",
    ):
        r = api.get(f"/Patient?{q}")
        print(r.status_code, r.json())
