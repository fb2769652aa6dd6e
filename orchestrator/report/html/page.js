"use strict";
/* Puts the page together. */

const STEPS = [
  ["prepare", "making and uploading the package"], ["queue", "waiting for a slot"], ["ask", "asking"],
  ["track", "operation running"], ["verify", "verifying"], ["bad", "retry, refusal or failure"],
];

const summarySection = (data) =>
  section("summary", "Summary", make("p", { class: "sentence" }, data.sentence), facts(data.facts.map(([name, value]) => [name, value])));

const timeSection = (data) => {
  if (!data.parts.length) return null;
  const whole = Math.max(1, data.parts.reduce((sum, part) => sum + part[2], 0));
  const bar = make("div", { class: "parts", "aria-hidden": "true" });
  for (const [part, , ms] of data.parts) {
    const piece = make("div", { class: `part ${part.replace(" ", "-")}` });
    piece.style.flexGrow = String(ms / whole);
    bar.append(piece);
  }
  const rows = data.parts.map(([part, words, ms]) => [
    make("span", {}, make("i", { class: `part ${part.replace(" ", "-")}`, "aria-hidden": "true" }), words),
    span(ms), `${Math.round((100 * ms) / whole)} %`,
  ]);
  return section("time", "Where the time went", bar,
    table(["part", "time", "share"], rows, { numbers: ["time", "share"], caption: "Parts of the time that the run took", unseen: true }));
};

const timelineSection = (data, functions, view, timeline) => {
  const search = make("input", { type: "search", id: "search", placeholder: "name, id, operation", autocomplete: "off" });
  const outcomes = [...new Set(functions.map((one) => one.outcome))].sort();
  const outcome = make("select", { id: "outcome" }, make("option", { value: "" }, "all outcomes"),
    outcomes.map((name) => make("option", { value: name }, `${name} (${functions.filter((one) => one.outcome === name).length.toLocaleString("en")})`)));
  const order = make("select", { id: "order" }, Object.entries(ORDERS).map(([name, [words]]) => make("option", { value: name }, words)));
  const told = make("p", { class: "told", role: "status" });
  const sieve = () => {
    const sought = search.value.trim().toLowerCase();
    const found = functions.filter((one) => (!outcome.value || one.outcome === outcome.value) && (!sought || one.sought.includes(sought)));
    found.sort(ORDERS[order.value][1]);
    timeline.show(found);
    told.textContent = found.length === functions.length ? count(found.length, "function")
      : `${found.length.toLocaleString("en")} of ${count(functions.length, "function")}`;
  };
  const soon = oncePerFrame(sieve);
  for (const one of [search, outcome, order]) one.addEventListener("input", soon);
  const button = (words, label, act) => make("button", { type: "button", "aria-label": label, title: label, onclick: act }, words);
  const drawn = section("timeline", "Timeline",
    make("div", { class: "controls" },
      make("label", { for: "search" }, "Search "), search, make("label", { for: "outcome" }, "Outcome "), outcome,
      make("label", { for: "order" }, "Sort by "), order,
      make("span", { class: "zoom" }, button("+", "Zoom in", () => view.zoom(0.5)), button("−", "Zoom out", () => view.zoom(2)),
        button("◀", "Earlier", () => view.move(-0.3)), button("▶", "Later", () => view.move(0.3)), button("all", "All of the time", () => view.all()))),
    told,
    make("p", { class: "legend" }, STEPS.map(([kind, words]) => [make("i", { class: kind, "aria-hidden": "true" }), words])),
    timeline.list,
    make("p", { id: "timeline-keys", class: "hint" },
      "Arrow keys move and scroll in time, + and − zoom, 0 shows all, Enter opens a function; Ctrl and the wheel zoom, too."));
  return { drawn, sieve, find: (key) => { search.value = key; outcome.value = ""; sieve(); } };
};

/* What gates have written, in full. */
const gateWords = (data) => data.stops.filter((stop) => stop[6]).map(([kind, wave, , , , verdict, detail]) =>
  make("details", {}, make("summary", {}, `What the ${kind} after wave ${wave} said: ${verdict}`), make("pre", {}, detail)));

const tablesSections = (data) => Object.entries(data.tables)
  .filter(([title]) => !["where the time went", "failures"].includes(title))
  .map(([title, { head, rows, numbers }], at) =>
    section(`table-${at}`, title === "limits" ? "Limits, and what was learned of them" : title[0].toUpperCase() + title.slice(1),
      table(head, rows, { numbers, caption: title, unseen: true }),
      title.startsWith("waves") ? gateWords(data) : null));

const start = () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const functions = readFunctions(data);
  const view = new TimeWindow(data.total_ms);
  const panel = make("section", { id: "detail", "aria-labelledby": "detail-title", hidden: true });
  const close = () => { panel.hidden = true; timeline.list.focus(); };
  const open = (one) => {
    const room = 0.05 * (one.to - one.from) + 100;
    panel.replaceChildren(...detail(one, close, () => view.set(one.from - room, one.to + room)));
    panel.hidden = false;
    document.getElementById("detail-title").focus();
  };
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  const timeline = new Timeline(data, functions, view, open);
  const lines = timelineSection(data, functions, view, timeline);
  const go = (key) => {
    lines.find(key);
    const one = functions.find((each) => each.key === key);
    if (one) { timeline.go(Math.max(0, timeline.shown.indexOf(one))); open(one); }
  };
  const slots = slotsSection(data, view);
  document.body.append(
    make("header", {}, make("h1", {}, `Run ${data.run}`), make("p", { class: "state" }, data.state)),
    make("main", {}, ...[summarySection(data), timeSection(data), failuresSection(data, go), slots && slots.drawn, lines.drawn, panel,
      ...tablesSections(data)].filter(Boolean)));
  if (slots) slots.draw();
  lines.sieve();
  const fit = () => { if (slots) slots.fit(); timeline.fit(); };
  window.addEventListener("resize", fit);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    timeline.colour = null;
    if (slots) slots.draw();
    timeline.fit();
  });
  document.documentElement.dataset.ready = "yes";
};

start();
