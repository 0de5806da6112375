// A click on a heading sorts the ranking by that column. Missing values stay last.
const table = document.querySelector("#ranking");
table.tHead.addEventListener("click", ({ target }) => {
  const heading = target.closest("th");
  if (!heading) return;
  const down = heading.ariaSort !== "descending", index = heading.cellIndex;
  const value = row => row.cells[index].dataset.sort;
  const order = (a, b) => (isNaN(a) ? a.localeCompare(b) : a - b) * (down ? -1 : 1);
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => !value(a) - !value(b) || order(value(a), value(b)));
  for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
  heading.ariaSort = down ? "descending" : "ascending";
  table.tBodies[0].append(...rows);
});

// Axes are drawn on a canvas, so style sheets do not apply. Set their text to the page's text colour.
const TEXT = ["axis_label_text_color", "major_label_text_color"];
const LINES = ["axis_line_color", "major_tick_line_color", "minor_tick_line_color"];
function paint(ink = getComputedStyle(document.body).color) {
  for (const document of Bokeh.documents)
    for (const model of document.all_models) {
      for (const name of TEXT) if (name in model.properties) model[name] = ink;
      for (const name of LINES) if (name in model.properties) model[name] = "#888888";
    }
}
Bokeh.index.roots.length ? paint() : addEventListener("load", () => setTimeout(paint, 0));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint());
addEventListener("beforeprint", () => paint("#000000"));
addEventListener("afterprint", () => paint());
