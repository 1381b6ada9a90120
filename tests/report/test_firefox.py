"""The pages in headless Firefox, opened from the disk. Firefox prints no page: what the page saw is
sent to a server of the test."""

import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest

from report.test_browser import PROBE

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
pytestmark = pytest.mark.skipif(FIREFOX is None, reason="No Firefox is installed here.")

# No network, and nothing that Firefox asks for by itself.
SETTINGS = """
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("app.update.enabled", false);
"""
ERRORS = """<script>
const problems = [];
addEventListener("error", (event) => problems.push(event.message));
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
console.error = console.warn = (...words) => problems.push(words.join(" "));
</script>"""
TELL = """
  told.problems = problems;
  fetch("http://127.0.0.1:PORT/", { method: "POST", mode: "no-cors", body: JSON.stringify(told) });
"""


@pytest.fixture
def told():
    """What a page tells, and the port where it does."""
    heard: Queue = Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield heard, server.server_address[1]
    server.shutdown()


@pytest.fixture
def firefox(site, tmp_path, told):
    def run(page, steps):
        heard, port = told
        end = 'one("#probe").textContent'
        probe = PROBE.replace(end, TELL.replace("PORT", str(port)) + end).replace("STEPS", steps)
        html = site.html[page].replace("<head>", f"<head>{ERRORS}", 1)
        path = site.out / f"probe-{tmp_path.name}.html"
        path.write_text(html.replace("</body>", probe + "</body>"), encoding="utf-8")
        profile = tmp_path / "profile"
        profile.mkdir()
        (profile / "user.js").write_text(SETTINGS)
        command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), path.as_uri()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as it:
            try:
                found = heard.get(timeout=120)
                assert "error" not in found, found["error"]
                return found
            finally:
                it.terminate()
                path.unlink()

    return run


def test_a_model_page_draws_its_figures_and_opens_a_map(firefox):
    found = firefox(
        "dec",
        """
      told.figures = document.querySelectorAll(".chart.drawn svg").length;
      document.querySelectorAll("#layers button")[1].click();
      await until(() => one(".readout").textContent.startsWith("layer 1:"));
      told.open = one("dialog").open;
      press(one("dialog"), "ArrowRight");
      await until(() => one(".readout").textContent.startsWith("layer 2:"));
      one("dialog").close();
      one("details.data summary").click();
      await until(() => one("details.data table"));
      told.rows = one("details.data table").rows.length;
    """,
    )
    assert found["figures"] == 8
    assert found["open"]
    assert found["rows"] > 3
    assert found["problems"] == []


def test_the_front_page_is_whole_and_silent(firefox):
    found = firefox(
        "index",
        """
      told.bars = document.querySelectorAll(".bars a").length;
      told.height = one(".bars").getBoundingClientRect().height;
      one(".term button").focus();
      const tip = one(".term [role=tooltip]");
      told.explained = getComputedStyle(tip).display;
      told.width = document.documentElement.scrollWidth - innerWidth;
    """,
    )
    assert found["bars"] == 7  # layers of both models
    assert found["height"] > 20
    assert found["explained"] == "block"
    assert found["width"] <= 0
    assert found["problems"] == []
