"""Run Snakemake's own linter; exit 1 on anything but the one lint that is refused on purpose.

Snakemake asks every rule for a conda environment or a container. Here all rules run one
locked environment (requirements.lock), made once for the whole workflow: the same lock for
every rule would say the same, and cost an environment a rule.
"""

import subprocess
import sys

REFUSED = "Specify a conda environment or container for each rule."


def main() -> int:
    found = subprocess.run(["snakemake", "--lint"], capture_output=True, text=True, check=False)
    lines = (found.stdout + found.stderr).splitlines()
    lints = [line.strip(" *:") for line in lines if line.startswith("    * ")]
    if not lints:
        # Without the refused lint either, something else went wrong.
        print("\n".join(lines))
        return 1
    others = [lint for lint in lints if lint.rstrip(".") != REFUSED.rstrip(".")]
    print("\n".join(lines) if others else "snakemake --lint: nothing to mend")
    return int(bool(others))


if __name__ == "__main__":
    sys.exit(main())
