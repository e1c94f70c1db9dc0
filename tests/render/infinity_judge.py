"""Runs in Infinity's environment: its own parser reads the words after ``infinity_emb``; nothing is started."""

import json
import sys

import click
import typer.main
from infinity_emb import cli

if __name__ == "__main__":
    group = typer.main.get_command(cli.tp)
    name, *words = sys.argv[1:]
    command = group.commands[name]
    try:
        context = command.make_context(name, words)
    except click.ClickException as error:
        sys.exit(error.format_message())
    print(json.dumps({key: str(value) for key, value in context.params.items()}))
