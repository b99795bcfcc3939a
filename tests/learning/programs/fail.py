"""fail.py FOLDER NAME VERSION STATUS WORDS"""

import sys

print("reading", flush=True)
print(f"error: {sys.argv[5]}", flush=True)
sys.exit(int(sys.argv[4]))
