"""Make the small filter of very common passwords that the package ships, from the list that Django ships.

    python -m tools.compile_passwords

Django's list has 20,000 common passwords in lower case (django.contrib.auth.password_validation). The filter
holds bits, and no password.
"""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.password_validation import CommonPasswordValidator

from confide.access import corpus
from tools.outside import ROOT

OUT = ROOT / "src" / "confide" / "access" / "popular.filter"


def main() -> None:
    made = corpus.build([Path(CommonPasswordValidator().DEFAULT_PASSWORD_LIST_PATH)], OUT)
    print(f"{OUT.relative_to(ROOT)}: {made.passwords:,} passwords, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
