"use strict";
/* Every function and its steps over time: a grid in which only the visible rows are elements. */

const SPARE = 4; // rows beyond the edge, so that a fast scroll shows no gap

class Timeline {
  /* `chosen`: called with the function whose row was opened. */
  constructor(data, functions, view, chosen) {
    Object.assign(this, { data, functions, view, chosen, shown: functions, at: 0, rows: [], rowHeight: 28 });
    this.paint = oncePerFrame(() => this.draw());
    this.axis = make("canvas", { class: "axis", "aria-hidden": "true" });
    this.space = make("div", { class: "space", role: "presentation" });
    this.head = make("div", { class: "row head", role: "row", "aria-rowindex": "1" },
      ["function", "outcome", "own work", "waited"].map((name) => make("div", { role: "columnheader", class: `cell ${name.replace(" ", "-")}` }, name)),
      make("div", { role: "columnheader", class: "cell bars" }, this.axis, make("span", { class: "unseen" }, "steps over time")));
    this.list = make("div", {
      class: "rows", role: "grid", tabindex: "0", "aria-label": "Functions and their steps over time",
      "aria-describedby": "timeline-keys", onkeydown: (event) => this.key(event), onscroll: this.paint,
      onclick: (event) => this.click(event), onfocus: this.paint, onblur: this.paint,
    }, this.head, this.space);
    this.list.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    view.heard.push(this.paint);
  }

  show(shown) {
    this.shown = shown;
    this.at = Math.max(0, Math.min(this.at, shown.length - 1));
    this.list.scrollTop = 0;
    this.at = 0;
    this.fit();
  }

  /* Shows other functions, or a newer state of the same ones, at the same scroll position with the same one marked. */
  keep(shown) {
    const marked = this.shown[this.at];
    const there = marked ? shown.findIndex((one) => one.number === marked.number) : -1;
    this.shown = shown;
    this.at = there >= 0 ? there : Math.max(0, Math.min(this.at, shown.length - 1));
    this.fit();
  }

  fit() {
    this.rowHeight = parseFloat(getComputedStyle(this.list).getPropertyValue("--row")) || 28;
    const all = this.shown.length * this.rowHeight;
    this.space.style.height = `${all}px`;
    this.list.style.height = `min(${Math.max(all, 2 * this.rowHeight) + this.head.offsetHeight + 2}px, 70vh, 640px)`;
    this.list.setAttribute("aria-rowcount", String(this.shown.length + 1));
    this.rows.forEach((row) => { row.number = -1; });
    this.paint();
  }

  /* Places the visible rows, and draws their bars. */
  draw() {
    const colour = this.colour || (this.colour = colours());
    const height = this.list.clientHeight;
    const first = Math.max(0, Math.floor(this.list.scrollTop / this.rowHeight) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((this.list.scrollTop + height) / this.rowHeight) + SPARE);
    while (this.rows.length < last - first) this.rows.push(this.element());
    const looked = `${this.view.from} ${this.view.to}`;
    const again = looked !== this.looked;
    this.looked = looked;
    const width = this.axis.parentElement.clientWidth;
    const size = { width, height: this.barHeight() };
    this.rows.forEach((row) => { row.used = false; });
    const free = this.rows.filter((row) => row.number < first || row.number >= last);
    const placed = new Map(this.rows.filter((row) => row.number >= first && row.number < last).map((row) => [row.number, row]));
    for (let number = first; number < last; number++) {
      const row = placed.get(number) || free.pop();
      row.used = true;
      if (row.number !== number) this.fill(row, number);
      else if (!again && row.width === width) { this.mark(row); continue; }
      row.width = width;
      this.mark(row);
      this.bars(row.canvas, this.shown[number], size, colour);
    }
    for (const row of this.rows) row.element.hidden = !row.used;
    // The marked row is no element while it is out of sight.
    if (this.at < first || this.at >= last) this.list.removeAttribute("aria-activedescendant");
    this.drawAxis(width, colour);
  }

  barHeight() { return this.rowHeight > 40 ? 16 : this.rowHeight - 8; }

  element() {
    const cells = ["function", "outcome", "own-work", "waited"].map((name) => make("div", { role: "gridcell", class: `cell ${name}` }));
    const canvas = make("canvas", { "aria-hidden": "true" });
    const told = make("span", { class: "unseen" });
    const element = make("div", { class: "row", role: "row" }, cells, make("div", { role: "gridcell", class: "cell bars" }, canvas, told));
    this.space.append(element);
    return { element, cells, canvas, told, number: -1, used: false, width: 0 };
  }

