// The button for light and dark, and the contents: open where there is room for them.
"use strict";
(function () {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", function () {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch (e) { /* files of some browsers have no storage */ }
  });
  const contents = document.getElementById("contents"), wide = matchMedia("(min-width: 60em)");
  function fit() { contents.open = wide.matches; }
  wide.addEventListener("change", fit);
  fit();
  const here = contents.querySelector("a.current");
  if (here && wide.matches) {
    const nav = contents.parentElement;
    nav.scrollTop = here.offsetTop - nav.clientHeight / 2;
  }
})();
