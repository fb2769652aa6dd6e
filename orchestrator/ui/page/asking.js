"use strict";
/* The output of other commands, on request: about one function, a plan, jobs. */

const runLink = (run) => (run ? make("a", { href: `#/run/${encodeURIComponent(run)}` }, run) : "");
const whyLink = (key) => make("a", { href: `#/why/${encodeURIComponent(key)}` }, key);
const placeWords = (place) => (place ? `${place.file}:${place.line}` : "");
const listed = (title, lines) => (lines.length ? [make("h3", {}, title), make("ul", {}, lines.map((line) => make("li", {}, line)))] : []);

/* A page for a request: a form above, the response below. */
class Asking {
  constructor(box, wrong, title, ...form) {
    Object.assign(this, { wrong, ends: new AbortController(), told: make("div"), status: make("p", { class: "told", role: "status" }) });
    box.append(make("header", {}, make("h1", {}, title)), make("main", {}, form, this.status, this.told));
    document.documentElement.dataset.ready = "yes";
  }

  /* Requests a document, and shows it. A new request replaces the one before. */
  async ask(path, words, show) {
    this.ends.abort();
    const ends = this.ends = new AbortController();
    this.status.textContent = words;
    document.documentElement.dataset.ready = "no";
    try {
      const found = await askedJson(path, ends.signal);
      this.wrong(null);
      this.told.replaceChildren(...[show(found)].flat(Infinity).filter(Boolean));
    } catch (error) {
      if (ends.signal.aborted) return;
      this.told.replaceChildren();
      this.wrong(error);
    }
    if (ends.signal.aborted) return;
    this.status.textContent = "";
    document.documentElement.dataset.ready = "yes";
  }

  leave() { this.ends.abort(); }
}

const askForm = (label, id, placeholder, words, act) => {
  const input = make("input", { id, placeholder, autocomplete: "off", spellcheck: "false" });
  const form = make("form", { class: "form", onsubmit: (event) => { event.preventDefault(); act(input.value.trim()); } },
    make("label", { for: id }, label), input, make("button", { type: "submit" }, words));
  return { form, input };
};

class WhyPage extends Asking {
  constructor(named, box, wrong) {
    const { form, input } = askForm("Function", "function", "name, key or ID", "Show", (name) => {
      if (name) location.hash = `#/why/${encodeURIComponent(name)}`;
    });
    super(box, wrong, named ? `Function ${named}` : "One function", form);
    input.value = named;
    if (named) this.ask(`api/why/${encodeURIComponent(named)}`, "Reading the manifest, the cloud and the journal …", whyParts);
  }
}

const madeBy = (made) => (made ? [made.run_id ? ["run ", runLink(made.run_id)] : made.kind, made.by ? ` by ${made.by}` : "",
  made.job ? `, job ${made.job}` : "", made.commit ? `, commit ${made.commit}` : ""] : "");

const whyParts = (why) => {
  const { now, next } = why;
  return [
    why.unknown.length ? section("unknown", "Unknown", make("ul", {}, why.unknown.map((line) => make("li", {}, line)))) : null,
    section("live", "Live state", now ? facts([
      ["function id", id(why.function_id)], ["folder", id(why.folder_id)], ["version", id(now.version_id)], ["status", now.version_status],
      ["made", when(now.created_at)], ["made by", make("span", {}, madeBy(now.made_by))], ["reason", now.made_by ? now.made_by.reason : ""],
      ["tags", now.tags.join(", ")], ["verified", now.verdict === "none" ? "" : [now.verdict, now.verdict_reason].filter(Boolean).join(": ")],
    ]) : make("p", {}, "No live version is known.")),
    section("next", "Next plan", next ? facts([
      ["action", next.action], ["reason", next.reason.split("; ").join("\n")], ["advice", next.advice], ["detail", next.detail], ["then", next.then],
      ["declared", placeWords(why.place)],
    ]) : make("p", {}, "Unknown."), next ? listed("Warnings", next.warnings) : null),
    why.waits.length ? section("waits", "Waiting for",
      leanTable(["run", "waits for", "who", "advice"], why.waits.map((one) => [runLink(one.run_id), one.words || one.for, one.who, one.advice]), { caption: "Waits", unseen: true })) : null,
    why.runs.length ? section("history", "Past runs", leanTable(["run", "outcome", "action", "reason", "began", "by", "verb", "version"],
      why.runs.map((run) => [run.elsewhere ? run.run_id : runLink(run.run_id),
        [outcomeWord(run.outcome, run.verb), run.why, run.advice, run.rolled_back_by && `rolled back by ${run.rolled_back_by}`].filter(Boolean).join("\n"),
        run.action, run.reason, when(run.started_at), run.by, run.verb, id(run.version_id)]),
      { caption: "The last runs with this function", unseen: true })) : null,
    why.settings.length ? section("settings", "Settings", leanTable(["setting", "state", "desired", "live", "from", "line"],
      why.settings.map((row) => [row.key, row.state, row.value, row.live, row.from, placeWords(row.place)]),
      { caption: "Settings and their origins", unseen: true })) : null,
  ];
};

