"use strict";
/* Which part of the page is shown: by the fragment of its address. */

const shown = make("div", { id: "shown" });
const trouble = make("div", { id: "trouble", role: "alert" });
let part = null;

const wrong = (error) => {
  const words = error ? [make("p", { class: "message" }, error.message), error.advice ? make("p", {}, error.advice) : null] : [];
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
  part = kind === "run" && named ? new LiveRun(decodeURIComponent(named), shown, wrong) : new RunsList(shown, wrong);
};

document.body.append(make("nav", { "aria-label": "Pages" }, make("a", { href: "#/" }, "Runs")), trouble, shown);
window.addEventListener("hashchange", route);
route();
