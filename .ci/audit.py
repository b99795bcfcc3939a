"""Ask for known vulnerabilities in what the lock files pin. What could not be asked is said loudly, not failed."""

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = ("dev", "gpu")
SECONDS = 300


def main() -> int:
    answers = [audit(CHECKOUT / "requirements" / f"{name}.txt") for name in LOCKS]
    return int(any(answers))


def audit(lock: Path) -> bool:
    """Print what is known against the pinned packages; returns whether anything is."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    command += ["--progress-spinner", "off", "--requirement", str(lock)]
    try:
        run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
        packages = json.loads(run.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        warn(f"{lock.name}: the vulnerability service could not be asked ({type(error).__name__})")
        return False
    if skipped := [package for package in packages if "skip_reason" in package]:
        warn(f"{lock.name}: {len(skipped)} of {len(packages)} packages. {skipped[0]['skip_reason']}")
    vulnerable = [package for package in packages if package.get("vulns")]
    for package in vulnerable:
        names = ", ".join(entry["id"] for entry in package["vulns"])
        print(f"{lock.name}: {package['name']} {package['version']} has known vulnerabilities: {names}")
    if not vulnerable and len(skipped) < len(packages):
        print(f"{lock.name}: nothing known against {len(packages) - len(skipped)} packages")
    return bool(vulnerable)


def warn(text: str) -> None:
    print(f"*** NOT AUDITED *** {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
