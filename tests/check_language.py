"""Fail if code, docs or tests use an idiom that the field does not use; `make lint` runs this.

Usage: python tests/check_language.py [PATH ...]

Paths restrict the check to files below them. Identifiers count as well as prose: ``told_as`` contains ``told``.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUFFIXES = {".py", ".md", ".html", ".yaml", ".yml", ".toml", ".txt", ".sh", ".example", ""}
EXEMPT = {
    "tests/check_language.py",
    "interphase_flows/report/3Dmol-LICENSE.txt",
    "LICENSE",
    "tests/data/vasp_records/LICENSE",
}
IDIOMS = {
    r"told|tells?": "reports, message, summary, output",
    r"mend(s|ed|ing)?": "fix, repair, recover; hint",
    r"words?": "message, text, summary",
    r"asked|asks": "requested, queried; settings",
    r"put down": "stopped at a checkpoint",
    r"hand(s|ed|ing)? (over|in|on|out)": "requeued, passed, returned, submitted",
    r"nobody|somebody|whoever": "no process, the user, the caller",
    r"go(es|ing)? on|went on": "continues, resumes",
    r"wholes?": "complete, intact, entire",
    r"answers? for": "is responsible for",
    r"giv(es?|en|ing) back|gave back": "returned, released",
    r"books|bookkeeping": "records, consistency",
    r"refus(e|es|ed|al|als|ing)": "rejected, raises, unavailable",
    r"signs? of life": "heartbeat",
    r"put(ting|s)? away": "cancel, archive",
    r"thought dead": "presumed dead, stale",
    r"shall": "must, should, will",
    r"speaks?|spoke": "states, describes",
    r"says|said": "states, reports",
    r"surveys?|surveyed|surveyor": "analysis",
    r"unsaid|unasked|untold": "missing",
    r"of (its|their|our|my) own": "separate, independent",
    r"trainings": "training, training runs",
    r"data sets?": "dataset",
    r"cut-offs?": "cutoff",
    r"[a-z]*sulph[a-z]*": "sulfur, sulfide (IUPAC)",
    r"labels? by (chgnet|gpaw|vasp|dft)": "CHGNet labels, GPAW labels, VASP labels",
    r"(fraction of|surviving|bcc) shares?|shares? of (the )?(atoms|frames|samples|anions|labels)": "fraction",
    r"rooms": "subpackages, layers",
    r"whatever": "any, independent of, regardless of",
    r"(server|database) (answers|does not answer)": "responds, is reachable",
}
ALLOWED = re.compile(
    r"connection[ _]?refused|refused[ _]connection|\.tell\(\)|share_of_samples|worker cut-off|\"cut-off\"",
    re.IGNORECASE,
)


def findings(path: Path) -> list[str]:
    """Return one line for each idiom in a file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = ALLOWED.sub("", line).replace("_", " ")
        for idiom, better in IDIOMS.items():
            found += [
                f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write {better}"
                for match in re.finditer(rf"(?<![A-Za-z])(?:{idiom})(?![A-Za-z])", text, re.IGNORECASE)
            ]
    return found


def main(arguments: list[str]) -> int:
    """Print the findings below the given paths, or in all tracked files, and return the exit code."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *arguments]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [
        line
        for name in sorted(names)
        if Path(name).suffix in SUFFIXES and name not in EXEMPT and (ROOT / name).is_file()
        for line in findings(ROOT / name)
    ]
    print("\n".join([*found, f"{len(found)} idioms to rewrite"]))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
