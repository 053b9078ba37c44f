// The theme switch: system, light or dark. Remembered in this browser; says `themechange` on the
// document whenever the colours change, for whatever draws with them.

const root = document.documentElement;
const announce = () => document.dispatchEvent(new CustomEvent("themechange"));

const remember = (choice) => {
  try {
    if (choice === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
  } catch {
    // Storage is forbidden here: the choice holds for this page.
  }
};

for (const option of document.querySelectorAll('input[name="theme"]')) {
  option.checked = option.value === (root.dataset.theme ?? "system");
  option.addEventListener("change", () => {
    if (option.value === "system") delete root.dataset.theme;
    else root.dataset.theme = option.value;
    remember(option.value);
    announce();
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

// Paper is light. The stylesheets know; what is drawn with their colours has to be told.
for (const [event, isOnPaper] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(event, () => {
    root.toggleAttribute("data-paper", isOnPaper);
    announce();
  });
}
