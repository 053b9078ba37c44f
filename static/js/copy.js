// Buttons that copy: <button data-copy="text">. The button says what happened.

const NOTE_MS = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C to copy";
    const shown = document.getElementById(button.dataset.copyOf ?? "");
    if (shown) getSelection().selectAllChildren(shown);
  }
  button.disabled = true;
  setTimeout(() => {
    button.textContent = label;
    button.disabled = false;
    button.focus();
  }, NOTE_MS);
});
