"use strict";
/* Requests to the program that served this page. The token is in the fragment of the address, which is not sent. It is
   kept for this tab only, and removed from the address, so that it is in no history and no screenshot. */

/* Takes the token out of the address. Returns whether there was one. */
const takeToken = () => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return false;
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
};
takeToken();
const TOKEN = sessionStorage.getItem("token") || "";

const NO_TOKEN = { error: "this page does not have the token of the running program",
  advice: "open the address that `orchestrator ui` printed" };
const NO_ANSWER = { error: "the program does not respond", advice: "it has ended, or this machine was asleep: run `orchestrator ui` again" };

class Refused extends Error {
  constructor({ error, advice, detail }) {
    super(error);
    this.advice = advice || "";
    this.detail = detail || "";
  }
}

/* Sends a request. A request with a `body` is a POST. */
const asked = async (path, headers = {}, signal = undefined, body = undefined) => {
  let answer;
  try {
    answer = await fetch(path, { method: body === undefined ? "GET" : "POST", body, headers: { Authorization: `Bearer ${TOKEN}`, ...headers }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(NO_ANSWER);
  }
  if (answer.status === 401) throw new Refused(NO_TOKEN);
  if (!answer.ok) throw new Refused(await answer.json().catch(() => ({ error: `the program answered with HTTP ${answer.status}` })));
  return answer;
};

const askedJson = async (path, signal = undefined) => (await asked(path, {}, signal)).json();

const pauseOf = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

/* The program gives a sign of life every 15 s. Without one for so long, the connection is dead: the machine was asleep,
   or a tunnel is gone. The first event of a large run may take longer than that. */
const SILENT_MS = 60000;

/* Reads the next part of a stream. Fails if there is none for `SILENT_MS`. */
const nextPart = async (reader) => {
  const ends = new AbortController();
  const silent = async () => {
    await pauseOf(SILENT_MS, ends.signal);
    if (!ends.signal.aborted) throw new Refused(NO_ANSWER);
  };
  try {
    return await Promise.race([reader.read(), silent()]);
  } finally {
    ends.abort();
  }
};

/* Parses one server-sent event: its name, ID and data. Comments have no data. */
const readEvent = (lines) => {
  const found = { event: "message", id: "", data: null };
  for (const line of lines.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2);
  }
  return found;
};

/* Receives server-sent events until `signal` aborts, or an event `gone` arrives. They are fetched: an EventSource sends
   no headers, and the token must not be in an address. After an interruption it continues from the last ID.
   `hear` gets an event's name and its data; `lost` gets the error, null once the connection works again. */
const hearEvents = async (path, hear, lost, signal) => {
  let id = "";
  let tries = 0;
  while (!signal.aborted) {
    const ends = new AbortController();
    const stop = () => ends.abort();
    signal.addEventListener("abort", stop);
    try {
      const answer = await asked(path, id ? { "Last-Event-ID": id } : {}, ends.signal);
      lost(null); // it is connected, although there may be nothing new to say
      tries = 0;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await (id ? nextPart(reader) : reader.read())) {
        let sought = Math.max(0, text.length - 1); // a large event comes in many parts
        text += part.value;
        for (let end = text.indexOf("\n\n", sought); end >= 0; end = text.indexOf("\n\n", sought)) {
          const told = readEvent(text.slice(0, end));
          text = text.slice(end + 2);
          sought = 0;
          if (told.data === null) continue;
          id = told.id || id;
          hear(told.event, JSON.parse(told.data));
          if (told.event === "gone") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      lost(error);
    } finally {
      signal.removeEventListener("abort", stop);
      ends.abort(); // a connection that was given up ends for the program too
    }
    tries += 1;
    await pauseOf(Math.min(10000, 500 * 2 ** tries), signal);
  }
};
