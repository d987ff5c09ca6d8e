"""Write the parts of the README and the pages that are made from the code.

python docs/tools/write.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import failures  # noqa: E402
import made  # noqa: E402
import parity  # noqa: E402

BEGIN, END = "<!-- options: made from options.py -->", "<!-- end of options -->"


def readme() -> str:
    """Return the README with its table of options as it should be."""
    text = (ROOT / "README.md").read_text("utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    replacement = f"{BEGIN}\n\n{made.short_options()}\n{END}"
    return pattern.sub(lambda _: replacement, text)


def pages() -> dict[Path, str]:
    """Return every file that is written, with its content."""
    return {
        ROOT / "README.md": readme(),
        ROOT / "docs" / "failures.md": failures.page(),
        ROOT / "docs" / "reference" / "parity.md": parity.page(),
        ROOT / "tests" / "parity" / "README.md": parity.readme(),
    }


def main() -> None:
    """Write them."""
    for path, content in pages().items():
        path.write_text(content, "utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
