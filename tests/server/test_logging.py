"""Nothing that was filled in reaches a log, at DEBUG and on every way to it."""

import io
import logging
import logging.config
import subprocess
import sys

import pytest

from confide.errors import AccessDenied, JournalUnavailable
from confide.server.logging import Formatter, configuration, describe

VALUE = "Quetzalcoatl-7f3a9c"


@pytest.fixture
def log():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def fall(value):
    raise KeyError(value)


@pytest.mark.asvs("16.2.5")
def test_an_exception_is_a_class_and_places(log):
    try:
        fall(VALUE)
    except KeyError:
        logging.getLogger("confide.records").exception("could not read %s", "Patient/1")
    text = log.getvalue()
    assert VALUE not in text
    assert "could not read Patient/1" in text
    assert "KeyError" in text
    assert "test_logging.py" in text
    assert "in fall" in text


def test_our_own_messages_are_kept_and_their_causes_are_not(log):
    try:
        try:
            fall(VALUE)
        except KeyError as error:
            raise JournalUnavailable("the journal cannot be written") from error
    except JournalUnavailable:
        logging.getLogger("confide").exception("refused")
    text = log.getvalue()
    assert "JournalUnavailable: the journal cannot be written" in text
    assert "KeyError" in text
    assert VALUE not in text


def test_groups_and_long_chains_end(log):
    error = ValueError(VALUE)
    for _ in range(40):
        nearer = ValueError(VALUE)
        nearer.__cause__ = error
        error = nearer
    try:
        raise ExceptionGroup(VALUE, [error, AccessDenied("you may not")])
    except ExceptionGroup:
        logging.getLogger("confide").exception("both")
    text = log.getvalue()
    assert VALUE not in text
    assert "AccessDenied: you may not" in text
    assert text.count("ValueError") < 20


def test_an_exception_as_an_argument_is_its_class(log):
    logging.getLogger("confide").warning("bad line: %s", ValueError(VALUE))
    logging.getLogger("confide").warning(ValueError(VALUE))
    assert VALUE not in log.getvalue()
    assert "bad line: ValueError" in log.getvalue()


@pytest.mark.parametrize("name", ["django.request", "django.db.backends", "gunicorn.error", "confidence"])
def test_of_other_libraries_only_the_template_is_written(log, name):
    logger = logging.getLogger(name)
    logger.error("Not Found: %s", f"/fhir/R4/Patient?name={VALUE}")
    filled_in = f"SELECT {VALUE}"
    logger.error(filled_in)
    logger.error("%(sql)s", {"sql": VALUE})
    assert VALUE not in log.getvalue()
    assert "Not Found: %s" in log.getvalue()


@pytest.mark.asvs("1.2.4")
@pytest.mark.django_db
def test_sql_at_debug_has_no_parameters(log):
    from django.db import connection

    connection.force_debug_cursor = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [VALUE])
    finally:
        connection.force_debug_cursor = False
    assert "django.db.backends" in log.getvalue()
    assert VALUE not in log.getvalue()


@pytest.mark.asvs("16.2.4", "16.4.1")
def test_a_record_is_one_line(log):
    logging.getLogger("confide").info("first\nsecond\r\nthird", stack_info=True)
    assert "first second  third\n  logged at " in log.getvalue()


def test_a_wrong_template_is_withheld():
    record = logging.LogRecord("confide", logging.INFO, "here.py", 1, "%d patients", (VALUE,), None)
    assert describe(record) == "(message withheld)"


@pytest.mark.asvs("16.2.3")
def test_libraries_keep_no_handlers_of_their_own():
    from django.conf import settings

    assert configuration(settings.CONFIG.log_level) == settings.LOGGING
    for name in ("django", "django.server", "gunicorn.error", "gunicorn.access"):
        assert logging.getLogger(name).handlers == []


@pytest.mark.parametrize(
    "fault",
    [
        "raise ValueError(VALUE)",
        "threading.Thread(target=lambda: {}[VALUE]).start()",
        "logging.getLogger('other').handlers[:] = [Bad()]; logging.getLogger('other').warning(VALUE)",
        "import warnings; warnings.warn(VALUE)",
        "class Last:\n  def __del__(self): raise ValueError(VALUE)\nLast()",
    ],
)
def test_what_nobody_caught_is_as_silent(fault):
    program = f"""
import logging, logging.config, threading
from confide.server.logging import configuration, install
logging.config.dictConfig(configuration("DEBUG"))
install()
VALUE = chr(81) + {VALUE[1:]!r}
class Bad(logging.StreamHandler):
    def format(self, record): raise ValueError(VALUE)
{fault}
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert VALUE not in run.stderr + run.stdout
    assert "SyntaxError" not in run.stderr
