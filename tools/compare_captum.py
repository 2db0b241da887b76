"""Compares explaind with PyTorch, Captum and ONNX Runtime on this machine, and writes it down.

    pip install -r tools/requirements-benchmark.txt
    python tools/compare_captum.py --output docs/performance

The sides run in turns, each in a process of its own, and what is told are ratios of medians. It
takes hours on two cores, which should have nothing else to do; `--tokens`, `--base-tokens` and
`--seconds` make it shorter, and `--quick` tries everything in a few minutes.
"""

import argparse
import importlib.util
import shutil
import signal
import sys
from pathlib import Path

REQUIREMENTS = "tools/requirements-benchmark.txt"
MODULES = (
    "captum",
    "fastapi",
    "matplotlib",
    "onnxruntime",
    "onnxscript",
    "torch",
    "transformers",
    "uvicorn",
)
SECTIONS = ("compute", "growth", "http", "cached")


def main() -> None:
    arguments = parse_arguments()
    require(arguments.document, render_only=arguments.render_only, sections=arguments.only)
    # Processes are ended on the way out, which a signal alone would not take.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit("stopped"))

    from benchmark.document import render
    from benchmark.plots import draw

    if not arguments.render_only:
        from benchmark.sections import measure

        measure(arguments)
    draw(arguments.output)
    render(arguments.output, arguments.document)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, help="directory that gets results.json and the plots")
    add("--document", type=Path, help="where the tables go [default: the output's name with .md]")
    add("--quick", action="store_true", help="try everything, measure nothing well")
    add("--only", nargs="+", choices=SECTIONS, default=SECTIONS, help="the other sections stay")
    add("--tokens", type=int, nargs="+", metavar="N", help="lengths for the bundled model")
    add("--base-tokens", type=int, nargs="+", metavar="N", help="lengths for the BERT-base shape")
    add("--seconds", type=float, metavar="S", help="about how long a case may take")
    add("--load-rounds", type=int, metavar="N", help="how often each server is loaded")
    add("--render-only", action="store_true", help="tables and plots from the results there are")
    add("--explaind", type=Path, help="the server's binary [default: cargo builds it]")
    add("--measure", type=Path, help="the example's binary [default: cargo builds it]")
    default = Path.home() / ".cache" / "explaind-benchmark"
    add(
        "--cache", type=Path, default=default, help=f"for models that are made [default: {default}]"
    )
    arguments = parser.parse_args()
    arguments.document = arguments.document or arguments.output.with_suffix(".md")
    return arguments


def require(document: Path, *, render_only: bool, sections: list[str]) -> None:
    """Says what is missing before anything is measured."""
    if not document.is_file():
        sys.exit(f"there is no document {document} to write the tables into")
    modules = ("matplotlib",) if render_only else MODULES
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"{', '.join(missing)} missing: pip install -r {REQUIREMENTS}")
    if render_only:
        return
    if sys.platform != "linux":
        sys.exit("this reads /proc, which only Linux has")
    programs = ("wrk", "taskset") if {"http", "cached"} & set(sections) else ()
    for program in programs:
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: on Debian, apt-get install wrk util-linux")


if __name__ == "__main__":
    main()
