"use strict";
/* Elements, times and colours. Untrusted text gets onto the page through `textContent` only. */

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== "") element.append(child instanceof Node ? child : String(child));
  }
  return element;
};

const fixed = (value, digits = 1) => value.toFixed(digits);

/* A time span of so many milliseconds: 8.4 s, 3 min 05 s, 2 h 10 min. */
const span = (ms) => {
  if (ms < 59950) return `${fixed(Math.max(0, ms) / 1000, ms > 0 && ms < 95 ? 2 : 1)} s`;
  const whole = Math.round(ms / 1000);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
};

/* A moment on an axis whose ticks are `step` milliseconds apart: 1:05, 1:05.2, 2:10:00. */
const moment = (ms, step = 1000) => {
  const sign = ms < 0 ? "−" : "";
  const all = Math.abs(ms) / 1000;
  const digits = step >= 1000 ? 0 : step >= 100 ? 1 : step >= 10 ? 2 : 3;
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor((all % 3600) / 60);
  const seconds = (all % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${sign}${minutes}:${seconds}`;
};

/* The distance between ticks, in milliseconds, that leaves `room` pixels for each. */
const TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 432e5];
const tickStep = (msPerPixel, room) => TICKS.find((step) => step / msPerPixel >= room) || 864e5;

const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

/* Returns the current colour of a custom property: light or dark. */
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
};

const table = (head, rows, { numbers = [], caption = "", unseen = false } = {}) => {
  const right = head.map((name) => numbers.includes(name));
  return make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    make("table", {},
      caption ? make("caption", { class: unseen ? "unseen" : "" }, caption) : null,
      make("thead", {}, make("tr", {}, head.map((name, at) => make("th", { scope: "col", class: right[at] ? "number" : "" }, name)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((cell, at) =>
        at ? make("td", { class: right[at] ? "number" : "" }, cell) : make("th", { scope: "row", class: right[at] ? "number" : "" }, cell)))))));
};

const section = (id, title, ...children) =>
  make("section", { id, "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title), children);

/* Calls `draw` at most once a frame. */
const oncePerFrame = (draw) => {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
};
