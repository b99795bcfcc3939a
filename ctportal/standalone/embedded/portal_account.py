"""Whom a command works as, so that the portal can read what the command writes."""

import os

from ctportal.standalone.embedded.account import out_of_reach
from ctportal.standalone.embedded.home import PRIVATE, home_account
from ctportal.standalone.embedded.paths import portal_home


def act_as_owner() -> None:
    """Root becomes the owner of an existing home, where that account can run the code; nobody else reads the files."""
    os.umask(PRIVATE)
    home = portal_home()
    if os.geteuid() == 0 and home.exists() and home.stat().st_uid != 0 and not out_of_reach(home):
        home_account(home).become(home)
