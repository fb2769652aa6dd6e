"use strict";
/* The visible time range, which all charts share, and slots in use over time, with their limit. */

class TimeWindow {
  constructor(total) {
    this.total = Math.max(1, total);
    this.from = 0;
    this.to = this.total;
    this.heard = [];
  }

  set(from, to) {
    const least = Math.min(this.total, 20);
    const length = Math.min(this.total, Math.max(least, to - from));
    this.from = Math.min(Math.max(0, from), this.total - length);
    this.to = this.from + length;
    for (const hear of this.heard) hear();
  }

  all() { this.set(0, this.total); }

  /* The total time has grown: a view of all of it, or of its end, follows. */
  grow(total) {
    const all = this.from <= 0 && this.to >= this.total;
    const length = this.to - this.from;
    const atEnd = this.to >= this.total;
    this.total = Math.max(1, total);
    if (all) this.all();
    else if (atEnd) this.set(this.total - length, this.total);
  }

  /* Shows `factor` times as much, around a position between 0 (the beginning) and 1 (the end). */
  zoom(factor, around = 0.5) {
    const length = this.to - this.from;
    const pivot = this.from + around * length;
    this.set(pivot - around * length * factor, pivot + (1 - around) * length * factor);
  }

  move(share) {
    const step = share * (this.to - this.from);
    this.set(this.from + step, this.to + step);
  }
}

/* The columns of a chart: times, slots in use, the limit, refusals. A value is valid until it changes. */
const slotColumns = (scope, total) => {
  const [times, counts] = scope.slots;
  const all = [...new Set([0, ...times, ...scope.limits.map((one) => one[0]), ...scope.refused, total])].sort((a, b) => a - b);
  const held = [];
  const allowed = [];
  const refused = all.map(() => null);
  let used = 0;
  let limit = null;
  let nextUse = 0;
  let nextLimit = 0;
  for (const [row, at] of all.entries()) {
    while (nextUse < times.length && times[nextUse] <= at) used = counts[nextUse++];
    while (nextLimit < scope.limits.length && scope.limits[nextLimit][0] <= at) limit = scope.limits[nextLimit++][1];
    held[row] = used;
    allowed[row] = limit;
  }
  const places = new Map(all.map((at, row) => [at, row]));
  for (const at of scope.refused) {
    const row = places.get(at);
    refused[row] = Math.max(held[row], allowed[row] || 0);
  }
  return [all, held, allowed, refused];
};

const highest = (columns) => columns[1].concat(columns[2]).reduce((most, value) => Math.max(most, value || 0), 1);

/* Lines where waves begin. */
const waveMarks = (chart, waves, colour) => {
  const { ctx: context, bbox: box } = chart;
  context.save();
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = devicePixelRatio;
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  context.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const [number, , , , from] of waves) {
    if (from < chart.scales.x.min || from > chart.scales.x.max) continue;
    const left = Math.round(chart.valToPos(from, "x", true));
    context.beginPath();
    context.moveTo(left, box.top);
    context.lineTo(left, box.top + box.height);
    context.stroke();
    context.fillText(`wave ${number}`, left + 4 * devicePixelRatio, box.top + 11 * devicePixelRatio);
  }
  context.restore();
};

