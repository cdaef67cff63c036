"""Calls every tool of a server with the official client for Python; prints what it heard, as JSON.

Arguments: the calls as JSON (a list of [tool, arguments]), then the server's program and its words.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    calls, program, words = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]
    server = StdioServerParameters(command=program, args=words, env=dict(os.environ))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        tools = (await session.list_tools()).tools
        resources = (await session.list_resources()).resources
        prompts = (await session.list_prompts()).prompts
        answers = []
        for name, arguments in calls:
            result = await session.call_tool(name, arguments)
            dumped = result.model_dump(mode="json", by_alias=True)
            answers.append({"text": result.content[0].text, "isError": bool(dumped.get("isError"))})
    heard = {
        "server": (hello.model_dump(mode="json", by_alias=True))["serverInfo"]["name"],
        "tools": [tool.name for tool in tools],
        "resources": [str(resource.uri) for resource in resources],
        "prompts": [prompt.name for prompt in prompts],
        "answers": answers,
    }
    print(json.dumps(heard))


asyncio.run(main())
