import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ctportal.settings")
os.environ["CTPORTAL_PROCESS"] = "web"  # the settings limit the time of its statements
application = get_wsgi_application()