class PlanPage extends Asking {
  constructor(box, wrong) {
    const { form } = askForm("Functions", "functions", "all; names, globs, label:K=V", "Plan", (words) =>
      this.ask(`api/plan?functions=${encodeURIComponent(words)}`, "Planning: running builds, reading sources and the cloud …", planParts));
    super(box, wrong, "What a deploy would do", make("p", { class: "hint" }, commands("This changes nothing: it is `orchestrator plan`.")), form);
  }
}

const planParts = (plan, title = "What changes") => {
  const changed = plan.units.filter((unit) => unit.action !== "unchanged");
  const counts = Object.entries(plan.counts).filter(([, number]) => number).map(([name, number]) => `${number.toLocaleString("en")} ${name}`);
  return [
    section("counts", "Summary", make("p", { class: "sentence" }, counts.join(", ") || "nothing to do"), listed("Warnings", plan.warnings)),
    changed.length ? section("units", title, leanTable(["function", "action", "reason", "advice"],
      changed.map((unit) => [whyLink(unit.function), unit.action, [unit.reason, unit.detail, ...unit.warnings].filter(Boolean).join("\n"), unit.advice]),
      { caption: "Functions with changes", unseen: true })) : make("p", {}, "Everything is up to date."),
  ];
};

class JobsPage extends Asking {
  constructor(named, box, wrong) {
    super(box, wrong, named ? `Job ${named}` : "Jobs");
    if (named) this.ask(`api/jobs/${encodeURIComponent(named)}`, "Reading the job's progress …", boardParts);
    else this.ask("api/jobs", "Reading the manifest …", jobsParts);
  }
}

const dueWords = (job) => (job.open_due ? `${when(job.open_due.due_at)}: not done: ${job.open_due.why}` : "");

const jobsParts = (found) => {
  if (!found.jobs.length) return make("p", {}, "The manifest declares no jobs.");
  return section("jobs", "Declared jobs", leanTable(["job", "runs", "schedule", "next due", "open", "environment", "line"],
    found.jobs.map((job) => [make("a", { href: `#/jobs/${encodeURIComponent(job.job)}` }, job.job), job.run,
      job.schedule ? `${job.schedule} (${job.timezone})` : "", when(job.next_due), dueWords(job), job.environment, job.place]),
    { caption: "Jobs of the manifest, and their next due times", unseen: true }));
};

const boardParts = (board) => {
  const totals = Object.entries(board.totals).map(([name, number]) => `${number.toLocaleString("en")} ${name}`);
  return [
    section("totals", "Progress", make("p", { class: "sentence" }, totals.join(", "))),
    board.functions.length ? section("functions", "Functions", leanTable(["function", "status", "runtime", "folder", "note"],
      board.functions.map((row) => [row.function, row.status, row.runtime, row.folder_id, row.note]), { caption: "Functions of the job", unseen: true })) : null,
  ];
};
