// The filters apply themselves: as soon as something is chosen, what was typed is left, or the
// search is emptied.

// Enter submits as well: then the form is on its way already.
const apply = (field) =>
  setTimeout(() => {
    if (field.isConnected && !document.querySelector(".htmx-request")) field.form.requestSubmit();
  });

document.addEventListener("change", ({ target }) => {
  if (target.matches(".filters-fields :is(select, input)")) apply(target);
});

document.addEventListener("search", ({ target }) => {
  if (target.matches(".filters-fields input") && !target.value) apply(target);
});

// Fields that nobody filled stay out of the address.
document.addEventListener("htmx:configRequest", (event) => {
  const { formData } = event.detail;
  for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
});
