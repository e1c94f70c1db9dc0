"""Runs in the validators' environment: a grammar reads PowerShell scripts; prints the first mistake of each."""

import sys
from pathlib import Path

from tree_sitter_language_pack import get_parser


def mistakes(node: object) -> list[str]:
    found = [f"line {node.start_point[0] + 1}: {node.text[:60]!r}"] if node.type == "ERROR" or node.is_missing else []
    return found + [mistake for child in node.children for mistake in mistakes(child)]


if __name__ == "__main__":
    parser = get_parser("powershell")
    wrong = [mistake for path in sys.argv[1:] for mistake in mistakes(parser.parse(Path(path).read_bytes()).root_node)]
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
