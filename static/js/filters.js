// The filters apply themselves: as soon as something is chosen, or the search is emptied.

document.addEventListener("change", (event) => {
  if (event.target.matches(".filters-fields select")) event.target.form.requestSubmit();
});

// Enter in an empty field says "search" as well; then the form is on its way already.
document.addEventListener("search", ({ target }) => {
  if (!target.matches(".filters-fields input") || target.value) return;
  setTimeout(() => {
    if (target.isConnected && !document.querySelector(".htmx-request")) target.form.requestSubmit();
  });
});

// Fields that nobody filled stay out of the address.
document.addEventListener("htmx:configRequest", (event) => {
  const { formData } = event.detail;
  for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
});
