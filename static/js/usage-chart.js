// The graph of Usage Analytics: one canvas, one time axis, two panels. Above: credits used, as bars
// stacked by usage type, those of today hatched, and a mark where credits were added. Below: calls.
// Reads the numbers from its data-usage and the colours from the stylesheet; draws again when
// either changes. Needs Chart.js on the page.

const numbers = new Intl.NumberFormat("en-GB");
const short = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
// Along an axis longer numbers would take the room of the bars.
const shorter = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 2 });
const onAxis = (value) => (value < 10_000_000 ? numbers : shorter).format(value);
const counted = (count, one, many) => `${numbers.format(count)} ${count === 1 ? one : many}`;
const credits = (count) => counted(count, "credit", "credits");

// Not grouped: the bars of the two panels stand above each other, not side by side.
const BARS = {
  grouped: false,
  maxBarThickness: 64,
  categoryPercentage: 0.8,
  barPercentage: 0.9,
  order: 1,
};
// With more days there is no room to say how many credits were added.
const DAYS_WITH_WORDS_MAX = 14;

let chart = null;
let listening = null; // what the keys of the canvas are listened to with, while its chart is there

// A custom property may hold light-dark(…): only a computed colour says which of the two it is.
const colours = () => {
  const probe = document.body.appendChild(document.createElement("i"));
  const named = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    ink: named("ink"),
    soft: named("soft"),
    raised: named("raised"),
    line: named("line"),
    accent: named("accent"),
    grid: named("chart-grid"),
    weekend: named("chart-weekend"),
    calls: named("chart-calls"),
    added: named("chart-added"),
    high: named("chart-high"),
    ofType: (type) => named(`chart-${type}`),
  };
  const types = {};
  for (const type of ["outbound", "inbound", "translation"]) types[type] = found.ofType(type);
  probe.remove();
  return { ...found, types };
};

// What the tooltip says of a day under the numbers of the bars, and the reader's voice after them.
const remarksOn = (day) => {
  const lines = day.unfinished ? ["Not over yet"] : [];
  lines.push(`Billed time: ${counted(day.billed_minutes, "minute", "minutes")}`);
  if (day.credits_added) lines.push(`Added: +${credits(day.credits_added)}`);
  if (day.credits_removed) lines.push(`Expired or taken back: −${credits(day.credits_removed)}`);
  if (day.times_usual) lines.push(`High usage: ${day.times_usual.toFixed(1)} × the usual`);
  return lines;
};

const spoken = (day) =>
  [
    `${day.label}: ${counted(day.calls, "call", "calls")}`,
    `${credits(day.credits_used)} used`,
    ...remarksOn(day),
  ].join(". ");

// Where the words of credits added stand: above the bar, and above its mark if it has one.
const aboveBar = (day, panel) => {
  const tip = panel.getPixelForValue(Math.max(0, day.credits_used)) - (day.times_usual ? 18 : 5);
  return Math.max(tip, panel.top);
};

// Weekends, marks and the column under the pointer, which Chart.js has no datasets for.
const marks = (days, colour) => ({
  id: "marks",
  beforeDatasetsDraw({ ctx, chartArea, scales: { x, credits: panel }, tooltip }) {
    const width = (chartArea.right - chartArea.left) / days.length;
    const column = (index, style) => {
      ctx.fillStyle = style;
      // Whole pixels: two weekend days next to each other show no seam.
      const left = Math.round(chartArea.left + index * width);
      const right = Math.round(chartArea.left + (index + 1) * width);
      ctx.fillRect(left, chartArea.top, right - left, chartArea.height);
    };
    ctx.save();
    days.forEach((day, index) => day.weekend && column(index, colour.weekend));
    const active = tooltip?.getActiveElements()[0];
    if (active) {
      ctx.globalAlpha = 0.1;
      column(active.index, colour.ink);
      ctx.globalAlpha = 1;
    }
    ctx.fillStyle = colour.added;
    days.forEach((day, index) => {
      if (!day.credits_added) return;
      const middle = x.getPixelForValue(index);
      const tip = aboveBar(day, panel);
      ctx.fillRect(middle - 0.75, tip, 1.5, panel.getPixelForValue(0) - tip);
    });
    ctx.restore();
  },
  afterDatasetsDraw({ ctx, width, scales: { x, credits: panel } }) {
    ctx.save();
    ctx.fillStyle = colour.added;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.font = `600 12px ${Chart.defaults.font.family}`;
    days.forEach((day, index) => {
      if (!day.credits_added) return;
      const few = days.length <= DAYS_WITH_WORDS_MAX;
      const words = few ? `+${short.format(day.credits_added)}` : "+";
      const half = ctx.measureText(words).width / 2;
      const middle = x.getPixelForValue(index);
      ctx.fillText(words, Math.min(middle, width - half), aboveBar(day, panel));
    });
    ctx.fillStyle = colour.high;
    days.forEach((day, index) => {
      if (!day.times_usual) return;
      const middle = x.getPixelForValue(index);
      const tip = panel.getPixelForValue(day.credits_used) - 7;
      ctx.beginPath();
      ctx.moveTo(middle - 5, tip - 8);
      ctx.lineTo(middle + 5, tip - 8);
      ctx.lineTo(middle, tip);
      ctx.fill();
    });
    ctx.restore();
  },
});

// Lines of the surface across the colour: what is not over yet.
const hatched = (colour, { raised }) => {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const ctx = tile.getContext("2d");
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 8, 8);
  ctx.strokeStyle = raised;
  ctx.lineWidth = 2.5;
  ctx.beginPath();
  for (const from of [-4, 4, 12]) {
    ctx.moveTo(from - 4, 8);
    ctx.lineTo(from + 4, 0);
  }
  ctx.stroke();
  return ctx.createPattern(tile, "repeat");
};

