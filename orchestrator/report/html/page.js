"use strict";
/* Builds the page. */

const STEPS = [
  ["prepare", "making and uploading the package"], ["queue", "waiting for a slot"], ["ask", "calling the cloud"],
  ["track", "operation running"], ["verify", "verifying"], ["bad", "retry, refusal or failure"],
];

/* A text in which every second part between backticks is a command. */
const commands = (text) => text.split("`").map((part, at) => (at % 2 ? id(part) : part));

const summarySection = (data) =>
  section("summary", "Summary", make("p", { class: "sentence" }, data.sentence), facts(data.facts.map(([name, value]) => [name, name === "next" ? commands(value) : value])));

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

/* The controls of the timeline. `sieve`: shows what was chosen; `again`: the same after functions have changed, at the
   same scroll position. */
const timelineSection = (functions, view, timeline) => {
  const search = make("input", { type: "search", id: "search", placeholder: "name, id, operation", autocomplete: "off" });
  const outcome = make("select", { id: "outcome" });
  const order = make("select", { id: "order" }, Object.entries(ORDERS).map(([name, [words]]) => make("option", { value: name }, words)));
  const told = make("p", { class: "told", role: "status" });
  let offered = "";
  const offer = () => {
    const counts = new Map();
    for (const one of functions) counts.set(one.outcome, (counts.get(one.outcome) || 0) + 1);
    const words = [...counts.keys()].sort().map((name) => [name, `${name} (${counts.get(name).toLocaleString("en")})`]);
    if (offered === JSON.stringify(words)) return;
    offered = JSON.stringify(words);
    const chosen = outcome.value;
    outcome.replaceChildren(make("option", { value: "" }, "all outcomes"), ...words.map(([name, text]) => make("option", { value: name }, text)));
    outcome.value = counts.has(chosen) ? chosen : "";
  };
  const found = () => {
    const sought = search.value.trim().toLowerCase();
    const some = functions.filter((one) => (!outcome.value || one.outcome === outcome.value) && (!sought || one.sought.includes(sought)));
    some.sort(ORDERS[order.value][1]);
    const words = some.length === functions.length ? count(some.length, "function")
      : `${some.length.toLocaleString("en")} of ${count(functions.length, "function")}`;
    if (told.textContent !== words) told.textContent = words;
    return some;
  };
  const sieve = () => timeline.show(found());
  const again = () => { offer(); timeline.keep(found()); };
  const soon = oncePerFrame(sieve);
  for (const one of [search, outcome, order]) one.addEventListener("input", soon);
  const button = (words, label, act) => make("button", { type: "button", "aria-label": label, title: label, onclick: act }, words);
  const drawn = section("timeline", "Timeline",
    make("div", { class: "controls" },
      ...[["search", "Search ", search], ["outcome", "Outcome ", outcome], ["order", "Sort by ", order]]
        .map(([name, words, control]) => make("span", { class: "pair" }, make("label", { for: name }, words), control)),
      make("span", { class: "zoom" }, button("+", "Zoom in", () => view.zoom(0.5)), button("−", "Zoom out", () => view.zoom(2)),
        button("◀", "Earlier", () => view.move(-0.3)), button("▶", "Later", () => view.move(0.3)), button("all", "All of the time", () => view.all()))),
    told,
    make("p", { class: "legend" }, STEPS.map(([kind, words]) => make("span", { class: "pair" }, make("i", { class: kind, "aria-hidden": "true" }), words))),
    timeline.list,
    make("p", { class: "printed" }, "The timeline is for screens: it is left out on paper. The output of orchestrator report --json has every step."),
    make("p", { id: "timeline-keys", class: "hint" },
      "Arrow keys move and scroll in time, + and − zoom, 0 shows all, Enter opens a function. Ctrl + wheel zooms too."));
  offer();
  return { drawn, sieve, again, find: (key) => { search.value = key; outcome.value = ""; sieve(); } };
};

/* The full output of gates. */
const gateWords = (data) => data.stops.filter((stop) => stop[6]).map(([kind, wave, , , , verdict, detail]) =>
  make("details", {}, make("summary", {}, `Output of the ${kind} after wave ${wave}: ${verdict}`), make("pre", {}, detail)));

