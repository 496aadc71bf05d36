"""`confide notice`: letters about a breach: look at them, ask for a mailing, approve it, write it, and what
comes back.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from confide.cli import installation, mailing, person, show
from confide.errors import Invalid

PREVIEW: Final = """\
examples:
  confide notice preview --facts notice.toml --elements name,ssn --state MA
  confide notice preview --facts notice.toml --elements name,clinical --kind parent --language es
  confide notice preview --facts notice.toml --elements name,ssn --templates ./letters --pdf letter.pdf

The letter of a made-up person, how hard it is to read, and what the state forbids and asks. It needs no
installation. --templates is a folder of the practice's own: files such as individual.en.txt.
"""
MAIL: Final = """\
examples:
  confide notice mail 3f2a91c0 --facts notice.toml --to "Printers" --by plindgren
  confide notice mail 3f2a91c0 --facts notice.toml --as records --to "Printers" --by plindgren
  confide notice mail 3f2a91c0 --facts notice.toml --as email --by plindgren
  confide notice mail 3f2a91c0 --facts notice.toml --all-practices --to "Printers" --by plindgren

Asks for letters to everybody in the incident's frozen scope whom no letter has reached. Nothing leaves before
a second person has approved it. --second is the letter under federal law, for those whose state lets the
first say less. --all-practices asks for the letters of all practices of a vendor's incident at once: approve,
letters and withdraw then take the incident's id with --all-practices, too. --more is for those who have a
letter that says less than a later frozen scope shows of them; say in the facts that it adds to the first one.
"""
APPROVE: Final = """\
examples:
  confide notice approve 9c41e07b --by mlopez
  confide notice approve 3f2a91c0 --all-practices --by mlopez
"""
WITHDRAW: Final = APPROVE.replace("approve", "withdraw")
LETTERS: Final = """\
examples:
  confide notice letters 9c41e07b --by plindgren
  confide notice letters 3f2a91c0 --all-practices --by plindgren
  confide notice letters 9c41e07b --smtp mail.example:587 --from privacy@elm.example --by plindgren

Writes an approved mailing, encrypted to the print house, or sends it by e-mail. Interrupted, the same command
goes on where it stopped. The mail server's password is taken from CONFIDE_SMTP_PASSWORD.
"""
DOUBT: Final = """\
example:
  confide notice doubt 9c41e07b went --by plindgren

Of one e-mail nobody knows whether it went. Look for its Message-ID in the mail server's log: went, or again.
"""
RETURNED: Final = """\
example:
  confide notice returned numbers.txt --by plindgren

One letter's number a line, as it stands beside its date. Whoever is counted here gets the next mailing, too.
"""
AGREED: Final = """\
example:
  confide notice agreed ids.txt --by plindgren

One patient's id a line: those who have agreed to be told by e-mail (45 CFR 164.404(d)(1)(i)). --withdrawn
takes it back.
"""
CODES: Final = """\
examples:
  confide notice codes 3f2a91c0 --take codes.txt --until 2026-12-31 --by plindgren
  confide notice codes 3f2a91c0 --make 5000 --until 2026-12-31 --by plindgren
  confide notice codes 3f2a91c0 --redeemed used.txt --by plindgren
  confide notice codes 3f2a91c0 --by plindgren

Single-use enrolment codes of the protection that is offered: a provider's, or made here. Sealed at rest.
"""
OWNERS: Final = """\
example:
  confide notice owners 3f2a91c0 --facts vendor.toml --out ./owners --by plindgren

A vendor's notice to each covered entity of a frozen scope (45 CFR 164.410), each with its own numbers. They
name nobody: who the persons are goes by a mailing, as records.
"""
PUBLIC: Final = """\
example:
  confide notice public 3f2a91c0 --facts notice.toml --out ./public --by plindgren

