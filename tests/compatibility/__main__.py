"""`python -m compatibility`: write docs/reference/compatibility.md anew, and print what changed.

Exit status 1 if an architecture is no longer observed, or differs from the library.
"""

import sys

import torch
import transformers

from compatibility.configs import KINDS
from compatibility.decide import decide
from compatibility.page import PAGE, changes, page, results


def main(kinds=KINDS, path=PAGE):
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    before = results(path.read_text(encoding="utf-8")) if path.is_file() else {}
    verdicts = [decide(kind) for kind in kinds]
    path.write_text(page(verdicts), encoding="utf-8")
    print("\n".join(changes(before, verdicts)) or "no result changed")
    after = {one.kind: one.result for one in verdicts}
    lost = [kind for kind, result in before.items() if result == "observed"]
    sys.exit("differs" in after.values() or any(after.get(kind) != "observed" for kind in lost))


if __name__ == "__main__":
    main()
