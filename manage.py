#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    from ctportal.standalone.embedded.portal_account import act_as_owner

    act_as_owner()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