const fills = (days, colour, colours) =>
  days.map((day) => (day.unfinished ? hatched(colour, colours) : colour));

const datasetsOf = ({ days, usage_types: types }, colour) => [
  ...types.map(([type, label]) => ({
    type: "bar",
    label,
    yAxisID: "credits",
    stack: "credits",
    data: days.map((day) => day.by_type[type] ?? 0),
    backgroundColor: fills(days, colour.types[type], colour),
    hoverBackgroundColor: fills(days, colour.types[type], colour),
    borderColor: colour.raised,
    borderWidth: { top: 1 },
    borderSkipped: false,
    ...BARS,
  })),
  {
    type: "bar",
    label: "Calls",
    yAxisID: "calls",
    data: days.map((day) => day.calls),
    backgroundColor: fills(days, colour.calls, colour),
    hoverBackgroundColor: fills(days, colour.calls, colour),
    ...BARS,
  },
];

const panelScale = (colour, title, weight, values) => ({
  stack: "panels",
  stackWeight: weight,
  stacked: title === "Credits",
  offset: true,
  beginAtZero: true,
  // Without any use the axis would shrink to nothing.
  suggestedMax: Math.max(4, ...values),
  grace: "12%",
  border: { display: false },
  grid: { color: colour.grid, drawTicks: false },
  title: { display: true, text: title, color: colour.soft, font: { size: 12 } },
  ticks: {
    color: colour.soft,
    font: { size: 12 },
    precision: 0,
    maxTicksLimit: weight > 2 ? 6 : 4,
    padding: 8,
    callback: onAxis,
  },
});

const optionsOf = ({ days }, colour) => ({
  responsive: true,
  maintainAspectRatio: false,
  animation: false, // drawn again for paper, it must be there at once
  layout: { padding: { top: 14, right: 4 } },
  interaction: { mode: "index", intersect: false },
  scales: {
    x: {
      stacked: true,
      offset: true,
      border: { display: false },
      grid: { display: false },
      ticks: { color: colour.soft, font: { size: 12 }, maxRotation: 0, autoSkipPadding: 14 },
    },
    // The first one is the lower panel.
    calls: panelScale(colour, "Calls", 2, days.map((day) => day.calls)),
    credits: panelScale(colour, "Credits", 3, days.map((day) => day.credits_used)),
  },
  plugins: {
    legend: { display: false },
    tooltip: {
      backgroundColor: colour.raised,
      borderColor: colour.line,
      borderWidth: 1,
      titleColor: colour.ink,
      bodyColor: colour.ink,
      footerColor: colour.soft,
      footerFont: { weight: "normal" },
      padding: 12,
      boxPadding: 6,
      boxWidth: 10,
      boxHeight: 10,
      cornerRadius: 6,
      multiKeyBackground: "transparent",
      caretSize: 0,
      caretPadding: 12,
      callbacks: {
        title: ([item]) => days[item.dataIndex].label,
        beforeBody: ([item]) => `Credits used: ${numbers.format(days[item.dataIndex].credits_used)}`,
        label: (item) => `${item.dataset.label}: ${numbers.format(item.raw)}`,
        labelColor: (item) => ({
          backgroundColor: item.dataset.backgroundColor[item.dataIndex],
          borderColor: item.dataset.backgroundColor[item.dataIndex],
          borderWidth: 0,
          borderRadius: 2,
        }),
        footer: ([item]) => remarksOn(days[item.dataIndex]),
      },
    },
  },
});

// Arrow keys move the tooltip from day to day, and its content is read aloud.
const followKeys = (canvas, days, voice) => {
  let at = -1;
  const show = (index) => {
    at = index;
    const elements =
      index < 0
        ? []
        : chart.data.datasets.map((_, datasetIndex) => ({ datasetIndex, index }));
    const { x = 0, y = 0 } = index < 0 ? {} : chart.getDatasetMeta(0).data[index];
    chart.setActiveElements(elements);
    chart.tooltip.setActiveElements(elements, { x, y });
    chart.update("none");
    voice.textContent = index < 0 ? "" : spoken(days[index]);
  };
  const moves = {
    ArrowLeft: () => Math.max(0, at < 0 ? days.length - 1 : at - 1),
    ArrowRight: () => Math.min(days.length - 1, at + 1),
    Home: () => 0,
    End: () => days.length - 1,
    Escape: () => -1,
  };
  const { signal } = listening;
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(move());
  }, { signal });
  canvas.addEventListener("blur", () => show(-1), { signal });
};

const remove = () => {
  chart?.destroy();
  listening?.abort();
  chart = listening = null;
};

const draw = () => {
  const canvas = document.getElementById("usage-chart");
  if (chart?.canvas === canvas && canvas) return;
  remove();
  if (!canvas || !window.Chart) return;
  const usage = JSON.parse(canvas.dataset.usage);
  const colour = colours();
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  chart = new Chart(canvas, {
    data: { labels: usage.days.map((day) => day.short), datasets: datasetsOf(usage, colour) },
    options: optionsOf(usage, colour),
    plugins: [marks(usage.days, colour)],
  });
  listening = new AbortController();
  followKeys(canvas, usage.days, document.getElementById("usage-chart-voice"));
};

const drawAgain = () => {
  remove();
  draw();
};

draw();
document.addEventListener("htmx:afterSettle", draw);
document.addEventListener("themechange", drawAgain);