const tablesSections = (data) => Object.entries(data.tables)
  .filter(([title]) => !["where the time went", "failures"].includes(title))
  .map(([title, { head, rows, numbers }], at) =>
    section(`table-${at}`, title === "limits" ? "Limits, and what was learned about them" : title[0].toUpperCase() + title.slice(1),
      table(head, rows, { numbers, caption: title, unseen: true }),
      title.startsWith("waves") ? gateWords(data) : null));

/* The page of a run, in an element. `update` draws only what has changed. */
class RunPage {
  /* `more`: returns what else to show about a function. */
  constructor(data, box, more = () => null) {
    this.data = data;
    this.more = more;
    this.functions = readFunctions(data);
    this.view = new TimeWindow(data.total_ms);
    this.panel = make("section", { id: "detail", "aria-labelledby": "detail-title", hidden: true });
    this.panel.addEventListener("keydown", (event) => { if (event.key === "Escape") this.close(); });
    this.timeline = new Timeline(data, this.functions, this.view, (one) => this.open(one));
    this.lines = timelineSection(this.functions, this.view, this.timeline);
    this.title = make("h1");
    this.state = make("p", { class: "state" });
    this.parts = PARTS.map(([drawn, names]) => ({ drawn, names, box: make("div"), told: "" }));
    const [summary, time, failures, tables] = this.parts.map((part) => part.box);
    this.slotsBox = make("div");
    box.append(make("header", {}, this.title, this.state),
      make("main", {}, summary, time, failures, this.slotsBox, this.lines.drawn, this.panel, tables));
    this.draw();
    this.lines.sieve();
    window.addEventListener("resize", this.fit = () => { if (this.slots) this.slots.fit(); this.timeline.fit(); });
    this.scheme = window.matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.recolour = () => {
      this.timeline.colour = null;
      if (this.slots) this.slots.draw();
      this.timeline.fit();
    });
  }

  draw() {
    this.title.textContent = `Run ${this.data.run}`;
    this.state.textContent = this.data.state;
    for (const part of this.parts) {
      const told = JSON.stringify(part.names.map((name) => this.data[name]));
      // Not while it has the keyboard focus: it is drawn after the focus has left.
      if (told === part.told || part.box.contains(document.activeElement)) continue;
      part.told = told;
      part.box.replaceChildren(...[part.drawn(this.data, (key) => this.go(key))].flat().filter(Boolean));
    }
    this.drawSlots();
  }

  drawSlots() {
    const told = JSON.stringify([this.data.scopes.map((one) => one.name), Boolean(this.data.scopes.length)]);
    if (told !== this.slotsTold) {
      this.slotsTold = told;
      this.slots = slotsSection(this.data, this.view);
      this.slotsBox.replaceChildren(...(this.slots ? [this.slots.drawn] : []));
      if (this.slots) this.slots.draw();
    } else if (this.slots) this.slots.again();
  }

  /* The data has changed: the functions with these numbers, and possibly everything else. */
  update(numbers) {
    for (const number of numbers) this.functions[number] = readFunction(this.data, number);
    for (const one of this.functions) {
      if (one.openSpan) { one.openSpan.to = this.data.total_ms; one.to = Math.max(one.to, this.data.total_ms); }
    }
    this.view.grow(this.data.total_ms);
    this.draw();
    this.lines.again();
  }

  open(one) {
    const room = 0.05 * (one.to - one.from) + 100;
    this.panel.replaceChildren(...detail(one, () => this.close(), () => this.view.set(one.from - room, one.to + room)));
    const more = this.more(one);
    if (more) this.panel.append(more);
    this.panel.hidden = false;
    document.getElementById("detail-title").focus();
  }

  close() {
    this.panel.hidden = true;
    this.timeline.list.focus();
  }

  go(key) {
    this.lines.find(key);
    const one = this.functions.find((each) => each.key === key);
    if (one) { this.timeline.go(Math.max(0, this.timeline.shown.indexOf(one))); this.open(one); }
  }

  leave() {
    window.removeEventListener("resize", this.fit);
    this.scheme.removeEventListener("change", this.recolour);
  }
}

/* The sections above and below the charts, each with the data that it shows. */
const PARTS = [
  [summarySection, ["sentence", "facts"]], [timeSection, ["parts"]], [failuresSection, ["causes", "live"]], [tablesSections, ["tables", "stops"]],
];
