// Forms that are to be sent once: the button rests as soon as it was used. The server knows the form
// by its key in any case; this only shows that something is happening.

for (const form of document.querySelectorAll("form[data-once]")) {
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", () => { button.disabled = true; });
  // Back from the payment page, the browser shows the page as it was left.
  addEventListener("pageshow", () => { button.disabled = false; });
}
