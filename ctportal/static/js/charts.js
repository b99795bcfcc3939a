// Draws the table beside each canvas: `<canvas data-chart="line" data-table="ID">`.
//
// The first column gives the labels; each other column whose heading has `data-series` is a series with that name.
// A cell's number is its `data-value`, or its text. So whoever cannot see the drawing reads the same figures.
//
// Of the canvas: data-chart is line, bar or stacked; data-low and data-high bound the axis; data-percent writes it in
// per cent, data-unit with a unit behind its numbers, data-whole in whole numbers. Of a heading: data-tone names a colour of the theme; data-dash draws a dashed line; data-axis="right".
const TONES = ["info", "alarm", "calm", "warn", "odd", "quiet"];
const drawn = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function numberIn(cell) {
  const text = cell?.dataset.value ?? cell?.textContent.replace(/[^\d.+-]/g, "") ?? "";
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

function seriesOf(table, kind) {
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  const labels = rows.map((row) => row.cells[0].dataset.label ?? row.cells[0].textContent.trim());
  const shown = headings.map((heading, column) => ({ heading, column })).filter(({ heading }) => heading.dataset.series);
  const datasets = shown.map(({ heading, column }, index) => {
    const tone = colour(heading.dataset.tone ?? TONES[index % TONES.length]);
    return {
      label: heading.dataset.series,
      data: rows.map((row) => numberIn(row.cells[column])),
      texts: rows.map((row) => row.cells[column]?.textContent.trim()),
      borderColor: tone,
      backgroundColor: kind === "line" ? "transparent" : tone,
      borderWidth: kind === "line" ? 2 : 0,
      maxBarThickness: 56,
      borderDash: "dash" in heading.dataset ? [6, 4] : [],
      pointRadius: rows.length > 40 ? 0 : 2.5,
      spanGaps: true,
      yAxisID: heading.dataset.axis === "right" ? "right" : "y",
    };
  });
  return { labels, datasets };
}

function axis(canvas, more = {}) {
  const { low, high, unit } = canvas.dataset;
  const percent = "percent" in canvas.dataset;
  const written = (value) => (percent ? `${Math.round(value * 100)} %` : `${value} ${unit}`);
  return {
    min: low === undefined ? undefined : Number(low),
    max: high === undefined ? undefined : Number(high),
    grid: { color: colour("line") },
    ticks: {
      color: colour("ink-muted"),
      callback: percent || unit ? written : undefined,
      precision: "whole" in canvas.dataset ? 0 : undefined,
    },
    ...more,
  };
}

function draw(canvas) {
  const table = document.getElementById(canvas.dataset.table);
  if (!table?.tHead || !table.tBodies.length) return;
  const kind = canvas.dataset.chart === "line" ? "line" : "bar";
  const stacked = canvas.dataset.chart === "stacked";
  const data = seriesOf(table, kind);
  const right = data.datasets.some((set) => set.yAxisID === "right");
  drawn.get(canvas)?.destroy();
  const chart = new Chart(canvas, {
    type: kind,
    data,
    options: {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: { stacked, grid: { display: false }, ticks: { color: colour("ink-muted"), maxRotation: 0, autoSkip: true } },
        y: axis(canvas, { stacked }),
        ...(right ? { right: { position: "right", grid: { display: false }, ticks: { color: colour("ink-muted") } } } : {}),
      },
      plugins: {
        legend: { labels: { color: colour("ink-soft"), boxWidth: 14, boxHeight: kind === "line" ? 2 : 8 } },
        tooltip: { callbacks: { label: ({ dataset, dataIndex }) => `${dataset.label}: ${dataset.texts[dataIndex]}` } },
      },
    },
  });
  drawn.set(canvas, chart);
}

function drawAll() {
  for (const [canvas, chart] of drawn) {
    if (!canvas.isConnected) {
      chart.destroy();
      drawn.delete(canvas);
    }
  }
  for (const canvas of document.querySelectorAll("canvas[data-chart]")) draw(canvas);
}

// A part of the page that HTMX has put in may bring new figures; the theme may change under the drawing.
document.addEventListener("htmx:afterSettle", drawAll);
new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-shown-theme"] });
drawAll();
