"use strict";
/* Talks to the program that served this page. The token comes in the fragment of the address, which is not sent; it is
   kept for this tab alone, and taken out of the address, so that no history and no screenshot has it. */

const TOKEN = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return given || sessionStorage.getItem("token") || "";
})();

const NO_TOKEN = { error: "this page does not have the token of the program that runs now",
  advice: "open the address that `orchestrator ui` has printed" };
const NO_ANSWER = { error: "the program does not answer", advice: "it has ended, or this machine slept: run `orchestrator ui` again" };

class Refused extends Error {
  constructor({ error, advice, detail }) {
    super(error);
    this.advice = advice || "";
    this.detail = detail || "";
  }
}

/* Asks; with a `body` it asks for a change. */
const asked = async (path, headers = {}, signal = undefined, body = undefined) => {
  let answer;
  try {
    answer = await fetch(path, { method: body === undefined ? "GET" : "POST", body, headers: { Authorization: `Bearer ${TOKEN}`, ...headers }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(NO_ANSWER);
  }
  if (answer.status === 401) throw new Refused(NO_TOKEN);
  if (!answer.ok) throw new Refused(await answer.json().catch(() => ({ error: `the program answers ${answer.status}` })));
  return answer;
};

const askedJson = async (path, signal = undefined) => (await asked(path, {}, signal)).json();

const pauseOf = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

/* One server-sent event of its lines: what it is, its id, its data. Comments have no data. */
const readEvent = (lines) => {
  const found = { event: "message", id: "", data: null };
  for (const line of lines.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2);
  }
  return found;
};

/* Hears server-sent events until `signal` ends that, or an event `gone` comes. They are fetched, since an EventSource
   sends no header, and the token is to be in no address. After a break it goes on from the last id that it knows.
   `hear` gets an event's name and its data; `lost`: what is wrong, null once it is mended. */
const hearEvents = async (path, hear, lost, signal) => {
  let id = "";
  let tries = 0;
  while (!signal.aborted) {
    try {
      const answer = await asked(path, id ? { "Last-Event-ID": id } : {}, signal);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        text += part.value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const told = readEvent(text.slice(0, end));
          text = text.slice(end + 2);
          if (told.data === null) continue;
          lost(null);
          tries = 0;
          id = told.id || id;
          hear(told.event, JSON.parse(told.data));
          if (told.event === "gone") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      lost(error);
    }
    tries += 1;
    await pauseOf(Math.min(10000, 500 * 2 ** tries), signal);
  }
};
