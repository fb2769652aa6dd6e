// Runs a Node.js handler in a separate process. The protocol is that of python_runner.py: requests as lines of JSON on
// standard input, answers as lines of JSON on the file descriptor in the command line.
"use strict";

const fs = require("fs");
const path = require("path");
const querystring = require("querystring");
const readline = require("readline");
const { pathToFileURL } = require("url");

const [fd, entrypoint] = [Number(process.argv[2]), process.argv[3]];

function send(answer) {
  const line = Buffer.from(JSON.stringify(answer) + "\n");
  for (let at = 0; at < line.length; ) at += fs.writeSync(fd, line, at);
}

function failure(error) {
  const known = error instanceof Error;
  const frames = known ? String(error.stack).split("\n").slice(1).map((frame) => frame.trim()) : [];
  const stack = frames.filter((frame) => !frame.includes(__filename) && !frame.includes("node:internal"));
  return { error: { message: known ? error.message : String(error), type: known ? error.name : typeof error, stack } };
}

async function load() {
  const dot = entrypoint.lastIndexOf(".");
  const [file, name] = [path.join(process.cwd(), entrypoint.slice(0, dot)), entrypoint.slice(dot + 1)];
  const files = [".js", ".mjs", ".cjs"].map((end) => file + end);
  const found = files.find((one) => fs.existsSync(one));
  if (found === undefined) throw new Error(`Cannot find module ${entrypoint.slice(0, dot)}`);
  const loaded = await import(pathToFileURL(found).href);
  const handler = loaded[name] ?? (loaded.default ?? {})[name];
  if (typeof handler !== "function") throw new TypeError(`${name} is not a function of ${path.basename(found)}`);
  return handler;
}

function eventOf(raw) {
  try {
    return JSON.parse(raw.toString());
  } catch {
    return raw.toString();
  }
}

function contextOf(fields, event) {
  const endsAt = Date.now() + fields.timeout_s * 1000;
  return {
    functionName: fields.function_name,
    functionVersion: fields.function_version,
    functionFolderId: fields.function_folder_id,
    memoryLimitInMB: fields.memory_limit_in_mb,
    requestId: fields.request_id,
    token: fields.token,
    getRemainingTimeInMillis: () => Math.max(0, endsAt - Date.now()),
    getPayload() {
      const headers = event.headers ?? {};
      const named = Object.keys(headers).find((name) => name.toLowerCase() === "content-type");
      const type = named === undefined ? "" : headers[named];
      const body = event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body;
      if (type.startsWith("application/json")) return JSON.parse(body);
      return type.startsWith("application/x-www-form-urlencoded") ? querystring.parse(body) : body;
    },
  };
}

async function main() {
  let handler;
  try {
    handler = await load();
  } catch (error) {
    send(failure(error));
    process.exit(1);
  }
  let isCalled = false;
  process.on("uncaughtException", (error) => {
    // Between calls nothing waits for an answer: the next call would take it for its own.
    if (isCalled) send(failure(error));
    else console.error(error);
    process.exit(1);
  });
  send({ ready: true });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    isCalled = true;
    try {
      const event = eventOf(Buffer.from(request.event, "base64"));
      const result = await handler(event, contextOf(request.context, event));
      send({ result: Buffer.from(JSON.stringify(result ?? null)).toString("base64") });
    } catch (error) {
      send(failure(error));
    }
    isCalled = false;
  }
  process.exit(0);
}

main();