  fill(row, number) {
    const one = this.shown[number];
    row.number = number;
    row.element.style.transform = `translateY(${number * this.rowHeight}px)`;
    row.element.id = `row-${number}`;
    row.element.setAttribute("aria-rowindex", String(number + 2));
    const texts = [one.key, one.outcome, span(one.work), span(one.waited)];
    row.cells.forEach((cell, at) => { cell.textContent = texts[at]; });
    row.cells[0].title = one.key;
    row.cells[1].dataset.outcome = row.cells[1].title = one.outcome;
    row.told.textContent = one.spans.map((each) => `${each.step} ${span(each.to - each.from)}${each.ok ? "" : " failed"}`).join(", ");
  }

  mark(row) {
    const active = row.number === this.at;
    row.element.classList.toggle("active", active);
    row.element.setAttribute("aria-selected", String(active));
    if (active) this.list.setAttribute("aria-activedescendant", row.element.id);
  }

  place(at, width) { return ((at - this.view.from) / (this.view.to - this.view.from)) * width; }

  sized(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(width * ratio);
    const high = Math.round(height * ratio);
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  bars(canvas, one, { width, height }, colour) {
    const context = this.sized(canvas, width, height);
    for (const each of one.spans) {
      const left = this.place(each.from, width);
      const right = this.place(each.to, width);
      if (right < 0 || left > width) continue;
      const thin = each.kind === "queue";
      const long = Math.max(1, right - left);
      context.fillStyle = colour(each.kind);
      context.fillRect(left, thin ? height / 2 - 2 : 1, long, thin ? 4 : height - 2);
      if (!each.ok) {
        context.fillStyle = colour("bad");
        context.fillRect(left, height - 5, Math.max(3, long), 4);
      }
    }
    context.fillStyle = colour("bad");
    for (const again of one.tries) {
      const x = this.place(again.at, width);
      if (x >= 0 && x <= width) context.fillRect(x - 1, 0, 2, height);
    }
  }

  drawAxis(width, colour) {
    const context = this.sized(this.axis, width, 26);
    this.told = 0; // up to where there is text
    const step = tickStep((this.view.to - this.view.from) / Math.max(1, width), 80);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "bottom";
    for (const wave of this.data.waves) this.flag(context, wave[4], width, colour("wave"), `wave ${wave[0]}`);
    for (const gap of this.data.gaps) this.flag(context, gap[0], width, colour("bad"), `resumed ${span(1000 * gap[1])} later`);
    context.fillStyle = colour("text");
    for (let at = Math.ceil(this.view.from / step) * step; at <= this.view.to; at += step) {
      const x = this.place(at, width);
      context.fillRect(x, 14, 1, 12);
      context.fillText(moment(at, step), Math.min(x + 4, width - 40), 26);
    }
  }

  flag(context, at, width, colour, words) {
    const x = this.place(at, width);
    if (x < 0 || x > width) return;
    context.fillStyle = colour;
    context.fillRect(x, 0, 2, 26);
    if (x < this.told) return;
    context.fillText(words, x + 4, 12);
    this.told = x + 8 + context.measureText(words).width;
  }

  go(number) {
    if (!this.shown.length) return;
    this.at = Math.max(0, Math.min(this.shown.length - 1, number));
    const top = this.at * this.rowHeight;
    const room = this.list.clientHeight - this.head.offsetHeight;
    if (top < this.list.scrollTop) this.list.scrollTop = top;
    if (top + this.rowHeight > this.list.scrollTop + room) this.list.scrollTop = top + this.rowHeight - room;
    this.paint();
  }

  open() { if (this.shown.length) this.chosen(this.shown[this.at]); }

  key(event) {
    const page = Math.max(1, Math.floor(this.list.clientHeight / this.rowHeight) - 2);
    const does = {
      ArrowDown: () => this.go(this.at + 1), ArrowUp: () => this.go(this.at - 1), PageDown: () => this.go(this.at + page),
      PageUp: () => this.go(this.at - page), Home: () => this.go(0), End: () => this.go(this.shown.length - 1),
      Enter: () => this.open(), " ": () => this.open(), ArrowLeft: () => this.view.move(-0.2), ArrowRight: () => this.view.move(0.2),
      "+": () => this.view.zoom(0.5), "=": () => this.view.zoom(0.5), "-": () => this.view.zoom(2), 0: () => this.view.all(),
    }[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  }

  click(event) {
    const element = event.target.closest(".space .row");
    if (!element) return;
    this.go(this.rows.find((row) => row.element === element).number);
    this.open();
  }

  /* With Ctrl the wheel zooms around the pointer, with Shift it moves in time. */
  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const turned = event.deltaY || event.deltaX;
    if (event.shiftKey) { this.view.move(Math.sign(turned) * 0.1); return; }
    const box = this.axis.getBoundingClientRect();
    this.view.zoom(turned > 0 ? 1.25 : 0.8, Math.min(1, Math.max(0, (event.clientX - box.left) / Math.max(1, box.width))));
  }
}
