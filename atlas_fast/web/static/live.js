// Follows runs that are on: figures come as server-sent events, the page is drawn anew at the end.
"use strict";
(() => {
  const box = document.querySelector("[data-live]");
  if (!box) return;
  const state = box.querySelector("[data-live-state]");
  const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const number = (value, digits) => (Number.isFinite(value)
    ? digits ? value.toFixed(digits) : whole.format(value) : "–");
  const seconds = (value) => {
    if (!Number.isFinite(value)) return "–";
    if (value < 1) return `${(value * 1000).toFixed(1)} ms`;
    if (value < 120) return `${value.toFixed(1)} s`;
    const minutes = Math.floor(Math.round(value) / 60);
    return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`
      : `${minutes} min ${Math.round(value) % 60} s`;
  };
  const size = (value) => {
    if (!value) return "–";
    let unit = 0;
    while (value >= 1000 && unit < 3) { value /= 1000; unit += 1; }
    return `${value.toFixed(unit ? 1 : 0)} ${["B", "kB", "MB", "GB"][unit]}`;
  };
  const share = (value, digits = 1) => (Number.isFinite(value)
    ? `${(100 * value).toFixed(digits)} %` : "–");

  const say = (part, name, text) => {
    const field = part.querySelector(`[data-f="${name}"]`);
    if (field && field.textContent !== text) field.textContent = text;
  };

  // Rows of a table by their first cell; cells that are no text (bars) are left alone.
  const fill = (table, rows) => {
    if (!table) return;
    const body = table.tBodies[0];
    const there = new Map([...body.rows].map((row) => [row.cells[0].textContent.trim(), row]));
    const heads = [...table.tHead.rows[0].cells];
    for (const [name, ...cells] of rows) {
      let row = there.get(name);
      if (!row) {
        row = body.insertRow();
        const head = document.createElement("th");
        head.scope = "row";
        head.textContent = name;
        row.append(head);
        heads.slice(1).forEach((one) => { row.insertCell().className = one.className; });
      }
      cells.forEach((text, at) => {
        const cell = row.cells[at + 1];
        if (!cell.querySelector("svg")) cell.textContent = text;
        else cell.querySelector("rect:last-of-type").setAttribute("width", String(100 * text));
      });
    }
  };

  const draw = (part, series) => {
    const figure = part.querySelector("figure");
    const body = figure?.querySelector("tbody");
    if (!body) return;
    const steps = series.slice(1).map((after, at) => [series[at], after])
      .filter(([before, after]) => after[0] > before[0]);
    body.replaceChildren(...steps.map(([before, after]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = after[0].toFixed(1);
      row.append(head);
      for (const column of [1, 2]) {
        const cell = row.insertCell();
        const rate = Math.max(0, after[column] - before[column]) / (after[0] - before[0]);
        cell.className = "n";
        cell.dataset.v = String(Math.round(rate));
        cell.textContent = whole.format(rate);
      }
      return row;
    }));
    figure.querySelector("p.note")?.remove();
    figure.dispatchEvent(new CustomEvent("figure-changed", { bubbles: true }));
  };

  const show = (part, told) => {
    const of = told.report;
    const looked = of.looked ?? Math.max(0, (of.messages || 0) - (of.known || 0));
    const stages = Object.entries(of.stages || {});
    const spent = stages.reduce((sum, [, used]) => sum + used, 0);
    say(part, "state", told.state === "running" ? "going on" : "waiting");
    say(part, "messages", number(of.messages));
    say(part, "seconds", seconds(of.seconds));
    say(part, "rate", number(looked / of.seconds));
    say(part, "rows", number((of.stored || 0) / of.seconds));
    say(part, "stored", number(of.stored || 0));
    say(part, "grouped", number(of.grouped || 0));
    say(part, "queue", number(of.queue || 0));
    say(part, "used", number(spent / of.seconds, 1));
    say(part, "memory", size(of.memory));
    say(part, "peak", size(of.peak_bytes));
    fill(part.querySelector("[data-stages]"), stages.map(([name, used]) => [
      name, seconds(used), number((1e6 * used) / looked, 1), number(looked / used),
      share(used / spent, 0), used / spent,
    ]));
    fill(part.querySelector("[data-caches]"), Object.entries(of.caches || {}).map(([kind, one]) => [
      kind, number(one.asked), number(one.interned), number(one.l1_hits), number(one.l2_hits),
      number(one.computed), share(one.hit_rate), share(one.known_rate),
    ]));
    if (Array.isArray(told.series)) draw(part, told.series);
  };

  const parts = [...document.querySelectorAll("[data-run]")];
  const again = (words) => {
    state.textContent = words;
    setTimeout(() => location.reload(), 1200);
  };
  parts.forEach((part) => {
    const stream = new EventSource(`${box.dataset.live}/${part.dataset.run}/events`);
    stream.addEventListener("figures", (event) => {
      state.textContent = "A run is going on.";
      show(part, JSON.parse(event.data));
    });
    stream.addEventListener("end", (event) => {
      stream.close();
      const how = JSON.parse(event.data).state === "killed" ? "was stopped in the middle" : "has ended";
      again(`Run ${part.dataset.run} ${how}.`);
    });
    stream.addEventListener("error", () => {
      state.textContent = "The server does not answer; trying again.";
    });
    window.addEventListener("pagehide", () => stream.close());
  });

  // With none on, look whether one has begun.
  if (!parts.length) {
    const look = async () => {
      if (!document.hidden) {
        try {
          const answer = await fetch(box.dataset.live, { credentials: "same-origin" });
          const runs = answer.ok ? (await answer.json()).runs : [];
          if (runs.some((one) => one.state !== "killed")) { again("A run has begun."); return; }
        } catch { state.textContent = "The server does not answer; trying again."; }
      }
      setTimeout(look, 2000);
    };
    setTimeout(look, 2000);
  }
})();
