// Calls every tool of a server with the official client for Node; prints what it heard, as JSON.
//
// Arguments: the calls as JSON (a list of [tool, arguments]), then the server's program and its words.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [calls, command, ...args] = process.argv.slice(2);
const client = new Client({ name: "client.mjs", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command, args, env: { ...process.env }, stderr: "inherit" }));
const { tools } = await client.listTools();
const { resources } = await client.listResources();
const { prompts } = await client.listPrompts();
const answers = [];
for (const [name, wanted] of JSON.parse(calls)) {
  const result = await client.callTool({ name, arguments: wanted });
  answers.push({ text: result.content[0].text, isError: Boolean(result.isError) });
}
console.log(
  JSON.stringify({
    server: client.getServerVersion().name,
    tools: tools.map((tool) => tool.name),
    resources: resources.map((resource) => resource.uri),
    prompts: prompts.map((prompt) => prompt.name),
    answers,
  }),
);
await client.close();
