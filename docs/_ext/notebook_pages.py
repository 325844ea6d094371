"""The notebooks of the repository as pages of the site.

What it is: they are copied to `docs/notebooks/` when the site is built (`.gitignore` has that
folder), since Sphinx reads nothing outside `docs/`.  Links in the documents lead to the originals,
as they must where the repository is read; here they are made to lead to the pages.
"""

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "notebooks"
LINK = re.compile(r"\]\((?:\.\./)+notebooks/")


def copy_notebooks(app: Any) -> None:
    """Copy what has changed, and leave nothing else."""
    PAGES.mkdir(exist_ok=True)
    notebooks = {path.name: path for path in (ROOT / "notebooks").glob("*.ipynb")}
    for old in PAGES.iterdir():
        if old.name not in notebooks:
            old.unlink()
    for name, notebook in notebooks.items():
        shutil.copyfile(notebook, PAGES / name)


def lead_to_pages(app: Any, name: str, source: list[str]) -> None:
    """Links to a notebook, and those of a notebook to a document, as links to their pages."""
    source[0] = LINK.sub("](/notebooks/", source[0]).replace("](../docs/", "](/")


def setup(app: Any) -> dict[str, bool]:
    """What Sphinx calls."""
    app.connect("builder-inited", copy_notebooks)
    app.connect("source-read", lead_to_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