const slotsOptions = (width, view, data) => {
  const colour = colours();
  const stepped = uPlot.paths.stepped({ align: 1 });
  const axis = { stroke: colour("text"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  return {
    width,
    height: 220,
    scales: { x: { time: false, range: () => [view.from, view.to] }, y: { range: (chart) => [0, highest(chart.data) * 1.15] } },
    legend: { live: true },
    cursor: { drag: { x: true, y: false, setScale: false } },
    hooks: {
      draw: [(chart) => waveMarks(chart, data.waves, colours()("wave"))],
      setSelect: [(chart) => {
        if (chart.select.width < 4) return;
        const from = chart.posToVal(chart.select.left, "x");
        const to = chart.posToVal(chart.select.left + chart.select.width, "x");
        chart.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        view.set(from, to);
      }],
    },
    axes: [
      { ...axis, incrs: TICKS, space: 70, values: (_, ticks) => ticks.map((at) => moment(at, ticks.length > 1 ? ticks[1] - ticks[0] : 1000)) },
      { ...axis, size: 44, values: (_, ticks) => ticks.map((value) => (Number.isInteger(value) ? value : "")) },
    ],
    series: [
      { label: "after", value: (_, at) => (at === null ? "–" : moment(at, 100)) },
      { label: "slots in use", stroke: colour("track"), fill: colour("track-soft"), width: 1.5, paths: stepped, points: { show: false } },
      { label: "limit", stroke: colour("limit"), width: 2, dash: [6, 4], paths: stepped, points: { show: false } },
      { label: "refused", stroke: colour("bad"), paths: () => null, points: { show: true, size: 8, fill: colour("bad") } },
    ],
  };
};

/* A chart for one folder or cloud at a time, and the same as a table. */
const slotsSection = (data, view) => {
  if (!data.scopes.length) return null;
  const box = make("div", { class: "chart", role: "img" });
  const words = make("div");
  const choice = make("select", { id: "scope" }, data.scopes.map((scope, at) => make("option", { value: at }, scope.name)));
  // It opens on the limit that held the run up longest.
  choice.value = String(data.scopes.reduce((most, scope, at) => (scope.full > data.scopes[most].full ? at : most), 0));
  let chart = null;
  const width = () => Math.max(240, box.clientWidth);
  const told = () => {
    const scope = data.scopes[Number(choice.value)];
    const columns = slotColumns(scope, data.total_ms);
    const limits = scope.limits.map((one) => one[1]);
    const allowed = limits.length ? `; the limit was ${[...new Set(limits)].join(", then ")}` : "";
    box.setAttribute("aria-label",
      `Slots in use of ${scope.name} over time: at most ${scope.most}${allowed}; ${count(scope.refused.length, "refusal")}`);
    if (!words.contains(document.activeElement)) words.replaceChildren(slotsTable(scope, columns, data.total_ms));
    return columns;
  };
  const draw = () => {
    const columns = told();
    if (chart) chart.destroy();
    chart = new uPlot(slotsOptions(width(), view, data), columns, box);
  };
  const again = () => chart.setData(told());
  choice.addEventListener("change", draw);
  view.heard.push(oncePerFrame(() => chart && chart.redraw(true, true)));
  const fit = oncePerFrame(() => chart && chart.setSize({ width: width(), height: 220 }));
  const drawn = section("slots", "Slots in use",
    make("p", {}, make("label", { for: "scope" }, "Of "), choice,
      " Drag across the chart to select a time range. The timeline follows."),
    box, make("details", {}, make("summary", {}, "As a table"), words));
  return { drawn, draw, again, fit };
};

/* The same as rows: the changes of the limit, and for 20 equal time spans the most slots in use. */
const slotsTable = (scope, columns, total) => {
  const [times, held] = columns;
  const rows = [];
  const parts = Math.min(20, Math.max(1, Math.ceil(total / 1000)));
  let row = 0;
  let carried = 0;
  for (let part = 0; part < parts; part++) {
    const end = ((part + 1) * total) / parts;
    let most = carried;
    while (row < times.length && times[row] < end) { most = Math.max(most, held[row]); carried = held[row++]; }
    const refused = scope.refused.filter((at) => at >= (part * total) / parts && at < end).length;
    rows.push([moment((part * total) / parts), String(most), String(refused)]);
  }
  const limits = scope.limits.map(([at, allowed, reason]) => [moment(at), String(allowed), reason]);
  return make("div", {},
    table(["from", "most in use", "refusals"], rows, { numbers: ["most in use", "refusals"], caption: `Slots in use of ${scope.name}` }),
    table(["from", "limit", "reason"], limits, { numbers: ["limit"], caption: `Limit of ${scope.name}` }));
};
