"use strict";
/* The actions on a run, if the program allows them. Each needs a confirmation, which names the functions that it is
   about. If the run is in an environment, its name must be typed. */

const ACTS = {
  pause: { words: "Pause", states: ["running"],
    asks: "Nothing new starts. Operations in flight settle. Resume continues the run.", of: [["not ended"], "not ended yet"] },
  resume: { words: "Resume", states: ["interrupted"],
    asks: "Operations in flight are tracked to their end. The rest is planned again and done: `orchestrator resume`.",
    of: [["not ended", "cancelled", "unknown", "inconclusive"], "left"] },
  promote: { words: "Promote", states: ["paused"],
    asks: "The remaining waves are planned again and done, with their pauses and gates: `orchestrator promote`.",
    of: [["not ended", "cancelled", "unknown", "inconclusive"], "left"] },
  rollback: { words: "Roll back", states: ["done", "failed", "interrupted", "paused"],
    asks: "What the run has changed is rolled back, for all functions at once: `orchestrator rollback`." },
};
const LOOK_AT_ACTS_MS = 1500;
const OUTCOME_AT = 6; // in the row of a function, see page_data.py

/* How many functions an action is about, and which. Null for a rollback, whose plan is shown. */
const aboutWords = (verb, data) => {
  if (!ACTS[verb].of) return null;
  const [outcomes, words] = ACTS[verb].of;
  const keys = data.functions.filter((row) => outcomes.includes(data.texts[row[OUTCOME_AT]])).map((row) => row[0]);
  const more = keys.length - NAMED;
  const named = keys.length ? `: ${keys.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more.toLocaleString("en")} more` : ""}` : "";
  return make("p", { class: "about" }, `${count(keys.length, "function")} ${words}${named}`);
};

/* Asks in a dialog. `environment`: the name that must be typed, "" for none; `act`: called after the confirmation. */
const askToAct = (verb, data, act) => {
  const { words, asks } = ACTS[verb];
  const before = document.activeElement;
  const ends = new AbortController();
  let agreed = false;
  const agree = make("button", { type: "submit", class: "agree", disabled: Boolean(data.environment) }, words);
  const typed = make("input", { id: "typed", autocomplete: "off", spellcheck: "false",
    oninput: () => { agree.disabled = typed.value !== data.environment; } });
  const close = () => { ends.abort(); dialog.close(); };
  const dialog = make("dialog", { "aria-labelledby": "act-title", onclose: () => {
    ends.abort();
    dialog.remove();
    if (before && before.isConnected) before.focus();
  } }, make("form", { onsubmit: (event) => {
    event.preventDefault();
    if (agree.disabled || agreed) return; // once: a dialog that is closing still gets the second click of a double click
    agreed = true;
    close();
    act(data.environment);
  } },
    make("h2", { id: "act-title" }, `${words}: run ${data.run}`), make("p", {}, commands(asks)), aboutWords(verb, data),
    verb === "rollback" ? wayBack(data.run, ends.signal) : null,
    data.environment ? [make("label", { for: "typed" }, `The run is in the environment ${data.environment}. Type its name to confirm. `), typed] : null,
    make("p", { class: "choice" }, make("button", { type: "button", onclick: close }, "Cancel"), agree)));
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
};

/* What a rollback would do, once it is known. Confirming does not wait for it. */
const wayBack = (run, signal) => {
  const box = make("div", { class: "preview", tabindex: "0", role: "group", "aria-label": "What would be rolled back" }, make("p", { role: "status" }, "Planning the rollback …"));
  askedJson(`api/runs/${encodeURIComponent(run)}/rollback`, signal).then(
    (plan) => box.replaceChildren(...planParts(plan, "What is rolled back").flat(Infinity).filter(Boolean)),
    (error) => { if (!signal.aborted) box.replaceChildren(make("p", { class: "message" }, error.message), make("p", {}, error.advice || "")); });
  return box;
};

class ActBar {
  constructor(box, wrong) {
    Object.assign(this, { box, wrong, ends: new AbortController(), told: "", allowed: false, actions: [] });
    this.buttons = make("div", { class: "acts", role: "group", "aria-label": "Actions on the run" });
    this.begun = make("section", { id: "begun", "aria-labelledby": "begun-title", hidden: true });
    box.append(this.buttons, this.begun);
    this.look();
  }

  /* The data of the run has changed. */
  update(data) {
    this.data = data;
    this.show();
    const fitting = this.allowed ? Object.keys(ACTS).filter((verb) => ACTS[verb].states.includes(data.state)) : [];
    const told = fitting.join();
    if (told === this.told) return;
    this.told = told;
    this.buttons.replaceChildren(...fitting.map((verb) => make("button", { type: "button", onclick: () => {
      this.dialog = askToAct(verb, this.data, (environment) => this.act(verb, environment));
    } }, `${ACTS[verb].words} …`)));
  }

  async act(verb, environment) {
    try {
      await asked("api/actions", { "Content-Type": "application/json" }, this.ends.signal,
        JSON.stringify({ verb, run: this.data.run, environment }));
      this.wrong(null);
      if (verb === "pause") this.buttons.replaceChildren(make("p", { role: "status" }, "Pausing: nothing new starts, Operations in flight settle."));
      this.look();
    } catch (error) {
      if (!this.ends.signal.aborted) this.wrong(error);
    }
  }

  /* Reads the actions that were started, repeatedly while one is running. */
  async look() {
    if (this.looks) return;
    this.looks = true;
    try {
      for (let runs = true; runs && !this.ends.signal.aborted;) {
        const { allowed, actions } = await askedJson("api/actions", this.ends.signal);
        this.allowed = allowed;
        this.box.hidden = !allowed;
        this.actions = actions;
        if (this.data) this.update(this.data);
        runs = actions.some((one) => one.exit_code === null);
        if (runs) await pauseOf(LOOK_AT_ACTS_MS, this.ends.signal);
      }
    } catch (error) {
      if (!this.ends.signal.aborted) this.wrong(error);
    }
    this.looks = false;
  }

  /* Shows the actions on this run, and on those that it continues. */
  show() {
    const runs = (new Map(this.data.facts).get("run") || "").split(" + ");
    const actions = this.actions.filter((one) => runs.includes(one.run));
    const told = JSON.stringify(actions);
    if (told === this.shownActs || this.begun.contains(document.activeElement)) return;
    this.shownActs = told;
    this.begun.hidden = !actions.length;
    this.begun.replaceChildren(make("h2", { id: "begun-title" }, "Started from this page"), ...actions.map((one, at) =>
      make("details", { open: at === 0 }, make("summary", {}, `${one.verb} ${one.run}: ${one.exit_code === null ? `running, process ${one.pid}` : one.ended}`),
        make("pre", { tabindex: "0" }, one.said || "No output."))));
    for (const output of this.begun.querySelectorAll("pre")) output.scrollTop = output.scrollHeight; // its result is at the end
  }

  leave() {
    this.ends.abort();
    if (this.dialog && this.dialog.open) this.dialog.close();
  }
}
