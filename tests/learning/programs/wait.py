"""wait.py FOLDER NAME VERSION: says its process id, and works until somebody ends it."""

import os
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
(folder / "pid.new").write_text(str(os.getpid()))
(folder / "pid.new").rename(folder / "pid")
print("working", flush=True)
while True:
    time.sleep(1)
