// Runs before the first paint, and therefore blocks: applies the theme that the reader chose, and
// tells the stylesheets that scripts run. Everything else about the theme is in theme.js.
(() => {
  const root = document.documentElement;
  root.dataset.script = "";
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage is forbidden here: the system's preference stays.
  }
})();
