"use strict";
(() => {
const get = id => document.getElementById(id);
const at = get("at"), age = get("age"), made = Date.parse(at.dateTime), stale = Number(at.dataset.stale);
const say = seconds => seconds < 90 ? `${Math.round(seconds)}s` : seconds < 5400 ? `${Math.round(seconds / 60)}m`
  : seconds < 172800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86400)}d`;
const tell = () => {
  const seconds = (Date.now() - made) / 1000;
  const old = seconds > stale || seconds < -stale;
  age.textContent = seconds < -5 ? "ahead of this computer's clock" : `${say(Math.max(0, seconds))} ago` + (old ? ": nobody writes it any more" : "");
  age.className = old ? "old" : "";
  document.documentElement.classList.toggle("stale", old);
};
tell();
setInterval(tell, 5000);

const table = get("nodes");
if (!table) return;
const body = table.tBodies[0], rows = [...body.rows], find = get("find"), shown = get("shown");
const texts = new Map(), text = row => {
  if (!texts.has(row)) texts.set(row, [...row.cells].map(cell => cell.querySelector("svg") ? "" : cell.textContent).join(" ").toLowerCase());
  return texts.get(row);
};
const filter = () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every(word => text(row).includes(word));
    count += !row.hidden;
  }
  shown.textContent = words.length ? `${count} of ${rows.length} nodes` : "";
  history.replaceState(null, "", words.length ? `#find=${encodeURIComponent(find.value)}` : location.pathname + location.search);
};
let wait;
find.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 80); });
for (const link of document.querySelectorAll("a[data-find]"))
  link.addEventListener("click", () => { find.value = link.dataset.find; setTimeout(filter); });

const order = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"}), heads = [...table.tHead.rows[0].cells];
const value = (row, number) => row.cells[number].dataset.v ?? row.cells[number].textContent.trim();
heads.forEach((head, number) => {
  if (head.hasAttribute("data-fixed")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const keys = new Map(rows.map(row => [row, value(row, number)]));
    rows.sort((one, other) => {
      const a = keys.get(one), b = keys.get(other);
      return a === "" || b === "" ? (a === "") - (b === "") : (down ? -1 : 1) * order.compare(a, b);
    });
    body.append(...rows);
  });
});
get("tools").hidden = false;
const wanted = /^#find=(.*)$/.exec(location.hash);
if (wanted) {
  try { find.value = decodeURIComponent(wanted[1]); } catch { return; }
  filter();
}
})();
