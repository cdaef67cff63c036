"""The MCP server, as the console script ``agent-vault-mcp``: the same program as the one that is built with the command line.

``agent-vault-mcp --help`` has its flags, docs/mcp.md the rest.
"""

import os
import signal
import sys

from agent_vault._native import serve_mcp

__all__ = ["main"]


def main() -> int:
    """Serves on standard input and output until the input ends, or does what the arguments say; the exit code."""
    # Python would only note it, and go on waiting for the server to end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    script = os.path.abspath(sys.argv[0])
    return serve_mcp(sys.argv, script if os.access(script, os.X_OK) else None)
