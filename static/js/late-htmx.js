// Loads htmx when somebody is about to use what it exchanges: whoever only reads does without it.
// What is clicked or sent sooner waits for it, and takes the browser's own way if it does not come.

const scripts = document.getElementById("late-htmx").content;
const listening = new AbortController();
let isLoading = false;
let held = null; // what to do again when htmx is there: the last wins

const load = async () => {
  if (isLoading) return;
  isLoading = true;
  // While the page is still being loaded, htmx would wait for an event that may be over.
  if (document.readyState !== "complete") await new Promise((done) => addEventListener("load", done));
  const copy = document.importNode(scripts, true);
  const script = copy.firstElementChild;
  const settled = new Promise((done) => {
    script.onload = script.onerror = done;
  });
  document.head.append(copy);
  await settled;
  listening.abort();
  held?.();
};

const hold = (event, again) => {
  event.preventDefault();
  held = again;
  load();
};

const listen = (target, kind, listener) =>
  target.addEventListener(kind, listener, { signal: listening.signal });

for (const kind of ["pointerover", "focusin"]) listen(document.getElementById("usage"), kind, load);

listen(document, "click", (event) => {
  const link = event.target.closest?.("a[hx-get]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  hold(event, () => link.click());
});

listen(document, "submit", (event) => {
  const form = event.target.closest("form[hx-get]");
  if (form) hold(event, () => form.requestSubmit(event.submitter));
});

// The page was loaded anew in the middle of what htmx had put into the history.
listen(window, "popstate", ({ state }) => {
  if (state?.htmx) location.reload();
});
