"""A command without its extra says what to install, in a process that cannot import the extra's packages."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in {names}:
    sys.modules[name] = None
from {module} import main
sys.exit(main({arguments}))
"""


@pytest.mark.parametrize(
    ("module", "names", "arguments", "extra"),
    [
        ("query_server.cli", ["pydantic", "pydantic_settings"], ["serve"], "dowser-al[server]"),
        (
            "query_server.cli",
            ["faiss"],
            ["index", "build", "--bundle", "b", "--pool", "p", "--out", "o"],
            "dowser-al[server]",
        ),
        (
            "query_server.cli",
            ["opentelemetry"],
            ["serve", "--bundle", "b", "--index", "i", "--otlp-endpoint", "http://127.0.0.1:4317"],
            "dowser-al[tracing]",
        ),
        (
            "query_server.cli",
            ["ray"],
            ["index", "build", "--bundle", "b", "--pool", "p", "--out", "o", "--engine", "ray"],
            "dowser-al[ray]",
        ),
        (
            "query_server.cli",
            ["ray"],
            ["score", "--bundle", "b", "--index", "i", "--classifier", "c", "--out", "o", "--engine", "ray"],
            "dowser-al[ray]",
        ),
        ("trainer.cli", ["torch"], ["train", "--data", "d", "--out", "o"], "dowser-al[trainer]"),
    ],
)
def test_a_missing_extra_is_named_without_a_traceback(module, names, arguments, extra):
    script = WITHOUT.format(names=names, module=module, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert extra in done.stderr
    assert names[0] in done.stderr
    assert "Traceback" not in done.stderr
