"use strict";
/* One function in full, and failures by cause. */

const id = (value) => (value ? make("code", {}, value) : "");

const facts = (pairs) =>
  make("dl", {}, pairs.filter(([, value]) => value).map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

const LIVE = { new: "its new version", old: "its old version", none: "it has no version" };
const liveWords = (live, version) => [LIVE[live] || "unknown", version ? [" ", id(version)] : ""];

const failureFacts = (failure) => facts([
  ["failed in", failure[0]], ["kind", failure[1]], ["message", failure[2]], ["advice", failure[3]],
  ["operation", id(failure[4])], ["HTTP", failure[5] ? String(failure[5]) : ""], ["request id", id(failure[6])],
  ["server trace id", id(failure[7])], ["client request id", id(failure[8])], ["live", liveWords(failure[10], failure[11])],
]);

const packageWords = (packed) =>
  (packed ? `${packed[0].toLocaleString("en")} bytes${packed[1] ? ", already in the bucket: nothing was uploaded" : ""}` : "");

const known = (ms) => (ms < 0 ? "unknown" : span(ms));

const changeRows = (one) => {
  const rows = [];
  for (const change of one.changes) {
    if (change.kind === "createVersion") rows.push([change.kind, "$latest", id(one.old) || "none", id(one.made) || "–", change.outcome]);
    for (const [name, before, after] of change.values) rows.push([change.kind, name, before || "–", after || "–", change.outcome]);
    if (!change.values.length && change.kind !== "createVersion") rows.push([change.kind, "", "", "", change.outcome]);
  }
  return rows;
};

/* `zoom`: zooms to the time in which the function was worked on. */
const detail = (one, close, zoom) => {
  const parts = [
    make("div", { class: "bar" }, make("h2", { id: "detail-title", tabindex: "-1" }, one.key),
      make("span", { class: "zoom" }, one.spans.length ? make("button", { type: "button", onclick: zoom }, "Zoom to it") : null,
        make("button", { type: "button", onclick: close }, "Close"))),
    facts([
      ["outcome", one.outcome], ["action", one.action], ["reason", one.reason.split("; ").join("\n")], ["name", one.name !== one.key ? one.name : ""],
      ["folder", id(one.folder)], ["function id", id(one.id)], ["version before", id(one.old)], [one.failure ? "version requested" : "version now", id(one.made)],
      ["wave", one.wave ? String(one.wave) : ""], ["own work", span(one.work)], ["waited", span(one.waited)],
      ["package", packageWords(one.packed)], ["warnings", one.warnings.join("; ")],
    ]),
  ];
  if (one.failure) parts.push(make("h3", {}, "Why it is not done"), failureFacts(one.failure), one.failure[9] ? make("pre", {}, one.failure[9]) : "");
  const changes = changeRows(one);
  if (changes.length) parts.push(table(["change", "of", "before", "after", "outcome"], changes, { caption: "Changes" }));
  if (one.spans.length) {
    const rows = one.spans.map((each) => [each.step, moment(each.from, 1), each.open ? `${span(each.to - each.from)} so far` : span(each.to - each.from), each.ok ? "" : "failed"]);
    parts.push(table(["step", "began after", "took", "end"], rows, { numbers: ["began after", "took"], caption: "Steps" }));
  }
  if (one.operations.length) {
    const rows = one.operations.map((each) => [each.call, id(each.id), known(each.took), known(each.cloud), known(each.late), id(each.request), each.error]);
    parts.push(table(["call", "operation", "seen as done after", "duration in the cloud", "seen late by", "request id", "error"], rows,
      { numbers: ["seen as done after", "duration in the cloud", "seen late by"], caption: "Operations" }));
  }
  if (one.tries.length) {
    const rows = one.tries.map((each) => [each.step, moment(each.at, 100), each.reason, each.noRoom, id(each.request)]);
    parts.push(table(["step", "after", "failed with", "no room in", "request id"], rows, { numbers: ["after"], caption: "Retries and refusals" }));
  }
  if (one.verified.length) {
    const rows = one.verified.map((each) => [id(each.version), each.verdict, each.reason, String(each.attempts), moment(each.at, 100)]);
    parts.push(table(["version", "verdict", "reason", "calls", "after"], rows, { numbers: ["calls", "after"], caption: "Verification" }));
  }
  return parts;
};

const NAMED = 12;

/* The messages of a cause, each with the functions that it is of. `own`: those of all functions. */
const messagesOf = (own, message, functions) => {
  const texts = new Map();
  for (const key of functions) {
    const text = own.get(key) ?? message;
    if (!texts.has(text)) texts.set(text, []);
    texts.get(text).push(key);
  }
  return texts;
};

const messageWords = (texts) => {
  if (texts.size === 1) return make("p", { class: "message" }, [...texts.keys()]);
  const shown = [...texts].slice(0, NAMED).map(([text, keys]) => {
    const more = keys.length - NAMED;
    return make("p", { class: "message" }, `${keys.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}: ${text}`);
  });
  return [...shown, texts.size > NAMED ? make("p", {}, `and ${count(texts.size - NAMED, "more message")}`) : ""];
};

/* `go`: shows a function by its key. */
const failuresSection = (data, go) => {
  if (!data.causes.length) return null;
  const own = new Map(data.functions.filter((row) => row[17]).map((row) => [row[0], row[17][2]]));
  const cause = ([what, message, advice, functions, first, operation, request]) => {
    const named = make("p", { class: "names" });
    const button = (key) => make("button", { type: "button", class: "name", onclick: () => go(key) }, key);
    const some = (number) => {
      const more = functions.length - number;
      named.replaceChildren(...functions.slice(0, number).map(button),
        more > 0 ? make("button", { type: "button", onclick: () => some(number + 200) }, `${more} more`) : "");
    };
    some(NAMED);
    return make("article", { class: "cause" },
      make("h3", {}, `${count(functions.length, "function")} ${what}`), messageWords(messagesOf(own, message, functions)),
      facts([["advice", advice], ["first", first], ["operation", id(operation)], ["request id", id(request)]]), named);
  };
  const live = data.live;
  return section("failures", "What failed", data.causes.map(cause), live ? table(live.head, live.rows, { caption: "Live state of what failed" }) : null);
};
