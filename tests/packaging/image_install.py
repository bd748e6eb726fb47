"""The Dockerfile's RUN steps for real, below a folder of this machine: `make test-image`. Needs packages; minutes.

Not collected by itself, because it downloads. It runs on this machine's Python, which need not be the image's.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools.image import Ignored, Stage, command, lay_out


def test_every_step_of_the_image_runs_and_its_entry_point_starts(
    stages: list[Stage], ignored: Ignored, context: Path, tmp_path: Path
) -> None:
    lay_out(stages, context=context, ignored=ignored, root=tmp_path)
    for stage in stages:
        for text in stage.all("RUN"):
            if text.startswith("apt-get "):
                continue  # this machine's own libraries stand in for the distribution's
            arguments = command(text, python=str(Path(sys.base_prefix) / "bin" / "python3"), root=tmp_path)
            environment = {**os.environ, **stage.environment}
            environment.pop("PIP_NO_CACHE_DIR", None)  # only saves space in a layer
            subprocess.run(arguments, env=environment, cwd=tmp_path, check=True)
    last = stages[-1]
    done = subprocess.run(
        [str(tmp_path / "opt/forescale/bin/python"), *last.listed("ENTRYPOINT")[1:], "settings"],
        cwd=tmp_path / last.last("WORKDIR").lstrip("/"),
        env=last.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "FORESCALE_PORT" in done.stdout
