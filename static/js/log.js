// The log of calls, made quicker: a click anywhere on a row opens it, keys move between rows and
// pages while the log has the focus, and what a change of page or filter did is said aloud.

const MOVES = { ArrowDown: 1, ArrowUp: -1 };
const PAGES = { n: "page-next", p: "page-previous" };

const log = () => document.getElementById("log");
const say = (text) => {
  document.getElementById("announcement").textContent = text;
};

document.addEventListener("click", (event) => {
  const row = event.target.closest(".log-table tbody tr");
  if (!row || event.target.closest("a, button") || String(getSelection())) return;
  const link = row.querySelector("a");
  if (!link) return;
  if (event.ctrlKey || event.metaKey) open(link.href);
  else link.click();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  if (!log()?.contains(event.target)) return;
  if (event.key in PAGES) {
    document.getElementById(PAGES[event.key])?.click();
  } else if (event.key in MOVES) {
    const links = [...log().querySelectorAll(".log-table tbody a")];
    const next = links[links.indexOf(document.activeElement) + MOVES[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  const shown = log();
  if (!shown) return;
  say(shown.dataset.announcement ?? "");
  document.getElementById("request-problem").hidden = true;
  // What was followed may be gone (the last page has no next one): the reader stays where it was.
  if (document.activeElement !== document.body) return;
  const cause = event.detail.requestConfig?.elt;
  const near = cause?.closest(".filters") ? document.querySelector(".filters summary") : shown;
  near?.focus({ preventScroll: true });
});

const problem = (words, { detail }) => {
  const notice = document.getElementById("request-problem");
  notice.hidden = false;
  notice.querySelector("[data-words]").textContent = words;
  notice.querySelector("a").href = detail.pathInfo?.finalRequestPath ?? location.href;
};

// What an answer of 4xx means for a reader; any other is the server's own trouble.
const REFUSALS = {
  403: "You may not see these numbers any more. An administrator of the account can help.",
  404: "There is no such page any more. Load the page again.",
  429: "Too many requests at once. Try again in a minute.",
};

document.addEventListener("htmx:sendError", (event) =>
  problem("The numbers could not be loaded: there is no connection. Check it, then try again.", event),
);
document.addEventListener("htmx:timeout", (event) =>
  problem("The numbers could not be loaded: it took too long. Try again in a minute.", event),
);
document.addEventListener("htmx:responseError", (event) =>
  problem(
    REFUSALS[event.detail.xhr.status] ??
      "The numbers could not be loaded: the server had a problem. Try again in a minute.",
    event,
  ),
);
