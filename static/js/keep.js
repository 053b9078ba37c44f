// What was typed into a form is there again after its session ended and somebody signed in anew. It
// is kept in this tab only, for the same person only, and never passwords or files.

const KEPT = "typed";
const { person, signIn } = document.documentElement.dataset;
const isKept = (field) => field.name && !field.disabled
  && !["password", "file", "hidden", "submit", "button"].includes(field.type);
const forms = () => [...document.querySelectorAll('form[method="post"]')];
const fieldsOf = (form) => [...form.elements].filter(isKept);

const read = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
};
const write = (kept) => {
  try {
    if (kept) sessionStorage.setItem(KEPT, JSON.stringify(kept));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Full or forbidden: then nothing is kept.
  }
};

const note = () => {
  const values = forms().map((form) => fieldsOf(form).map((field) => [field.name,
    ["checkbox", "radio"].includes(field.type) ? field.checked : field.value]));
  write({ person, path: location.pathname, values, ended: false });
};

const restore = (kept) => {
  let changed = null;
  forms().forEach((form, number) => {
    const values = kept.values[number] ?? [];
    const fields = fieldsOf(form);
    if (values.length !== fields.length || values.some(([name], at) => name !== fields[at].name)) return;
    fields.forEach((field, at) => {
      const property = ["checkbox", "radio"].includes(field.type) ? "checked" : "value";
      if (field[property] === values[at][1]) return;
      field[property] = values[at][1];
      field.dispatchEvent(new Event("input", { bubbles: true }));
      changed ??= form;
    });
  });
  if (!changed) return;
  const notice = document.createElement("p");
  notice.className = "notice notice-warning";
  notice.setAttribute("role", "status");
  notice.textContent = "What you typed before you signed in again is here. It is not saved yet.";
  changed.before(notice);
};

const kept = read();
if (signIn === "yes") {
  // Whoever comes here from a page whose session ended goes back to it; from anywhere else, not.
  const next = new URLSearchParams(location.search).get("next") ?? "";
  if (kept && next.split("?")[0] === kept.path) write({ ...kept, ended: true });
  else if (kept && !kept.ended) write(null);
} else if (person) {
  write(null);
  if (kept?.ended && kept.person === person && kept.path === location.pathname) restore(kept);
  document.addEventListener("input", note);
  for (const form of document.querySelectorAll('form[action$="/logout/"]')) {
    form.addEventListener("submit", () => write(null));
  }
}
