"""NDJSON and Parquet: written in one go, read back the same."""

import io
from datetime import date, time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from confide.fhir import json, tables
from confide.protect.exports import parquet
from confide.protect.exports.ndjson import NdjsonWriter
from confide.protect.exports.parquet import ParquetWriter, columns
from confide.protect.exports.policy import load
from tests.protect.exports.cohort import (
    POLICIES,
    TODAY,
    charts,
    examples,
    export,
    exporter,
    keys,
)
from tests.protect.exports.test_exporter import export_all
from tests.protect.test_documents import OBSERVATION, OURS, PATIENT


class Pipe:
    """All that an encrypting stream can do."""

    def __init__(self):
        self.blocks = []

    def write(self, data):
        assert isinstance(data, bytes)
        self.blocks.append(data)

    def read_back(self):
        return b"".join(self.blocks)


@pytest.fixture(scope="module", params=POLICIES, ids=["limited", "safe-harbor", "research"])
def exported(request, shared):
    by_type = {}
    for chart in charts(shared)[:3]:
        for _, e in export(exporter(request.param), chart):
            by_type.setdefault(e.type, []).append(e)
    return by_type


def write(writer, type, rows):
    pipe = Pipe()
    one = writer(pipe, type)
    for row in rows:
        one.write(row)
    one.close()
    assert one.rows == len(rows)
    return pipe.read_back()


def test_ndjson_is_one_resource_a_line(exported):
    for type, rows in exported.items():
        lines = write(NdjsonWriter, type, rows).splitlines()
        assert [json.parse(line) for line in lines] == [json.parse(json.format(e.resource)) for e in rows]


def test_parquet_has_the_same_resources_and_columns_of_them(exported, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 50)
    for type, rows in exported.items():
        written = write(ParquetWriter, type, rows)
        table = pq.read_table(io.BytesIO(written))
        assert pq.ParquetFile(io.BytesIO(written)).num_row_groups == -(-len(rows) // 50)
        assert table["id"].to_pylist() == [e.id for e in rows]
        assert table["patient"].to_pylist() == [e.patient or None for e in rows]
        assert [json.parse(text) for text in table["resource"].to_pylist()] == [
            json.parse(json.format(e.resource)) for e in rows
        ]


def read(policy, resource):
    row = exporter(policy).export(resource, OURS, TODAY)
    table = pq.read_table(io.BytesIO(write(ParquetWriter, row.type, [row])))
    return table.schema, table.to_pylist()[0]


def test_the_columns_of_an_observation():
    schema, row = read(POLICIES[2], OBSERVATION)
    assert row["status"] == "final"
    assert (row["code_system"], row["code_code"]) == ("http://loinc.org", "8480-6")
    assert row["code_display"] == "Systolic blood pressure"
    assert row["subject"] == f"Patient/{keys().person(OURS)}"
    assert (row["valueQuantity_value"], row["valueQuantity_code"]) == (120.0, "mm[Hg]")
    assert row["effectiveDateTime"] == date(2024, 5, 4) + (row["issued"] - date(2024, 5, 4))
    assert row["issued_time"].time() == time(15, 31, 0, 123000)
    assert schema.field("effectiveDateTime").type == pa.date32()
    assert schema.field("issued_time").type == pa.timestamp("us", "UTC")
    assert schema.field("valueBoolean").type == pa.bool_()
    assert not schema.field("id").nullable


def test_a_year_is_no_day():
    _, row = read(POLICIES[1], PATIENT)
    assert row["birthDate"] is None
    assert row["birthDate_year"] == 1963
    assert row["gender"] == "female"


def test_every_type_and_every_example_can_be_written(shared):
    for type in tables.RESOURCES:
        assert len({name for _, (name, *_) in columns(type)}) == len(columns(type)), "each name once"
    policy = load(POLICIES[2])
    by_type = {}
    for resource in examples(shared):
        exported = export_all(policy, resource)
        by_type.setdefault(exported.type, []).append(exported)
    assert len(by_type) > 100
    for type, rows in by_type.items():
        assert pq.read_table(io.BytesIO(write(ParquetWriter, type, rows))).num_rows == len(rows)


def test_nothing_is_a_valid_file():
    assert write(NdjsonWriter, "Patient", []) == b""
    assert pq.read_table(io.BytesIO(write(ParquetWriter, "Patient", []))).num_rows == 0
