"use strict";
/* The rows of the page's data (see page_data.py) as objects. */

const PREPARES = ["build", "package", "upload"];

const kindOfStep = (step) => {
  if (PREPARES.includes(step)) return "prepare";
  if (step === "queue" || step === "track" || step === "verify") return step;
  return step === "observe" ? "observe" : "ask";
};

const readFunctions = (data) => data.functions.map((_, number) => readFunction(data, number));

const readFunction = (data, number) => {
  const text = (at) => data.texts[at];
  const row = data.functions[number];
  const [key, name = "", folder = 0, id = "", action = 0, reason = 0, outcome = 0, wave = 0, work = 0, waited = 0,
    old = "", made = "", steps = [], operations = [], tries = [], changes = [], verified = [], failure = 0, packed = 0,
    warnings = []] = row;
  const spans = [];
  let at = 0;
  for (let index = 0; index < steps.length; index += 3) {
    at += steps[index + 1];
    const step = text(steps[index] >> 1);
    const open = steps[index + 2] < 0;
    spans.push({ step, kind: kindOfStep(step), ok: !(steps[index] & 1), from: at, to: open ? data.total_ms : at + steps[index + 2], open });
  }
  let from = Infinity;
  let to = -Infinity;
  for (const one of spans) { from = Math.min(from, one.from); to = Math.max(to, one.to); }
  for (const one of operations) { from = Math.min(from, one[2]); to = Math.max(to, one[2] + Math.max(0, one[3] ?? 0)); }
  return {
    number, key, name: name || key, folder: text(folder), id, action: text(action), reason: text(reason),
    outcome: text(outcome), openSpan: spans.find((one) => one.open), wave, work, waited, old, made, spans, from, to, retries: tries.length, packed, warnings,
    failure: failure ? [...failure.slice(0, 9), text(failure[9]), ...failure.slice(10)] : 0,
    operations: operations.map((one) => ({
      id: one[0], call: text(one[1]), accepted: one[2], took: one[3] ?? 0, cloud: one[4] ?? 0, late: one[5] ?? 0,
      request: one[6] || "", version: one[7] || "", error: one[8] || "",
    })),
    tries: tries.map((one) => ({ at: one[0], step: text(one[1]), reason: text(one[2]), noRoom: text(one[3]), request: one[4] })),
    changes: changes.map((one) => ({ kind: text(one[0]), outcome: text(one[1]), values: one[2] || [] })),
    verified: verified.map((one) => ({ at: one[0], version: one[1], verdict: text(one[2]), reason: text(one[3]), attempts: one[4] })),
    sought: [key, name, id, old, made, text(folder), ...operations.flatMap((one) => [one[0], one[6] || ""])].join("\n").toLowerCase(),
  };
};

const last = (value) => (Number.isFinite(value) ? value : Number.MAX_VALUE);

const ORDERS = {
  start: ["when it began", (a, b) => last(a.from) - last(b.from) || a.number - b.number],
  work: ["own work, longest first", (a, b) => b.work - a.work || a.number - b.number],
  waited: ["waited, longest first", (a, b) => b.waited - a.waited || a.number - b.number],
  retries: ["retries, most first", (a, b) => b.retries - a.retries || a.number - b.number],
  name: ["name", (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)],
};
