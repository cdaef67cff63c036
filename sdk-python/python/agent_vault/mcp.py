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
    # Python would only note it, and go on waiting for the server to end. Where whoever started this ignores it, so do we.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return serve_mcp(sys.argv, _script())


def _script() -> str | None:
    """The script's own file; on Windows its name is told without the ending."""
    named = os.path.abspath(sys.argv[0])
    files = (file for file in (named, f"{named}.exe") if os.path.isfile(file) and os.access(file, os.X_OK))
    return next(files, None)


if __name__ == "__main__":
    sys.exit(main())
