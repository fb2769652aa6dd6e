"use strict";
/* A run in progress: the page of a report, whose data grows. */

/* Merges changes into the data. Returns the numbers of the changed functions, null where all of the data is new. */
const takeIn = (data, told) => {
  const { since, rows, texts, ...parts } = told;
  Object.assign(data, parts);
  data.texts = since ? data.texts.concat(texts) : texts;
  data.functions = since ? data.functions : [];
  for (const [number, row] of rows) data.functions[number] = row;
  return since ? rows.map(([number]) => number) : null;
};

class LiveRun {
  constructor(run, box, wrong) {
    this.box = make("div", { class: "run" });
    this.wrong = wrong;
    this.ends = new AbortController();
    this.outer = box;
    this.acts = make("aside", { class: "beside", "aria-label": "Actions", hidden: true });
    box.append(this.acts, make("p", { class: "wait", role: "status" }, "Reading the run …"));
    this.bar = new ActBar(this.acts, wrong);
    hearEvents(`api/runs/${encodeURIComponent(run)}/events`, (event, told) => this.hear(event, told),
      (error) => this.wrong(error), this.ends.signal);
  }

  hear(event, told) {
    if (event === "gone") { this.wrong(new Refused(told)); return; }
    const numbers = takeIn(this.data || (this.data = {}), told);
    if (numbers === null || !this.page) {
      if (this.page) this.page.leave();
      this.box.replaceChildren();
      if (!this.box.isConnected) { // the actions stay where they are: what is moved loses its scroll position
        for (const wait of this.outer.querySelectorAll(".wait")) wait.remove();
        this.outer.append(this.box);
      }
      this.page = new RunPage(this.data, this.box, (one) => make("p", {},
        make("a", { href: `#/why/${encodeURIComponent(one.key)}` }, "Why it is in this state, and its past runs")));
      document.title = `Run ${this.data.run}: ${this.data.state}`;
    } else {
      this.page.update(numbers);
      document.title = `Run ${this.data.run}: ${this.data.state}`;
    }
    this.bar.update(this.data);
    document.documentElement.dataset.over = this.data.over ? "yes" : "no";
    document.documentElement.dataset.ready = "yes";
  }

  leave() {
    this.ends.abort();
    this.bar.leave();
    if (this.page) this.page.leave();
  }
}
