"""Pages of the site as headless Chromium lays them out."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

# It asks nothing of other hosts; as root it must do without its sandbox.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)

# Milliseconds of the browser's own time, which stands still while it loads something.
BUDGET = 120_000
LIMIT = 300

# Chromium makes no window narrower than 500 pixels; a frame can have any width.
MEASURE = """<!doctype html>
<title>measure</title>
<pre id="measured"></pre>
<script>
const found = [];
async function measure(page, width) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.style.height = "900px";
  frame.style.border = "0";
  const loaded = new Promise(resolve => { frame.onload = resolve; });
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const root = frame.contentDocument.documentElement;
  const wide = [];
  if (root.scrollWidth > width) {
    for (const element of frame.contentDocument.querySelectorAll("article *")) {
      const box = element.getBoundingClientRect();
      if (box.right > width + 1) wide.push(element.tagName + "." + element.className);
    }
  }
  const pages = frame.contentDocument.querySelectorAll("article").length;
  found.push({page, width, pages, wide, taken: root.scrollWidth});
  frame.remove();
}
(async () => {
  for (const width of WIDTHS) for (const page of PAGES) await measure(page, width);
  document.getElementById("measured").textContent = JSON.stringify(found);
})();
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def layout(site: Path, pages: Sequence[str], widths: Sequence[int]) -> list[dict[str, Any]]:
    """Return, for each page and width, how wide the page is and which elements stick out."""
    assert CHROMIUM
    script = MEASURE.replace("WIDTHS", json.dumps(widths)).replace("PAGES", json.dumps(pages))
    (site / "measure.html").write_text(script, "utf-8")
    with _served(site) as url, tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [CHROMIUM, *ARGUMENTS, f"--user-data-dir={profile}", "--window-size=1400,1000"]
        command += [f"--virtual-time-budget={BUDGET}", "--dump-dom", f"{url}/measure.html"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    (site / "measure.html").unlink()
    measured = re.search(r'<pre id="measured">(.+?)</pre>', done.stdout, re.DOTALL)
    assert measured, done.stdout[-2000:] + done.stderr[-2000:]
    return list(json.loads(html.unescape(measured[1])))
