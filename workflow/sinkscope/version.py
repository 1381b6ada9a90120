"""Versions, as results record them: of this repository, and of installed packages."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from urllib.parse import urlsplit

SCP = re.compile(r"^[\w.-]+@([\w.-]+):([\w./~-]+)$")  # git@HOST:OWNER/NAME, as ssh writes it


def commit(repository: Path) -> str:
    """Commit of the clone, followed by `-dirty` if tracked files differ from it.

    For an installed package, which is not a clone: its version. "unknown" if git cannot be run.
    """
    if not (repository / ".git").exists():  # the package may lie inside another repository
        number = installed("sinkscope")
        return f"sinkscope {number}" if number else "unknown"
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def repository(clone: Path) -> str | None:
    """Web page of the repository that this clone was made from, git's remote `origin`; None if
    there is none."""
    if not (clone / ".git").exists():
        return None
    command = ["git", "-C", str(clone), "remote", "get-url", "origin"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return web_page(result.stdout.strip())


def web_page(remote: str) -> str | None:
    """Web page of a remote repository, without the name and password that its address may hold;
    None for a folder, and for a host that only this machine knows by its name."""
    parts = urlsplit(SCP.sub(r"ssh://\1/\2", remote))
    is_web = parts.scheme in ("http", "https")
    if not (is_web or parts.scheme in ("ssh", "git")) or "." not in (parts.hostname or ""):
        return None
    scheme, port = (parts.scheme, parts.port) if is_web else ("https", None)
    host = f"{parts.hostname}:{port}" if port else parts.hostname
    return f"{scheme}://{host}{parts.path.rstrip('/').removesuffix('.git')}"


def installed(package: str) -> str | None:
    """Version of an installed distribution; None if there is none of that name."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Version of every installed distribution, by name."""
    versions: dict[str, str] = {}
    for one in distributions():  # the first of a name is the one that is imported
        versions.setdefault(one.metadata["Name"], one.version)
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))
