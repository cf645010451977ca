"""A service of Open edX with the example's receiver; runs in the environment that `tests/openedx/venv` makes.

Arguments: bootstrap servers, URL of the registry, topic prefix, consumer group, the file of the list.
"""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from tests.openedx.services import configure

configure(["kafka", *sys.argv[1:4]], service="holders")
settings.HOLDERS = sys.argv[5]
sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples"))
__import__("holders_of_openedx")
call_command("consume_events", topic=["learning-badges-lifecycle"], group_id=[sys.argv[4]])
