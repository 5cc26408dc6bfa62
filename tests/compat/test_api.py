"""`atlas_email.api.app`: the web interface under the original's name."""

import os
import subprocess
import sys

import webrig  # skips where the extra web is absent

PROGRAM = """
import warnings
warnings.simplefilter("ignore")
import atlas_fast.drop_in
import atlas_email.api.app as module
import os
assert not os.path.exists("data")  # an import makes nothing
from atlas_email.api.app import app
from starlette.testclient import TestClient
visitor = TestClient(app, base_url="http://localhost")
assert visitor.get("/api/feedback/stats").json()["stats"]["total_feedback"] == 0
from atlas_email.models.database import db
db.store_user_feedback("1", "correct", "Phishing")
assert app is module.app
app.state.site.reader.forget()
assert visitor.get("/api/feedback/stats").json()["stats"]["total_feedback"] == 1
try:
    module.nothing
except AttributeError:
    print("sound")
"""


def test_the_app_of_the_original(tmp_path):
    assert webrig.create_app
    places = os.pathsep.join(os.path.abspath(place) for place in sys.path if place)
    env = {name: value for name, value in os.environ.items() if name != "ATLAS_EMAIL_DB_PATH"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=env | {"PYTHONPATH": places},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "sound\n", done.stderr
    assert (tmp_path / "data" / "mail_filter.db").exists()
