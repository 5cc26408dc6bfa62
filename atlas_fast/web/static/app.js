// Conveniences; every page works without them.
"use strict";
(() => {
  // Choose all messages of a list, and say how many are chosen.
  const all = document.querySelector("[data-all]");
  const boxes = [...document.querySelectorAll("input[name='id']")];
  const count = document.querySelector("[data-count]");
  const tell = () => {
    const n = boxes.filter((box) => box.checked).length;
    boxes.forEach((box) => box.closest("tr")?.classList.toggle("chosen", box.checked));
    if (count) count.textContent = n ? `${n} chosen` : "none chosen";
    if (all) {
      all.checked = n > 0 && n === boxes.length;
      all.indeterminate = n > 0 && n < boxes.length;
    }
  };
  if (all) {
    all.closest("[hidden]")?.removeAttribute("hidden");
    all.addEventListener("change", () => {
      boxes.forEach((box) => { box.checked = all.checked; });
      tell();
    });
    let last = null;
    boxes.forEach((box, at) => box.addEventListener("click", (event) => {
      if (event.shiftKey && last !== null) {
        const [from, to] = [Math.min(at, last), Math.max(at, last)];
        boxes.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
      }
      last = at;
      tell();
    }));
    boxes.forEach((box) => box.addEventListener("change", tell));
    tell();
  }

  // Ask before what cannot be taken back.
  document.addEventListener("submit", (event) => {
    const words = event.submitter?.dataset.ask || event.target.dataset.ask;
    if (words && !window.confirm(words)) event.preventDefault();
  });

  // Judge by keyboard: j/k or arrows move, 1-5 and letters press the button of the same key.
  const cases = [...document.querySelectorAll("[data-case]")];
  const typing = (target) => target.matches("input, select, textarea");
  if (cases.length) {
    let at = 0;
    const go = (to) => {
      at = Math.max(0, Math.min(cases.length - 1, to));
      cases.forEach((one, number) => {
        if (number === at) one.setAttribute("aria-current", "true");
        else one.removeAttribute("aria-current");
      });
      cases[at].focus({ preventScroll: true });
      cases[at].scrollIntoView({ block: "nearest" });
    };
    const judge = async (one, button) => {
      const form = button.form;
      const data = new URLSearchParams(new FormData(form));
      data.set(button.name, button.value);
      data.set("quiet", "1");
      const answer = await fetch(form.action, {
        method: "POST", body: data, credentials: "same-origin",
      });
      const said = one.querySelector("[data-told]");
      if (!answer.ok) {
        said.textContent = "This could not be saved; load the page again.";
        return;
      }
      said.textContent = `Noted: ${button.dataset.said}.`;
      one.querySelectorAll("button").forEach((other) => { other.disabled = true; });
      one.dataset.done = "1";
      const next = cases.findIndex((other, number) => number > at && !other.dataset.done);
      if (next >= 0) go(next);
    };
    cases.forEach((one, number) => {
      one.addEventListener("focusin", () => { if (number !== at) { at = number; go(number); } });
      one.addEventListener("submit", (event) => {
        event.preventDefault();
        judge(one, event.submitter);
      });
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === "j" || event.key === "ArrowDown") go(at + 1);
      else if (event.key === "k" || event.key === "ArrowUp") go(at - 1);
      else {
        const button = cases[at].querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
        if (!button || button.disabled) return;
        button.click();
      }
      event.preventDefault();
    });
    go(0);
  }

  // A job is going on: look again.
  const waiting = document.querySelector("[data-reload]");
  if (waiting) setTimeout(() => location.reload(), Number(waiting.dataset.reload));

  // "/" goes to the search field.
  document.addEventListener("keydown", (event) => {
    const field = document.querySelector("[data-search]");
    if (event.key !== "/" || !field || typing(event.target)) return;
    event.preventDefault();
    field.focus();
  });
})();
