"use strict";
/* Shows the part of the page that the fragment of its address names. */

const shown = make("div", { id: "shown" });
const trouble = make("div", { id: "trouble", role: "alert" });
let part = null;

const wrong = (error) => {
  const words = error ? [make("p", { class: "message" }, commands(error.message)), error.advice ? make("p", {}, commands(error.advice)) : null,
    error.detail ? make("pre", {}, error.detail) : null] : [];
  if (trouble.dataset.told === (error ? error.message : "")) return;
  trouble.dataset.told = error ? error.message : "";
  trouble.replaceChildren(...words.filter(Boolean));
  const wait = shown.querySelector(".wait");
  if (error && wait) wait.remove();
};

const route = () => {
  if (part) part.leave();
  wrong(null);
  delete document.documentElement.dataset.ready;
  shown.replaceChildren();
  const [, kind = "", named = ""] = location.hash.split("/");
  document.title = "orchestrator";
  const begin = PAGES[kind] || PAGES[""];
  part = begin(decodeURIComponent(named));
  for (const link of links) {
    if (link.getAttribute("href") === `#/${kind === "run" ? "" : kind}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
};

const PAGES = {
  "": () => new RunsList(shown, wrong),
  run: (named) => new LiveRun(named, shown, wrong),
  why: (named) => new WhyPage(named, shown, wrong),
  plan: () => new PlanPage(shown, wrong),
  jobs: (named) => new JobsPage(named, shown, wrong),
};
const links = [["#/", "Runs"], ["#/why", "Functions"], ["#/plan", "Plan"], ["#/jobs", "Jobs"]]
  .map(([href, words]) => make("a", { href }, words));

document.body.append(make("nav", { "aria-label": "Pages" }, links), trouble, shown);
/* The address of a later start, opened in the same tab, changes only the fragment. */
window.addEventListener("hashchange", () => { if (takeToken()) location.reload(); else route(); });
route();
