"""The command line: one module per verb; the only place that prints and exits.

Exit codes, the same for every verb: 0 done or no change, 1 error, 2 differs, 3 no plan, 130 interrupted.
Data goes to stdout, the story to stderr.
"""

import gc
import os
import signal
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from stackplan.errors import ExitCode, UserError

if TYPE_CHECKING:
    import typer

_THREADS = "OPENBLAS_NUM_THREADS"

# The literal registry: verb -> what it does. A verb's module is imported only when it is called (or for --help).
VERBS: dict[str, str] = {
    "detect": "Show this machine as planning sees it.",
    "plan": "Find the best stack for a machine and say why.",
    "apply": "Plan, and write everything needed to run the stack.",
    "lock": "Pin every artifact of a plan: revision, files, checksums.",
    "download": "Fetch the weights of a planned stack.",
    "up": "Start the planned servers and wait until they answer.",
    "down": "Stop what `up` started.",
    "status": "Show what runs, what it holds and where it listens.",
    "prune": "List downloaded files that no lock needs.",
    "check": "Say what is no longer as it was planned.",
    "bench": "Measure how fast the running stack is.",
    "calibrate": "Keep what was measured for later plans.",
    "verify": "Ask the running stack and set it beside the plan.",
    "explain": "Show the runners-up of a role and what each would cost.",
    "diff": "Compare two plans.",
    "whatif": "Plan again with other hardware and show what changes.",
    "estimate": "Say what serving a model takes, byte by byte.",
    "inspect": "Read a GGUF's header safely.",
    "profiles": "List, show, check and save machine profiles.",
    "catalog": "List, show and check the models that can be planned.",
    "render": "Write files for a saved plan.",
    "route": "Show which role answers a task.",
    "pin": "Fix image digests on this machine.",
    "schema": "Print the JSON schema of what stackplan writes.",
}


def main() -> None:
    """Run the command line and exit with one of `ExitCode`."""
    # Planning makes millions of small values and hardly a cycle: looking for cycles took a fifth of the time (2026-11).
    gc.disable()
    code = run(sys.argv[1:])
    if code != ExitCode.INTERRUPTED:  # then all is done, and an interrupt could only change what is reported of it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # or Python looks for cycles once more when it ends, in all that a plan was made of: 80 ms
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; every ending is decided here."""
    if arguments in (["--version"], ["-V"]):
        from stackplan import __version__  # noqa: PLC0415

        print(f"stackplan {__version__}")
        return ExitCode.DONE
    from stackplan.class_code import kept_class_code  # noqa: PLC0415

    try:
        with kept_class_code(_verb(arguments) or "help"):
            known = _plain(arguments)
            return _call(arguments) if known is None else known
    except UserError as error:
        _tell(error)
        return ExitCode.ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # whoever read us has gone; nothing is left to flush
        return ExitCode.DONE


def _plain(arguments: list[str]) -> int | None:
    """Do at once what is asked in plain words; None for all that typer must read."""
    if arguments[:1] != ["plan"] or "--help" in arguments:
        return None
    read = _module("plain_words").plain_plan(arguments[1:])
    if read is None:
        return None
    asked, as_json = read
    return int(_module("planning").tell_plan(asked, as_json=as_json))


def _call(arguments: list[str]) -> int:
    import typer  # noqa: PLC0415  (51 ms that --version does not need)

    # typer exports one member of its family of usage errors; its base is the family.
    usage_error: type[Exception] = typer.BadParameter.__bases__[0]
    try:
        result = _application(arguments)(args=arguments, prog_name="stackplan", standalone_mode=False)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except usage_error as error:
        error.show()  # type: ignore[attr-defined]
        return ExitCode.ERROR
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _application(arguments: list[str]) -> "typer.Typer":
    import typer  # noqa: PLC0415

    application = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
    )
    application.callback()(_options)
    wanted = _verb(arguments)
    for verb in [wanted] if wanted else VERBS:
        _register(application, verb)
    return application


def _verb(arguments: list[str]) -> str | None:
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    return wanted if wanted in VERBS else None


def _options() -> None:
    """The best set of local models for a machine, proved to fit, and everything needed to run it.

    Exit codes: 0 done or no change, 1 error, 2 differs, 3 no plan, 130 interrupted.
    """


def _register(application: "typer.Typer", verb: str) -> None:
    module = _module(verb)
    if hasattr(module, "app"):
        application.add_typer(module.app, name=verb, help=VERBS[verb])
    else:
        application.command(verb, help=getattr(module, verb).__doc__)(getattr(module, verb))


def _module(name: str) -> ModuleType:
    """The module ``name`` of this package, imported.

    numpy, should it come along, starts no threads for products of matrices, which nothing here asks for: that takes
    20 ms, and 60 ms of a second core (2026-11). Programs that are started later see the user's own setting.
    """
    own = os.environ.get(_THREADS)
    os.environ[_THREADS] = own or "1"
    try:
        return import_module(f"stackplan.cli.{name}")
    finally:
        if own is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = own


def _tell(error: UserError) -> None:
    print(f"error[{error.slug}]: {error.message}", file=sys.stderr)
    print(f"hint: {error.hint}", file=sys.stderr)
