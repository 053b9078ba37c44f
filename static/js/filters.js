// One queue for everything that changes what the page shows: filters, period, pages of the log. A
// request replaces the one under way (hx-sync on #usage), and asks for what that one asked for, what
// stands in the filters, and what was chosen just now. So nothing chosen or typed is lost, the last
// state wins, and the address says what is shown.

// What says which rows of the same list are shown, and of which state of it: for another list the
// page means nothing, and the state means nothing where the figures are others too.
const OF_THE_LIST = ["page", "as_of"];
// What says how they are shown. The log is exchanged alone, so what the filters above it know of
// these may be out of date.
const OF_THE_LOG = ["view", "sort"];

let underWay = null; // the request, as htmx describes it, with the `wanted` that we add

const shown = () => new URLSearchParams(location.search);
const current = () => underWay?.wanted ?? shown();
const fields = () => [...document.querySelectorAll(".filters-fields :is(select, input:not([type=hidden]))")];
const days = () => [...document.querySelectorAll(".range input[type=date]")];
const said = (state, name) => state.get(name) ?? "";

const put = (state, name, value) => {
  if (value) state.set(name, value);
  else state.delete(name);
};

const without = (state, names) => {
  const rest = new URLSearchParams(state);
  for (const name of names) rest.delete(name);
  rest.sort();
  return rest.toString();
};
const listOf = (state) => without(state, OF_THE_LIST);
const figuresOf = (state) => without(state, [...OF_THE_LIST, ...OF_THE_LOG]);

// The state under way, or shown, with what stands in the filters: what was typed counts at once.
const withFilters = () => {
  const state = new URLSearchParams(current());
  for (const field of fields()) put(state, field.name, field.value);
  return state;
};

const onlyItsList = (state) => {
  if (listOf(state) !== listOf(shown())) state.delete("page");
  if (figuresOf(state) !== figuresOf(shown())) state.delete("as_of");
  return state;
};

// What a link or form asks for, put into the state: only what it changes of the page it stands on.
const merged = (asked) => {
  const page = shown();
  const state = withFilters();
  for (const name of new Set([...page.keys(), ...asked.keys()])) {
    if (said(asked, name) === said(page, name)) continue;
    put(state, name, said(asked, name));
    const field = fields().find((each) => each.name === name);
    if (field) field.value = said(asked, name);
  }
  return onlyItsList(state);
};

document.addEventListener("htmx:configRequest", (event) => {
  const request = event.detail;
  if (!request.elt.closest("#usage")) return;
  const address = new URL(request.path, location.href);
  const asked = new URLSearchParams(address.search);
  for (const [name, value] of request.formData.entries()) put(asked, name, value);
  if (request.elt.closest(".filters")) {
    for (const name of OF_THE_LOG) put(asked, name, said(shown(), name));
  }
  request.wanted = merged(asked);
  for (const name of [...request.formData.keys()]) request.formData.delete(name);
  const query = request.wanted.toString();
  request.path = query ? `${address.pathname}?${query}` : address.pathname;
  underWay = request;
});

// One that is replaced ends first: what it asked for is still wanted when the next one is made.
document.addEventListener("htmx:afterRequest", ({ detail }) =>
  setTimeout(() => {
    if (detail.requestConfig === underWay) underWay = null;
  }),
);

// ── The filters apply themselves: as soon as something is chosen, or what was typed is left ────
const apply = (field) =>
  // Enter submits as well, and whatever was pressed to leave the field may have asked already.
  setTimeout(() => {
    const isAsked = () => fields().every((each) => each.value === said(current(), each.name));
    if (field.isConnected && !isAsked()) field.form.requestSubmit();
  });

for (const kind of ["change", "focusout", "search"]) {
  document.addEventListener(kind, ({ target }) => {
    // A search event that was no emptying is Enter: the form goes by itself.
    if (kind === "search" && target.value) return;
    if (target.matches(".filters-fields :is(select, input)")) apply(target);
  });
}

// ── What was typed while a request ran stays when its answer is put in ─────────────────────────
let kept = null;

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  kept = null;
  const { wanted: asked } = detail.requestConfig;
  if (asked && figuresOf(asked) !== figuresOf(shown())) {
    // A link of the log asked for it, but what was typed changes tiles and graph too.
    const all = document.getElementById("usage");
    Object.assign(detail, { target: all, selectOverride: "unset", swapOverride: "innerHTML" });
  }
  if (!detail.shouldSwap || !detail.target.querySelector(".filters")) return;
  const wanted = detail.requestConfig.wanted ?? shown();
  const menu = document.querySelector(".filters details.menu");
  const focused = document.activeElement;
  kept = {
    typed: fields().filter((field) => field.value !== said(wanted, field.name)),
    days: menu.open ? days() : [],
    isMenuOpen: menu.open && !menu.contains(detail.requestConfig.elt),
    caret: focused?.matches?.("input[type=search]") ? focused.selectionStart : null,
    // On a phone the filters stay open for the next choice; Enter in the search is the last one.
    sheetAt: document.querySelector(".filters-fields:popover-open") && focused?.matches("select") && focused.id,
  };
});

document.addEventListener("htmx:afterSwap", () => {
  if (!kept) return;
  const menu = document.querySelector(".filters details.menu");
  if (!menu) return;
  if (kept.isMenuOpen) menu.open = true;
  for (const old of [...kept.typed, ...(kept.isMenuOpen ? kept.days : [])]) {
    const field = document.getElementById(old.id);
    if (field) field.value = old.value;
  }
  if (kept.sheetAt) {
    document.querySelector(".filters-fields").showPopover();
    document.getElementById(kept.sheetAt)?.focus();
  }
  const focused = document.activeElement;
  if (kept.caret !== null && focused.matches("input[type=search]")) {
    focused.setSelectionRange(kept.caret, kept.caret);
  }
});

// ── A download is of what stands in the filters, applied or not ────────────────────────────────
document.addEventListener("click", ({ target }) => {
  const download = target.closest?.("[data-follows-filters]");
  if (!download || listOf(withFilters()) === listOf(shown())) return;
  const state = onlyItsList(withFilters());
  state.delete("page");
  const name = download.matches("form") ? "action" : "href";
  const address = new URL(download[name], location.href);
  address.search = state.toString();
  download[name] = address.href;
});
