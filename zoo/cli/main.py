"""The command line: a lazy group with one file per command, and one place that prints errors.

Only the command that is called is imported, so that `zoo --help` and shell completion import nothing else.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import click

from zoo.errors import TrackerWarning, ZooError
from zoo.plugins.blocking import VARIABLE
from zoo.runtime import tracing
from zoo.runtime.threads import ENVIRONMENT
from zoo.version import __version__

# Name -> help line, in the order of the help: commands that find plugins, then those that use them.
COMMANDS = {
    "list": "List installed and available models.",
    "info": "Show the card of a model with all its settings, of any other plugin, or of a run.",
    "plugins": "List all plugins with their state.",
    "doctor": "Load each plugin in a separate process and report broken ones.",
    "search": "Search the catalogue of plugins.",
    "install": "Install a plugin after showing what would change.",
    "uninstall": "Remove a plugin and dependencies that nothing else needs.",
    "sync": "Reinstall plugins missing after an upgrade.",
    "new": "Create a working model plugin to start from.",
    "check": "Run the conformance checks on a model plugin.",
    "data": "List data sets, show one, or download its files.",
    "train": "Train one model and write a run folder.",
    "sample": "Generate examples with a trained model.",
    "encode": "Encode data with a trained model.",
    "score": "Score data with a trained model.",
    "decode": "Decode codes with a trained model.",
    "evaluate": "Measure how well a run, or a file of samples, generates.",
    "compare": "Train contestants and compare how well each generates.",
    "tune": "Choose settings of contestants on the validation split.",
    "plot": "Draw a run or comparison: curves, samples, reconstructions, interpolation, codes.",
    "explore": "Explore the codes of trained models on a local page.",
    "report": "Rebuild the report of a finished comparison.",
    "runs": "List runs and comparisons with their results.",
    "diff": "Show which settings and figures of two runs or comparisons differ.",
    "merge": "Merge comparisons into one table.",
    "leaderboard": "Write the results of many comparisons as one page.",
    "export": "Write a trained model as ONNX or torch.export programs.",
    "push": "Write a trained model to a hub, a folder or an address.",
}


# Commands that load no plugins in this process, so that broken plugins can be found, removed and replaced.
_MANAGEMENT = ("doctor", "plugins", "search", "install", "uninstall", "sync")


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"zoo.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from zoo.errors import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(f"No command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        items = [CompletionItem(name, help=line) for name, line in COMMANDS.items() if name.startswith(incomplete)]
        return items + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="zoo")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.option(
    "-p",
    "blocked",
    multiple=True,
    metavar="no:NAME",
    help="Do not import this plugin; repeatable. no:all leaves only the core.",
)
@click.option("--trace-hooks", is_flag=True, help="Print which hooks were called, how often, and for how long.")
@click.option("--no-extensions", is_flag=True, help="Disable installed extensions, which wrap the models' hooks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool, blocked: tuple[str, ...], trace_hooks: bool, no_extensions: bool) -> None:
    """Train generative models and compare how well each one generates.

    Example: zoo compare rbm ae@gmm vae --data digits
    """
    if wrong := [name for name in blocked if not name.startswith("no:")]:
        raise click.UsageError(f"-p takes no:NAME, got {wrong[0]!r}.")
    if blocked:
        names = [os.environ.get(VARIABLE, ""), *(name.removeprefix("no:") for name in blocked)]
        os.environ[VARIABLE] = ",".join(filter(None, names))  # child processes too
    if trace_hooks:
        os.environ[tracing.VARIABLE] = "1"  # child processes too: a cell's table is in its output.log
        ctx.call_on_close(lambda: click.echo("\n".join(tracing.summary()), err=True))
    if no_extensions:
        os.environ["ZOO_NO_EXTENSIONS"] = "1"
    if os.environ.get("ZOO_STRICT") and ctx.invoked_subcommand not in _MANAGEMENT:
        from zoo.api import default

        default.verify()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 some cells failed, 2 wrong usage, 3 plugin, 4 data, 5 checkpoint, 6 diverged, 130 interrupted.
    """
    os.environ.update({key: os.environ.get(key, value) for key, value in ENVIRONMENT.items()})
    _open_streams()
    warnings.formatwarning = _format_warning
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; every expected error is printed here and nowhere else."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(words, prog_name="zoo", standalone_mode=False)
    except ZooError as error:
        if "--debug" in words:
            traceback.print_exc()
            for note in getattr(error, "__notes__", []):
                click.echo(note, err=True)
        if "--json" in words:
            _print_error(type(error).__name__, str(error), error.exit_code)
        else:
            click.echo(f"Error: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        if "--json" in words:
            _print_error(type(error).__name__, error.format_message(), error.exit_code)
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        interrupted = error.__cause__ if isinstance(error, click.Abort) else error  # click wraps a KeyboardInterrupt
        click.echo(str(interrupted or "") or "Interrupted.", err=True)
        return getattr(interrupted, "exit_code", 130)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):  # torch's message
            raise
        if "--debug" in words:
            traceback.print_exc()
        click.echo("Error: Out of memory; use a smaller model or fewer examples.", err=True)
        return 1
    except OSError as error:  # standard output cannot be written, or its reader has exited
        if "--debug" in words:
            traceback.print_exc()
        if not isinstance(error, BrokenPipeError):
            click.echo(f"Error: {error}.", err=True)
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0


def _print_error(kind: str, message: str, code: int) -> None:
    """Print an error as JSON to standard output, where a program that asked for JSON reads."""
    click.echo(json.dumps({"error": {"kind": kind, "message": message, "exit_code": code}}, indent=2))


_standard_format = warnings.formatwarning


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Return a warning about a tracker as one sentence, and any other as Python does."""
    if issubclass(category, TrackerWarning):
        return f"Warning: {message}\n"
    return _standard_format(message, category, filename, lineno, line)


def _open_streams() -> None:
    """Make standard streams accept any text: unencodable characters become `?`, closed streams drop it."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (open until the process ends)
        else:
            stream.reconfigure(errors="replace")
