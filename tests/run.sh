#!/bin/sh
# Run the tests named on the command line: first those that must run alone, then the others side by side.
set -u
cd "$(dirname "$0")/.."
alone="serial or e2e or chaos"

run() { .venv/bin/python -m pytest "$@"; }

run -m "$alone" "$@"
first=$?
run -m "not ($alone)" -n "${TEST_PROCESSES:-2}" "$@"
second=$?

# pytest says 5 when it found no test: right for one of the two halves, wrong for both.
[ $first = 5 ] && [ $second != 5 ] && first=0
[ $second = 5 ] && [ $first = 0 ] && second=0
if [ $first != 0 ]; then
    echo "The tests that run alone failed (above, before the others)." >&2
    exit $first
fi
exit $second
