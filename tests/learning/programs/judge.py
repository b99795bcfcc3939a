"""judge.py FOLDER OUT: the champion finds every second infection, the challenger all; for want of engines."""

import csv
import json
import sys
from pathlib import Path

from ml.evaluation.judge import paired_figures, sides_of

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
with (folder / "manifest.csv").open(newline="") as file:
    lines = {(line["name"], line["group"]): line for line in csv.DictReader(file)}
scans = []
for number, ((name, group), line) in enumerate(sorted(lines.items())):
    ill = line["label"] == "covid"
    answers = {"champion": 0.9 if ill and number % 2 else 0.2, "challenger": 0.9 if ill else 0.2}
    scans.append(
        {"name": name, "group": group, "label": "covid" if ill else "non_covid"}
        | {
            model: {"decision": "covid" if p > 0.5 else "non_covid", "probability": p, "operating_point": 0.5}
            for model, p in answers.items()
        }
    )
out.write_text(json.dumps({**paired_figures(*sides_of(scans), repeats=50), "failed": [], "scans": scans}))
