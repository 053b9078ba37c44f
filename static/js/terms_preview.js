// Asks the server what typical calls would cost while terms are being typed, and shows its answer.
// Without this script the preview shows what was entered when the page was last sent.

const PAUSE_MS = 200;
const preview = document.querySelector("[data-terms-preview]");
const inputs = ["increment_seconds", "credits_per_increment"].map((name) =>
  document.querySelector(`input[name="${name}"]`),
);

if (preview && inputs.every(Boolean)) {
  let pause;
  let asked = 0;

  const ask = async () => {
    const mine = ++asked;
    const address = new URL(preview.dataset.termsPreview, window.location.href);
    for (const input of inputs) address.searchParams.set(input.name, input.value);
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" } });
      if (mine === asked && response.ok) preview.innerHTML = await response.text();
    } catch {
      // Offline: the last answer stays, and saving will say what is wrong.
    }
  };

  for (const input of inputs) {
    input.addEventListener("input", () => {
      clearTimeout(pause);
      pause = setTimeout(ask, PAUSE_MS);
    });
  }
}
