// Draws figures with the chart library from the tables that are on the page already.
"use strict";
(() => {
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  if (!figures.length || !window.Plotly) return;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const read = (figure) => {
    const table = figure.querySelector("table");
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...table.tBodies[0].rows];
    const labels = rows.map((row) => row.cells[0].textContent.trim());
    return heads.slice(1).map((head, at) => ({
      name: head.textContent.trim(),
      tone: head.dataset.tone || "plain",
      x: labels,
      y: rows.map((row) => {
        const value = row.cells[at + 1].dataset.v;
        return value === "" || value === undefined ? null : Number(value);
      }),
    }));
  };

  const layout = (figure, width) => ({
    margin: { l: 56, r: 12, t: 8, b: 40 },
    height: 240,
    barmode: "stack",
    bargap: 0.18,
    showlegend: false,
    hovermode: "x unified",
    dragmode: false,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: colour("--dim"), size: 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: colour("--surface"), bordercolor: colour("--line"),
      font: { color: colour("--text") } },
    xaxis: { type: "category", nticks: Math.max(2, Math.floor(width / 110)), tickangle: 0, automargin: true, gridcolor: colour("--line"),
      linecolor: colour("--line"), fixedrange: true },
    yaxis: { rangemode: "tozero", gridcolor: colour("--line"), zerolinecolor: colour("--line"),
      fixedrange: true, automargin: true, title: { text: figure.dataset.unit, standoff: 8 } },
  });

  const draw = (figure) => {
    const plot = figure.querySelector(".plot");
    const line = figure.dataset.chart === "line";
    const traces = read(figure).map((one) => ({
      name: one.name, x: one.x, y: one.y,
      type: line ? "scatter" : "bar",
      mode: line ? "lines+markers" : undefined,
      line: line ? { color: colour(`--${one.tone}`), width: 2 } : undefined,
      marker: { color: colour(`--${one.tone}`), size: 5 },
    }));
    plot.hidden = false;
    const bars = figure.querySelector("svg.bars");
    if (bars) bars.remove();
    window.Plotly.react(plot, traces, layout(figure, figure.clientWidth), { displayModeBar: false, responsive: true });
  };

  const drawAll = () => figures.forEach(draw);
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.addEventListener("figure-changed", (event) => {
    if (figures.includes(event.target)) draw(event.target);
  });
})();
