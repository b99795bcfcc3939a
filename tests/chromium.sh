#!/bin/sh
# See that a Chromium is there for the browser tests; without one they are skipped, and say so.
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    command -v "$name" > /dev/null && exit 0
done
[ -n "${CHROMIUM:-}" ] && [ -x "$CHROMIUM" ] && exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
    if command -v sudo > /dev/null && sudo -n true 2> /dev/null; then as_root="sudo -n"; else as_root=no; fi
fi
if [ "$as_root" != no ] && command -v apt-get > /dev/null; then
    echo "Installing Chromium for the browser tests ..."
    # shellcheck disable=SC2086 # empty for root
    if $as_root apt-get update -qq > /dev/null 2>&1 \
        && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y --no-install-recommends chromium > /dev/null 2>&1; then
        exit 0
    fi
fi
cat >&2 << 'END'
***************************************************************************************************
*** NO CHROMIUM: it is not installed and apt could not install it. THE BROWSER TESTS ARE SKIPPED. ***
*** Install Chromium, or name one: CHROMIUM=/path/to/chromium make test                            ***
***************************************************************************************************
END
exit 0
