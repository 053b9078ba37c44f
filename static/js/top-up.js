// Typing a number of credits means that number, not the pack that was chosen before. What it costs is
// asked of the server by htmx.

const typed = document.querySelector("input[name='credits']");
const custom = document.querySelector("input[data-own]");

if (typed && custom) {
  typed.addEventListener("input", () => {
    if (typed.value) custom.checked = true;
  });
  // Going back, the browser restores what was typed, but not its price.
  addEventListener("pageshow", () => {
    if (typed.value !== typed.defaultValue) typed.dispatchEvent(new Event("input"));
  });
}
