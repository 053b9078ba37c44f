// What was typed into a form is there again after its session ended and somebody signed in anew. It
// is kept in this tab only, for the same person only, and never passwords or files.

const KEPT = "typed";
const { signIn } = document.documentElement.dataset;
// Our pages say it of themselves; those of the operators say it where they load this.
const person = document.querySelector("[data-person]")?.dataset.person;
const isKept = (field) => field.name && !field.disabled
  && !["password", "file", "hidden", "submit", "button"].includes(field.type);
const forms = () => [...document.querySelectorAll('form[method="post"]')];
const fieldsOf = (form) => [...form.elements].filter(isKept);
const isBox = (field) => ["checkbox", "radio"].includes(field.type);
// Boxes of one name are told apart by what they stand for: in a list, the record.
const nameOf = (field) => (isBox(field) ? `${field.name}=${field.value}` : field.name);

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
  const values = forms().map((form) => fieldsOf(form).map((field) => [nameOf(field),
    isBox(field) ? field.checked : field.value]));
  write({ person, path: location.pathname, values, ended: false });
};

const restore = (kept) => {
  let changed = null;
  forms().forEach((form, number) => {
    const values = kept.values[number] ?? [];
    const fields = fieldsOf(form);
    if (values.length !== fields.length || values.some(([name], at) => name !== nameOf(fields[at]))) return;
    fields.forEach((field, at) => {
      const property = isBox(field) ? "checked" : "value";
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
  document.addEventListener("submit", note, true); // what a script of a field set, makes no input
  for (const form of document.querySelectorAll('form[action$="/logout/"]')) {
    form.addEventListener("submit", () => write(null));
  }
}
