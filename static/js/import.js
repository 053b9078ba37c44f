// The page of an import: what htmx exchanges keeps the reader where they were, and a mapping shows its
// effect by itself, so the button that does it without a script is not needed.

document.addEventListener("htmx:afterSettle", () => {
  // What had the focus may be gone with the state that it belonged to.
  if (document.activeElement !== document.body) return;
  if (!document.querySelector("#progress")) document.getElementById("face-title")?.focus({ preventScroll: true });
});

for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;

document.getElementById("mapping-problems")?.focus();
