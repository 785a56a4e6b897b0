"""The long form of fuzzing: `python -m tests.fuzz [--seconds 60] [--cases 20000] [target ...]`.

The target `documents` is schemathesis over the three APIs, until it has tried as many cases.
`examples` is every test that takes FUZZ_EXAMPLES, with many times those of a run of the tests. Each
other one runs in a process of its own under atheris, guided by coverage, from the good inputs
and those that earlier runs have found in `.fuzz`; a crash is kept there, with its input. Where
atheris does not install, hypothesis mutates the good inputs for as long.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path(".fuzz")
MAX_INPUT_BYTES = 8192
DOCUMENTS, EXAMPLES = "documents", "examples"
EXAMPLES_OF_EACH = 100
WITH_EXAMPLES = (
    "tests/test_any_value.py",
    "tests/test_every_rpc.py",
    "tests/gateway/test_orders_any_value.py",
    "tests/gateway/test_orders_fhir.py",
    "tests/gateway/test_subscriptions_any_value.py",
    "tests/gateway/channel/test_hostile.py",
    "tests/chassis/test_fast_path_of_services.py",
    "tests/sessions_svc/test_journeys.py",
    "tests/subscriptions_svc/rpcs/test_available_actions.py",
)


def main() -> int:
    """Fuzz each target; returns 1 if one has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of each other target")
    parser.add_argument("--cases", type=int, default=20_000, help="of documents, at least")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*")
    told = parser.parse_args()
    if told.inside and told.targets == [DOCUMENTS]:
        return run_documents(told.cases)
    if told.inside and told.targets == [EXAMPLES]:
        return run_examples(EXAMPLES_OF_EACH, WITH_EXAMPLES)
    if told.inside:
        return run_target(told.targets[0], told.seconds)
    failed = []
    for name in told.targets or ("reader", "tracing", "frames", "connection", DOCUMENTS, EXAMPLES):
        words = [sys.executable, "-m", "tests.fuzz", "--inside", "--seconds", str(told.seconds)]
        words += ["--cases", str(told.cases)]
        begun = time.monotonic()
        done = subprocess.run([*words, name], check=False)
        print(f"{name}: exit code {done.returncode}, {time.monotonic() - begun:.0f} s", flush=True)
        if done.returncode:
            failed.append(name)
    return 1 if failed else 0


def run_documents(cases: int) -> int:
    """Try the documents of the three APIs in rounds, each with other values."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LOG_DIR"] = folder
        from tests.fuzz.documents import try_documents

        return try_documents(Path(folder), cases)


def run_target(name: str, seconds: int) -> int:
    """Fuzz one target in this process."""
    if find_spec("atheris") is None:
        return run_hypothesis(name, seconds)
    import atheris

    with atheris.instrument_imports(include=["chassis", "gateway.channel", "orders_svc.rules"]):
        from tests.fuzz.targets import TARGETS, list_seeds
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(list_seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_INPUT_BYTES}",
        f"-artifact_prefix={FOLDER}/{name}-",
        "-print_final_stats=1",
        "-rss_limit_mb=2048",
        "-timeout=20",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()
    return 0


def run_hypothesis(name: str, seconds: int) -> int:
    """Run the short form again and again, each time with other inputs."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        rounds += 1
        if code := run_examples(2000, ("tests/fuzz", "-k", name)):
            return code
    print(f"{name}: {rounds} rounds of 2,000 inputs, without atheris")
    return 0


def run_examples(count: int, words: Sequence[str]) -> int:
    """Run tests with as many examples for each; return the exit code."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--timeout", "3600"]
    environment = {**os.environ, "FUZZ_EXAMPLES": str(count)}
    return subprocess.run([*command, *words], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
