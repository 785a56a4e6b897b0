"""The chain's command line.

python -m examples.chain qualify session-9     # prints the link of the person
python -m examples.chain deliver ID 1          # the 1st box for each eye; repeated, it counts once
"""

import argparse
import inspect
import sys

import grpc

from examples.chain import exam, glasses, lenses

STEPS = {
    step.__name__: step
    for step in (
        exam.qualify,
        exam.examine,
        exam.pay,
        exam.approve,
        glasses.draft,
        glasses.submit,
        glasses.ship,
        glasses.track,
        glasses.announce,
        lenses.subscribe,
        lenses.settle,
        lenses.deliver,
    )
}


def main() -> None:
    """Read the command line, and print what the step returns."""
    parser = argparse.ArgumentParser(prog="examples.chain")
    steps = parser.add_subparsers(dest="step", required=True)
    for name, step in STEPS.items():
        words = steps.add_parser(name, help=(step.__doc__ or "").partition("\n")[0])
        for parameter in inspect.signature(step).parameters:
            words.add_argument(parameter)
    given = vars(parser.parse_args())
    step = STEPS[given.pop("step")]
    try:
        print(*step(**given), sep="\n")
    except grpc.RpcError as error:
        refused: grpc.Call = error  # type: ignore[assignment]  # grpcio raises calls as errors
        sys.exit(f"{refused.code().name}: {refused.details()}")


if __name__ == "__main__":
    main()