What is owed to nobody in person, with the figures of the frozen scope: for each practice and state with more
than 500 residents a notice to the media, for each practice with 10 or more persons without a good address a
substitute notice, and one to the consumer reporting agencies where a state asks for it.
"""
LIST: Final = """\
example:
  confide notice list --by plindgren
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser(
        "notice",
        help="letters about a breach: preview, mail, approve, letters, codes",
        description=__doc__,
    )
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    parser = actions.add_parser("preview", help="look at a letter, and measure it")
    installation.describe(parser, "Look at a letter.", PREVIEW)
    _facts(parser)
    parser.add_argument("--elements", metavar="E,...", required=True, help="what was shown: name,ssn ...")
    parser.add_argument("--kind", default="individual", help="individual, parent, family, media ...")
    parser.add_argument(
        "--language", choices=("en", "es"), default="en", help="of what is written (default: %(default)s)"
    )
    parser.add_argument("--state", default="", metavar="XX", help="where the person lives: two letters")
    parser.add_argument("--pdf", type=Path, metavar="FILE", help="write it as a PDF file, too")
    parser.set_defaults(run=preview)
    parser = _of(
        actions, "mail", "ask for a mailing", "Ask for a mailing.", MAIL, mailing.mail, "the incident's"
    )
    _facts(parser)
    parser.add_argument("--to", metavar="NAME", help="a destination that was registered --for mailing")
    parser.add_argument("--as", dest="channel", choices=("letters", "records", "email"), default="letters",
        help="PDF files, records for letters of theirs, or e-mail (default: %(default)s)")  # fmt: skip
    parser.add_argument("--second", action="store_true", help="the second letter, under federal law")
    parser.add_argument("--more", action="store_true", help="whose letter says less than the scope shows")
    parser.add_argument("--size", type=int, default=0, metavar="N", help="persons in a file (50 to 1,000)")
    _everybody(parser)
    parser = _of(
        actions, "approve", "the second person's word", "Approve a mailing.", APPROVE, mailing.approve
    )
    _everybody(parser)
    parser = _of(actions, "letters", "write or send it", "Write or send it.", LETTERS, mailing.write)
    parser.add_argument("--smtp", metavar="HOST:PORT", default="", help="the mail server")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", default="", help="who e-mails come from")
    parser.add_argument("--smtp-user", metavar="NAME", default="", help="who we are there")
    parser.add_argument("--smtp-tls", choices=("starttls", "tls", "none"), default="starttls",
        help="none only on this machine (default: %(default)s)")  # fmt: skip
    parser.add_argument("--workers", type=int, choices=range(1, 17), default=2, metavar="N",
        help="processes that open, set and encrypt, one for each core (default: %(default)s)")  # fmt: skip
    _everybody(parser)
    parser = _of(actions, "withdraw", "take it back", "Take a mailing back.", WITHDRAW, mailing.withdraw)
    _everybody(parser)
    parser = _of(actions, "doubt", "an e-mail in doubt", "Say whether an e-mail went.", DOUBT, mailing.doubt)
    parser.add_argument("what", choices=("went", "again"), help="it stands in the log, or it does not")
    parser = _file(
        actions, "returned", "letters that came back", "Note what came back.", RETURNED, mailing.returned
    )
    parser = _file(actions, "agreed", "who agrees to e-mail", "Note who agrees.", AGREED, mailing.agreed)
    parser.add_argument("--withdrawn", action="store_true", help="they have taken it back")
    parser = _of(
        actions, "codes", "enrolment codes", "Take or make codes.", CODES, mailing.codes, "the incident's"
    )
    parser.add_argument("--take", type=Path, metavar="FILE", help="a provider's codes, one a line")
    parser.add_argument("--make", type=int, metavar="N", help="make so many")
    parser.add_argument("--redeemed", type=Path, metavar="FILE", help="a provider's report of used codes")
    parser.add_argument("--until", metavar="DAY", help="the last day on which they can be used")
    _at_large(actions)
    parser = actions.add_parser("list", help="mailings and how far they are")
    installation.describe(parser, "List a practice's mailings.", LIST)
    person.describe(parser)
    parser.set_defaults(run=mailing.show_all)


def _at_large(actions: Any) -> None:
    parser = _of(
        actions, "owners", "a vendor's word", "Tell each practice.", OWNERS, mailing.owners, "the incident's"
    )
    _facts(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="an existing folder")
    parser = _of(
        actions, "public", "media, home page, agencies", "Write what goes to nobody in person.", PUBLIC,
        mailing.public, "the incident's",
    )  # fmt: skip
    _facts(parser)
    parser.add_argument(
        "--language", choices=("en", "es"), default="en", help="of what is written (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="an existing folder")


def _of(
    actions: Any,
    name: str,
    brief: str,
    description: str,
    example: str,
    run: Any,
    whose: str = "a mailing's",
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=brief)
    installation.describe(parser, description, example)
    parser.add_argument("id", metavar="ID", help=f"{whose} id, or how it begins")
    person.describe(parser)
    parser.set_defaults(run=run)
    return parser


def _file(
    actions: Any, name: str, brief: str, description: str, example: str, run: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=brief)
    installation.describe(parser, description, example)
    parser.add_argument("file", metavar="FILE", type=Path, help="one a line")
    person.describe(parser)
    parser.set_defaults(run=run)
    return parser


def _everybody(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all-practices", action="store_true", help="all practices of a vendor's incident; ID is its id"
    )


def _facts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--facts", type=Path, required=True, metavar="FILE", help="what letters say (TOML)")
    parser.add_argument("--templates", type=Path, metavar="DIR", help="the practice's own templates")


def preview(args: argparse.Namespace) -> int:
    """Look at a letter."""
    from confide.incidents.notices import facts, letters, public, templates, wording
    from confide.incidents.notices.templates import PERSONAL, Kind
    from confide.protect.elements import Element

    told, found = facts.load(args.facts), templates.load(args.templates)
    try:
        kind = Kind(args.kind)
        shown = frozenset(Element(each.strip()) for each in args.elements.split(","))
    except ValueError:
        kinds, elements = ", ".join(Kind), ", ".join(Element)
        raise Invalid(f"there is no such kind ({kinds}) or element ({elements})") from None
    state = args.state.upper()
    if kind in PERSONAL:
        made = letters.specimen(found, told, kind, args.language, state, shown)
    else:
        made = public.write(
            found, told, kind, shown, args.language, state,
            residents=501, persons=1001, unreachable=10, entity=told.practice,
            due=told.values("en")["date"], states="Maine, Texas",
        )  # fmt: skip
    show.line(made.written())
    measured = made.measured()
    show.step("made" if measured.reached else "note", "reading", measured.told)
    short = wording.shortfalls(shown, state, told.months)
    lacking = (
        wording.lacks(letters.choose(found, kind, args.language, told), state) if kind in PERSONAL else []
    )
    for said in (*wording.rule(state).told, *short, *lacking):
        show.step("note", state, said)
    if args.pdf is not None:
        from confide.server import filed

        _save(args.pdf, filed.notice(made, told.practice, datetime.now(UTC)))
        show.step("made", "PDF", str(args.pdf))
    return show.DONE if measured.reached else show.FAILED


def _save(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError:
        raise Invalid(f"{path} cannot be written") from None
