"""The exact shape of a code in each public terminology whose list is too long or not free.

A shape is as narrow as the terminology allows, check digits included, so that little which is not
such a code passes: a telephone number is not an NDC, a birth date is not a SNOMED CT concept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

UCUM = "http://unitsofmeasure.org"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LANGUAGES = _words(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de "
    "dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id "
    "ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu "
    "lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu "
    "rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr "
    "ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu yue cmn hmn fil chr"
)
_REGIONS = re.compile(r"(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")

_MEDIA = _words(
    "application/cda+xml application/dicom application/dicom+json application/epub+zip "
    "application/fhir+json application/fhir+ndjson application/fhir+xml application/fhir+turtle "
    "application/gzip application/hl7-cda+xml application/hl7-v2 application/hl7-v2+xml "
    "application/javascript application/json application/json+fhir application/json-patch+json "
    "application/jwt application/jose application/msword application/octet-stream application/ogg "
    "application/pdf application/pkcs7-mime application/pkcs7-signature application/rtf "
    "application/smart-health-card application/vnd.api+json application/vnd.ms-excel "
    "application/vnd.ms-powerpoint application/vnd.oasis.opendocument.text "
    "application/vnd.openxmlformats-officedocument.presentationml.presentation "
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet "
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document application/x-ndjson "
    "application/x-www-form-urlencoded application/xhtml+xml application/xml application/xml+fhir "
    "application/zip application/xacml+xml application/x-pkcs12 audio/aac audio/basic audio/mp4 "
    "audio/mpeg audio/ogg audio/wav audio/webm audio/x-wav image/bmp image/gif image/heic image/jp2 "
    "image/jpeg image/jpg image/png image/svg+xml image/tiff image/webp message/rfc822 "
    "multipart/form-data multipart/mixed text/calendar text/cql text/css text/csv text/directory "
    "text/fhirpath text/html text/javascript text/markdown text/plain text/rtf text/tab-separated-values "
    "text/vcard text/xml video/mp4 video/mpeg video/ogg video/quicktime video/webm video/x-msvideo "
    "text/cql-identifier text/cql-expression application/elm+xml application/elm+json"
)
_CHARSET = re.compile(r"; ?charset=(utf-8|UTF-8|us-ascii|US-ASCII|iso-8859-1|ISO-8859-1|utf-16|UTF-16)")

_CURRENCIES = _words(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GGP GHS GIP "
    "GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS IMP INR IQD IRR ISK JEP JMD JOD JPY KES KGS KHR KMF KPW "
    "KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
    "NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP "
    "SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND "
    "VUV WST XAF XCD XDR XOF XPF YER ZAR ZMW ZWL"
)

_DIHEDRAL = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
while len(_PERMUTED) < 8:
    _PERMUTED.append([_PERMUTED[-1][_PERMUTED[1][n]] for n in range(10)])

_SNOMED = re.compile(r"[1-9][0-9]{2,14}[01][0-2][0-9]")
_LOINC = re.compile(r"([1-9][0-9]{0,6})-([0-9])")
_LOINC_PART = re.compile(r"L[APLG][1-9][0-9]{0,6}-[0-9]")


def snomed(code: str) -> bool:
    """Whether *code* is a SNOMED CT identifier: 6 to 18 digits, partition and Verhoeff digit right."""
    if _SNOMED.fullmatch(code) is None or code[-3:-1] not in ("00", "01", "02", "10", "11", "12"):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _DIHEDRAL[check][_PERMUTED[place % 8][ord(digit) - 48]]
    return check == 0


def loinc(code: str) -> bool:
    """Whether *code* is a LOINC number with its check digit right, or an answer, part, list or group."""
    match = _LOINC.fullmatch(code)
    if match is None:
        return _LOINC_PART.fullmatch(code) is not None
    total = 0
    for place, digit in enumerate(reversed(match[1])):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return (total + int(match[2])) % 10 == 0


def language(code: str) -> bool:
    """Whether *code* is an ISO 639 language, perhaps with a script and a region (BCP 47)."""
    primary = code.partition("-")[0]
    return primary in _LANGUAGES and _REGIONS.fullmatch(code, len(primary)) is not None


def mime(code: str) -> bool:
    """Whether *code* is a media type in common use, perhaps with a character set."""
    kind, mark, _ = code.partition(";")
    return kind in _MEDIA and (not mark or _CHARSET.fullmatch(code, len(kind)) is not None)


def currency(code: str) -> bool:
    """Whether *code* is an ISO 4217 currency."""
    return code in _CURRENCIES


def _like(pattern: str) -> Callable[[str], bool]:
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda code: match(code) is not None


_ICD_10 = _like(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?")
_ICD_9 = _like(r"(V[0-9]{2}|E[0-9]{3}|[0-9]{3})(\.?[0-9]{1,2})?")
_ICD_10_PCS = _like(r"[0-9A-HJ-NP-Z]{7}")
_CPT = _like(r"[0-9]{4}[0-9FTUMA]")
_HCPCS = _like(r"[A-EGHJ-MP-V][0-9]{4}")
# Eleven digits that begin with 1 could be a telephone number; hyphens say what it is.
_NDC = _like(r"[0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-([0-9]{3}-[0-9]{2}|[0-9]{4}-[0-9]{1,2})|[02-9][0-9]{10}")
_DRG = _like(r"[0-9]{3}")
_TWO = _like(r"[0-9]{2}")

SHAPES: Mapping[str, Callable[[str], bool]] = {
    "http://loinc.org": loinc,
    "http://snomed.info/sct": snomed,
    "http://www.nlm.nih.gov/research/umls/rxnorm": _like(r"[1-9][0-9]{0,6}"),
    "http://hl7.org/fhir/sid/icd-10": _ICD_10,
    "http://hl7.org/fhir/sid/icd-10-cm": _ICD_10,
    "http://hl7.org/fhir/sid/icd-9": _ICD_9,
    "http://hl7.org/fhir/sid/icd-9-cm": _ICD_9,
    "http://www.cms.gov/Medicare/Coding/ICD10": _ICD_10_PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": _ICD_10_PCS,
    "http://hl7.org/fhir/sid/cvx": _like(r"[0-9]{1,3}"),
    "http://hl7.org/fhir/sid/mvx": _like(r"[A-Z]{2,3}"),
    "http://hl7.org/fhir/sid/ndc": _NDC,
    "http://www.ama-assn.org/go/cpt": _CPT,
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": _HCPCS,
    "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets/Alpha-Numeric-HCPCS.html": _HCPCS,
    "urn:oid:2.16.840.1.113883.6.285": _HCPCS,
    "http://www.ada.org/cdt": _like(r"D[0-9]{4}"),
    "http://nucc.org/provider-taxonomy": _like(r"[0-9]{3}[0-9A-Z]{6}X"),
    "http://www.whocc.no/atc": _like(r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?"),
    "http://www.genenames.org": _like(r"HGNC:[1-9][0-9]{0,5}"),
    "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set": _TWO,
    "https://www.cms.gov/medicare/coding/place-of-service-codes/place_of_service_code_set.html": _TWO,
    "https://www.nubc.org/CodeSystem/PatDischargeStatus": _TWO,
    "http://www.nubc.org/patient-discharge": _TWO,
    "https://www.nubc.org/CodeSystem/RevenueCodes": _like(r"0[0-9]{3}"),
    "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
    "MS-DRG-Classifications-and-Software": _DRG,
    "https://x12.org/codes/claim-adjustment-reason-codes": _like(r"[A-Z]?[0-9]{1,3}"),
    "https://x12.org/codes/remittance-advice-remark-codes": _like(r"(M|MA|N)[0-9]{1,3}"),
    "https://x12.org/codes/service-type-codes": _like(r"[0-9]{1,2}|[A-Z][0-9A-Z]"),
    "https://nahdo.org/sopt": _like(r"[1-9][0-9]{0,4}"),
    "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html": _like(r"[0-9]{4}-[0-9]"),
    "urn:ietf:bcp:47": language,
    "urn:ietf:bcp:13": mime,
    "urn:iso:std:iso:4217": currency,
}
"""By the address of the system: whether a text has the shape of its codes."""

LISTED: tuple[str, ...] = (
    UCUM,
    "https://bluebutton.cms.gov/",
    "https://smarthealthit.org/tags",
    "http://hl7.org/fhir/us/core/CodeSystem/",
    "http://hl7.org/fhir/sid/srt",
    "http://hl7.org/fhir/version-algorithm",
    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "http://terminology.hl7.org/CodeSystem/",
    "https://www.usps.com/",
    "urn:iso:std:iso:11073:10101",
    "urn:iso:std:iso:3166",
    "urn:oid:2.16.840.1.113883.6.24",
    "urn:oid:2.16.840.1.113883.6.238",
    "urn:oid:2.16.840.1.113883.3.26.1.1",
    "urn:ietf:rfc:3986",
)
"""Beginnings of systems whose codes are listed as they occur in public value sets and examples."""

_PRIVATE = re.compile(r"example\.|acme|//(www\.)?ex[-.]|#|\s|localhost|file:|urn:uuid:", re.IGNORECASE)


def public(url: str) -> bool:
    """Whether *url* may be listed as public: the made-up hosts of examples may not."""
    return _PRIVATE.search(url) is None
