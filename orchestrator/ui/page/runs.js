"use strict";
/* All runs, the newest first, refreshed every few seconds. */

const LOOK_AGAIN_MS = 3000;

/* A time as reports have it: 2026-11-28 14:37:41 UTC. */
const when = (iso) => (iso ? `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")} UTC` : "");

/* A text that is broken between its words only. */
const whole = (text) => text.split(" ").map((word, at) => [at ? " " : "", make("span", { class: "whole" }, word)]);

const lasted = (run) => {
  if (!run.ended_at) return "";
  return span(new Date(run.ended_at) - new Date(run.started_at));
};

/* The words of `orchestrator runs`: what a rollback has deployed is rolled back. */
const outcomeWord = (name, verb) => (verb === "rollback" && name === "deployed" ? "rolled back" : name);
const outcomeWords = (run) => Object.entries(run.outcomes)
  .map(([name, number]) => `${number.toLocaleString("en")} ${outcomeWord(name, run.verb)}`).join(", ");

/* A table without empty columns. */
const leanTable = (head, rows, options) => {
  const kept = head.map((_, at) => at).filter((at) => rows.some((row) => row[at] !== "" && row[at] !== null && row[at] !== undefined));
  return table(kept.map((at) => head[at]), rows.map((row) => kept.map((at) => row[at])), options);
};

const runsTable = (runs) => leanTable(
  ["run", "state", "began", "took", "verb", "environment", "functions", "outcomes"],
  runs.map((run) => [
    make("a", { href: `#/run/${encodeURIComponent(run.run_id)}` }, run.run_id), run.state, whole(when(run.started_at)), lasted(run),
    run.verb, run.environment || "", run.functions.toLocaleString("en"), outcomeWords(run),
  ]), { numbers: ["took", "functions"], caption: "Runs, the newest first", unseen: true });

class RunsList {
  constructor(box, wrong) {
    this.list = make("div");
    this.ends = new AbortController();
    this.told = "";
    box.append(make("header", {}, make("h1", {}, "Runs")), make("main", {}, this.list));
    this.look(wrong);
  }

  async look(wrong) {
    while (!this.ends.signal.aborted) {
      try {
        const { runs } = await askedJson("api/runs");
        if (this.ends.signal.aborted) return;
        wrong(null);
        this.show(runs);
        document.documentElement.dataset.ready = "yes";
      } catch (error) {
        wrong(error);
      }
      await pauseOf(LOOK_AGAIN_MS, this.ends.signal);
    }
  }

  show(runs) {
    const told = JSON.stringify(runs);
    if (told === this.told) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.told = told;
    this.list.replaceChildren(runs.length ? runsTable(runs)
      : make("p", {}, "No runs yet in this state folder. The first run is shown here when it begins."));
    const again = [...this.list.querySelectorAll("a")].find((link) => focused && link.getAttribute("href") === focused);
    if (again) again.focus();
  }

  leave() { this.ends.abort(); }
}
