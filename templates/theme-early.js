(() => {
  const root = document.documentElement;
  root.dataset.script = "";
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {}
})();
