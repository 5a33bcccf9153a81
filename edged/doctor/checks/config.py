"""Whether `edged.toml` is right: every error at once, and what a person should know.

Data: path, problem or warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.config import missing_files, warnings
from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup


def look(_host: Host, setup: Setup) -> Iterator[Finding]:
    """One finding an error; warnings are those of `edged config check`."""
    path = str(setup.path)
    if setup.state == "absent":
        yield Finding(
            "config.absent",
            "note",
            "there is no configuration yet; the rest is looked at as a new one would be",
            path,
            cure=(f"edged config init {path}",),
            data={"path": path},
        )
        return
    for problem in setup.problems:
        yield Finding(
            "config.error",
            "fail",
            problem.removeprefix(f"{path}: "),
            path,
            cure=(f"edged config check {path}",) if problem == setup.problems[-1] else (),
            data={"path": path, "problem": problem},
        )
    if setup.state == "invalid":
        return
    for problem in missing_files(setup.config):
        yield Finding(
            "config.file",
            "warn" if "CREDENTIALS_DIRECTORY" in problem else "fail",
            problem,
            path,
            advice="Under its unit the file may be there."
            if "CREDENTIALS_DIRECTORY" in problem
            else "",
            data={"path": path, "problem": problem},
        )
    for warning in warnings(setup.config):
        yield Finding(
            "config.warning", "note", warning, path, data={"path": path, "warning": warning}
        )
    if not missing_files(setup.config):
        yield Finding("config.valid", "ok", f"{path} is right", data={"path": path})


CHECK = Check("config", "configuration", "edged.toml and the files that it names", look)
