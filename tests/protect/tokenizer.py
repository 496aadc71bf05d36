"""A process that tokenizes the same values as others do at the same time; prints the tokens as JSON."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from confide.protect.elements import Element
from confide.protect.keyring import Keyring
from confide.protect.keystore import FileDataKeys
from confide.protect.kms.file import FileKms
from confide.protect.tokens import FileTokenStore, Tokens, Wanted

folder, batches, each = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
keyring = Keyring(FileKms.open(folder / "root.key"), FileDataKeys(folder / "keys.sqlite3"), "elm")
tokens = Tokens(keyring, FileTokenStore(folder / "tokens.sqlite3"))
print("ready", flush=True)
sys.stdin.readline()
told = []
for batch in range(batches):
    wanted = [Wanted(Element.SSN, f"{number:09d}") for number in range(batch * each, (batch + 1) * each)]
    told += tokens.tokenize("lab", wanted, datetime.now(UTC))
print(json.dumps(told))
