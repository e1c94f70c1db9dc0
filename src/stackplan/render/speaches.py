"""Target ``speaches``: what a container of Speaches needs beside the weights to take downloads for the hub's cache.

The hub's client finds a snapshot by the commit that ``refs/main`` holds, to the byte: no line break ends that file.
"""

from stackplan.plan import Plan
from stackplan.render.servers import SPEACHES, servers
from stackplan.render.service_arguments import is_downloaded, reference_file


def render(plan: Plan) -> dict[str, str]:
    """``speaches/SERVER/refs/main`` for each server whose weights are locked."""
    files = {}
    for server in servers(plan):
        artifact = plan.artifact(server.members[0].artifact)
        if server.engine == SPEACHES and is_downloaded(artifact):
            files[reference_file(server)] = artifact.revision
    return files
