"use strict";
(() => {
  const key = (row, column, isText) => {
    const cell = row.cells[column];
    const raw = cell.dataset.sort ?? cell.textContent.trim();
    if (isText) return raw.toLowerCase();
    return raw === "" ? NaN : Number.parseFloat(raw.replace(/[\u202f\u2009 ]/g, ""));
  };

  const compare = (a, b, isText) => {
    if (isText) return a.localeCompare(b, undefined, { numeric: true });
    return a - b;
  };

  const sort = (table, header, direction) => {
    const body = table.tBodies[0];
    const isText = header.dataset.type === "text";
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = [...body.rows].map((row) => [key(row, header.cellIndex, isText), row]);
    keyed.sort(([a], [b]) => {
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * compare(a, b, isText);
    });
    body.append(...keyed.map(([, row]) => row));
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const first = header.dataset.first ?? (header.dataset.type === "text" ? "ascending" : "descending");
        const second = first === "ascending" ? "descending" : "ascending";
        sort(table, header, header.getAttribute("aria-sort") === first ? second : first);
      });
    }
  }

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const panel of document.querySelectorAll("main > section")) watcher.observe(panel);

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
